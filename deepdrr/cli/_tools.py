"""The tools that flags name."""

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import torch

from deepdrr.cli._options import ToolOptions
from deepdrr.data import Volume
from deepdrr.projector.scene_file import PLACES, Section, place_tool
from deepdrr.tools import Tool

__all__ = ["check_tools", "tools"]

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


def _of(words: Sequence[Word], index: int, default: Word) -> Word:
    """The word for a tool: its own, or the one that holds for all."""
    return words[min(index, len(words) - 1)] if words else default


def _name(path: Path, taken: Sequence[str]) -> str:
    number = 1 + sum(name == path.stem or name.startswith(f"{path.stem} ") for name in taken)
    return path.stem if number == 1 else f"{path.stem} {number}"
