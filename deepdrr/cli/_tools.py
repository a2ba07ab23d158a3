"""The tools that flags name."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import torch

from deepdrr.cli._options import ToolOptions
from deepdrr.data import Volume
from deepdrr.geometry import transform_points
from deepdrr.projector import Projector
from deepdrr.projector.scene_file import PLACES, Section, place_tool
from deepdrr.tools import Tool

__all__ = ["check_tools", "tools", "warn_if_outside"]

Word = TypeVar("Word", bound=str)


def check_tools(options: ToolOptions) -> None:
    """Refuse numbers of flags that do not fit each other, before anything is read.

    Raises:
        ValueError: if there is a tool without a material, or a flag without a tool.
    """
    count = len(options.tool)
    if count and not options.tool_material:
        raise ValueError(f"tool_material must be given for the tool '{options.tool[0]}', such as titanium, got none")
    for name in ("tool_material", "tool_pose", "tool_unit", "tool_frame"):
        given = len(getattr(options, name))
        if given not in (0, 1, count) or (given and not count):
            raise ValueError(f"{name} must be given once, or once for each of {count} tools, got {given} times")


def tools(options: ToolOptions, volume: Volume) -> list[Tool]:
    """The tools, hung on the patient; their names are those of the files, numbered where two are alike."""
    found: list[Tool] = []
    for n, path in enumerate(options.tool):
        tool = Tool.from_file(
            path,
            material=_of(options.tool_material, n, ""),
            unit=_of(options.tool_unit, n, "mm"),
            frame=_of(options.tool_frame, n, "own"),
            name=_name(path, [other.name for other in found]),
        )
        tool.attach(volume, parent_from_tool=torch.eye(4))
        if options.tool_pose:
            section = Section.of(options.tool_pose[min(n, len(options.tool_pose) - 1)])
            section.check(PLACES)
            place_tool(tool, section)
        found.append(tool)
    return found


def warn_if_outside(projector: Projector) -> None:
    """Warn of each tool that lies wholly beside the picture, with its box.

    Warns:
        UserWarning: for each such tool; it says by how many pixels it is where.
    """
    camera = projector.camera
    width, height = camera.width, camera.height
    for tool in projector.scene.solids:
        pixels = camera.project_points(transform_points(tool.world_from_tool, tool.mesh.vertices))
        (u0, v0), (u1, v1) = pixels.amin(dim=-2).tolist(), pixels.amax(dim=-2).tolist()
        if u1 <= 0 or v1 <= 0 or u0 >= width or v0 >= height:
            warnings.warn(
                f"the tool {tool.name!r} is not in the picture of {width}×{height} pixels: it lies at columns {u0:.0f} "
                f"to {u1:.0f}, rows {v0:.0f} to {v1:.0f}; another isocenter, or place of the tool, brings it there",
                stacklevel=2,
            )


def _of(words: Sequence[Word], index: int, default: Word) -> Word:
    """The word for a tool: its own, or the one that holds for all."""
    return words[min(index, len(words) - 1)] if words else default


def _name(path: Path, taken: Sequence[str]) -> str:
    number = 1 + sum(name == path.stem or name.startswith(f"{path.stem} ") for name in taken)
    return path.stem if number == 1 else f"{path.stem} {number}"
