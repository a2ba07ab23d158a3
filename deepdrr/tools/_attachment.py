"""What a tool hangs on: a volume, or another tool."""

from typing import Protocol, TypeAlias, runtime_checkable

from torch import Tensor

__all__ = ["OnTool", "OnVolume", "Parent", "called", "check_no_cycle", "point_of", "world_from_parent"]


@runtime_checkable
class OnVolume(Protocol):
    """A patient in the room; a `deepdrr.Volume` is one."""

    @property
    def world_from_anatomical(self) -> Tensor:
        """Rigid transform [4, 4] from the patient's RAS frame to the room, mm."""

    def landmark_in_world(self, name: str) -> Tensor:
        """A named point [3] in the room, mm."""


@runtime_checkable
class OnTool(Protocol):
    """Another tool."""

    @property
    def rigid_world_from_tool(self) -> Tensor:
        """Rigid transform [4, 4] from its frame to the room, mm."""

    def point_in_world(self, name: str) -> Tensor:
        """A named point [3] in the room, mm."""

    @property
    def parent(self) -> "Parent | None":
        """What it hangs on itself."""


Parent: TypeAlias = OnVolume | OnTool


def world_from_parent(parent: Parent | None) -> Tensor | None:
    """Rigid transform [4, 4] from the parent's frame to the room; None for no parent."""
    if parent is None:
        return None
    return parent.rigid_world_from_tool if isinstance(parent, OnTool) else parent.world_from_anatomical


def point_of(parent: Parent | None, name: str) -> Tensor:
    """A landmark of a volume, or a key point of a tool, in the room [3], mm.

    Raises:
        ValueError: if there is none of this name.
    """
    if parent is None:
        raise ValueError(
            f"a point by name is one of what the tool hangs on, got {name!r} for a tool that hangs on nothing"
        )
    return parent.point_in_world(name) if isinstance(parent, OnTool) else parent.landmark_in_world(name)


def called(parent: Parent) -> str:
    """A parent's name in quotes, or its class where it has none."""
    return repr(parent.name) if hasattr(parent, "name") else f"a {type(parent).__name__}"


def check_no_cycle(tool: OnTool, parent: Parent) -> None:
    """Refuse what is neither a volume nor a tool, and a parent that hangs on the tool itself.

    Raises:
        TypeError, ValueError: with the chain of names.
    """
    if not isinstance(parent, OnTool | OnVolume):
        raise TypeError(f"parent must be a Volume or a Tool, got {type(parent).__name__}")
    chain: list[str] = []
    above: Parent | None = parent
    while isinstance(above, OnTool):
        chain.append(called(above))
        if above is tool:
            raise ValueError(f"a tool cannot hang on itself, got the chain {' on '.join([chain[-1], *chain])}")
        above = above.parent
