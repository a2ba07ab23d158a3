"""A solid for the tests: what the protocol asks for, and no more."""

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from deepdrr.geometry import rotation_about
from deepdrr.materials import Material, material
from deepdrr.tools import Mesh, Presence


@dataclass(eq=False)
class Placed:
    mesh: Mesh
    world_from_tool: Tensor = field(default_factory=lambda: torch.eye(4, dtype=torch.float64))
    name: str = "tool"
    material: Material = field(default_factory=lambda: material("titanium"))
    priority: int = 0
    mode: Presence = "displace"

    @property
    def density_g_cm3(self) -> float:
        return self.material.density_g_cm3

    def at(self, world_from_tool: Tensor) -> "Placed":
        return replace(self, world_from_tool=world_from_tool)


# A turn about no axis of anything, so that no ray runs along a face.
TURNED = rotation_about((1.0, 2.0, -1.5), 33.0, (1.0, -2.0, 3.0))
