"""`Solid`: what a scene has to know of a tool or an implant."""

from typing import Literal, Protocol, TypeAlias, runtime_checkable

from torch import Tensor

from deepdrr.materials import Material
from deepdrr.tools._mesh import Mesh

__all__ = ["Presence", "Solid"]

Presence: TypeAlias = Literal["displace", "add"]
"""What a solid does to the matter at its place: it displaces it, or adds to it as a contrast medium does to blood."""


@runtime_checkable
class Solid(Protocol):
    """A body of one material with a closed surface, placed in the room."""

    @property
    def mesh(self) -> Mesh:
        """Its surface, in its own frame, mm."""

    @property
    def material(self) -> Material:
        """What it is made of."""

    @property
    def density_g_cm3(self) -> float:
        """Mass density, g/cm³; it may differ from that of the material."""

    @property
    def world_from_tool(self) -> Tensor:
        """Transform [4, 4] from its own frame to the room, mm: rigid, with or without a scale. May carry a gradient."""

    @property
    def name(self) -> str:
        """Name, unlike that of any other solid of a scene."""

    @property
    def priority(self) -> int:
        """Where solids overlap, the one of higher priority is there; of equal ones, the one that is named later."""

    @property
    def mode(self) -> Presence:
        """`"displace"`: no anatomy and no solid of lower priority is inside it. `"add"`: it is there besides them."""
