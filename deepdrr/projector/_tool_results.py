"""`ToolResults`: what each tool covers in an exposure, where it is in the picture, and what it displaces."""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from deepdrr.camera import Camera
from deepdrr.geometry import transform_points
from deepdrr.materials import G_CM2_PER_MM, attenuation_matrix
from deepdrr.projector._scene import Scene
from deepdrr.projector._technique import Technique
from deepdrr.spectrum import mean_energy
from deepdrr.tools import Crossings, Intervals, Occupancy, entry_depths, hit_counts, inside, path_lengths

__all__ = ["VISIBLE_SHARE", "ToolResults", "key_points_of", "names_of_key_points"]

VISIBLE_SHARE = 0.05
"""Share of a pixel's attenuation, ∫ µ dℓ at the beam's mean energy, from which on a tool counts as visible there. Our
own rule: an X-ray hides nothing by lying in front, a tool is lost where the rest outweighs it."""


@dataclass(frozen=True, eq=False)
class ToolResults:
    """The results of T tools in one exposure; each is computed on request and at most once.

    Attributes:
        scene: the objects in the beam.
        camera: position of source and detector [*batch].
        technique: how the image is taken.
    """

    scene: Scene
    camera: Camera
    technique: Technique

    @cached_property
    def crossings(self) -> Crossings:
        """Where the rays cross the surfaces of the tools."""
        return self.scene.cross(self.camera, backend=self.technique.backend)

    @cached_property
    def inside(self) -> Intervals:
        """The parts of rays inside each tool, whatever else is there."""
        return inside(self.crossings)

    @cached_property
    def occupancy(self) -> Occupancy:
        """Which tool is where along the rays, and where there is no anatomy."""
        return self.scene.occupancy(self.crossings)

    @cached_property
    def path_lengths(self) -> Tensor:
        """Length of each ray inside each tool [*batch, T, H, W], mm."""
        return path_lengths(self.inside)

    @property
    def masks(self) -> Tensor:
        """Which rays pass through each tool, bool [*batch, T, H, W]."""
        return self.path_lengths > 0

    @property
    def entry_depths(self) -> Tensor:
        """Distance from the source to where each ray first enters each tool [*batch, T, H, W], mm; inf if nowhere."""
        return entry_depths(self.inside)

    @property
    def hits(self) -> Tensor:
        """How often each ray crosses the surface of each tool [*batch, T, H, W]."""
        return hit_counts(self.crossings)

    @cached_property
    def line_integrals(self) -> Tensor:
        """∫ µ dℓ of each tool's own matter at the beam's mean energy [*batch, T, H, W].

        Where tools overlap, only the one that is there counts.
        """
        solids, energy = self.scene.solids, mean_energy(self.technique.spectrum).reshape(1)
        mu = attenuation_matrix([solid.material for solid in solids], energy)[:, 0]
        density = torch.tensor([solid.density_g_cm3 for solid in solids], dtype=torch.float64)
        per_mm = (mu * density.to(mu) * G_CM2_PER_MM)[:, None, None]
        lengths = path_lengths(self.occupancy.present)
        return lengths * per_mm.to(lengths)

    def shares(self, line_integrals: Tensor) -> Tensor:
        """Share of each tool in the attenuation of each pixel [*batch, T, H, W]; 0 where nothing attenuates.

        Args:
            line_integrals: ∫ µ dℓ of everything at the beam's mean energy [*batch, H, W].
        """
        whole = line_integrals[..., None, :, :].to(self.line_integrals)
        return torch.where(whole > 0, self.line_integrals / torch.where(whole > 0, whole, 1.0), 0.0)

    def visible_masks(self, line_integrals: Tensor) -> Tensor:
        """Where each tool has at least `VISIBLE_SHARE` of the attenuation, bool [*batch, T, H, W]."""
        return self.shares(line_integrals) >= VISIBLE_SHARE

    @property
    def displaced(self) -> Tensor:
        """Area densities of the anatomy that tools displace [*batch, M, H, W], g/cm²."""
        technique = self.technique
        return self.scene.displaced_area_densities(
            self.occupancy, integration=technique.integration, backend=technique.backend
        )

    @property
    def key_points(self) -> Tensor:
        """Images (u, v) of the key points of all tools [*batch, P, 2], pixels; NaN behind the source."""
        points = key_points_of(self.scene)
        return self.camera.project_points(points.to(self.camera.camera_from_world.device))

    @property
    def boxes(self) -> Tensor:
        """(u0, v0, u1, v1) of each whole tool [*batch, T, 4], pixels; NaN if a part of it is behind the source."""
        device, found = self.camera.camera_from_world.device, []
        for solid in self.scene.solids:
            vertices = transform_points(solid.world_from_tool, solid.mesh.vertices)
            pixels = self.camera.project_points(vertices.to(device))
            found.append(torch.cat([pixels.amin(dim=-2), pixels.amax(dim=-2)], dim=-1))
        return torch.stack(found, dim=-2)


def key_points_of(scene: Scene) -> Tensor:
    """The key points of all tools in the room [P, 3], mm, in the order of `names_of_key_points`."""
    found = []
    for solid in scene.solids:
        points = getattr(solid, "key_points", {})
        found += [transform_points(solid.world_from_tool, point) for point in points.values()]
    return torch.stack(found) if found else torch.zeros(0, 3, dtype=torch.float64)


def names_of_key_points(scene: Scene) -> tuple[str, ...]:
    """Names of all key points, such as `"wire.tip"`."""
    return tuple(f"{solid.name}.{name}" for solid in scene.solids for name in getattr(solid, "key_points", {}))
