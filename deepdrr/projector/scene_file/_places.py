"""Where a tool is, in the words of a scene file."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from deepdrr.geometry import as_point, transform_directions, transform_points
from deepdrr.projector.scene_file._section import Section
from deepdrr.tools import Tool, world_from_parent

__all__ = ["PLACES", "place_tool"]

PLACES = ("align", "insert", "world_from_tool", "parent_from_tool")


def place_tool(tool: Tool, section: Section) -> None:
    """Place a tool as a section says: by one of `PLACES`, or not at all.

    Points and directions of numbers are in the frame of what the tool hangs on: a volume's RAS frame, another tool's
    own frame; or in the room if it hangs on nothing.

    Raises:
        ValueError: with file, line and key.
    """
    stated = section.one_of(*PLACES)
    if stated is None:
        return
    if stated == "parent_from_tool" and tool.parent is None:
        raise ValueError(f"{section.place(stated)}: needs what the tool hangs on, got no field 'attached_to'")
    with section.blamed(stated):
        _STEPS[stated](tool, section)


def _align(tool: Tool, section: Section) -> None:
    inner = section.section("align")
    inner.check(("tip", "direction", "roll_deg", "point"))
    direction = as_point(inner.needed("direction"), "direction")
    tool.align(
        tip=_in_room(tool, inner.needed("tip"), "tip"),
        direction=transform_directions(_world_from_frame(tool), direction),
        **inner.given("roll_deg", "point"),
    )


def _insert(tool: Tool, section: Section) -> None:
    inner = section.section("insert")
    inner.check(("entry", "target", "depth_mm", "roll_deg"))
    entry, target = (_in_room(tool, inner.needed(name), name) for name in ("entry", "target"))
    tool.insert(along=(entry, target), depth_mm=inner.needed("depth_mm"), **inner.given("roll_deg"))


def _by_world(tool: Tool, section: Section) -> None:
    tool.world_from_tool = section.get("world_from_tool")


def _by_parent(tool: Tool, section: Section) -> None:
    assert tool.parent is not None  # it was checked
    tool.attach(tool.parent, parent_from_tool=section.get("parent_from_tool"))


_STEPS: dict[str, Callable[[Tool, Section], None]] = {
    "align": _align,
    "insert": _insert,
    "world_from_tool": _by_world,
    "parent_from_tool": _by_parent,
}


def _in_room(tool: Tool, place: Any, name: str) -> Tensor | str:
    """A point of the tool's frame of reference in the room, mm; a name stays one."""
    return place if isinstance(place, str) else transform_points(_world_from_frame(tool), as_point(place, name))


def _world_from_frame(tool: Tool) -> Tensor:
    found = world_from_parent(tool.parent)
    return torch.eye(4, dtype=torch.float64) if found is None else found
