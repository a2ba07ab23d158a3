"""Source, beam and detector of a view as meshes in the world."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from deepdrr._extras import require
from deepdrr.camera import Camera
from deepdrr.scene._surface import Mesh

__all__ = ["Beam", "beams"]

Points = npt.NDArray[np.float64]

_CORNERS = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))  # columns and rows, starting at the top left


@dataclass(frozen=True)
class Beam:
    """The beam of a view, given by its corners in the world, mm.

    Attributes:
        sources: [4, 3], start of the rays to the corners: the same point, or four points for a parallel beam.
        corners: [4, 3], the outer corners of the detector, starting at the top left of the picture and going
            clockwise.
    """

    sources: Points
    corners: Points

    def frustum(self, size: float) -> Mesh:
        """The first part of the beam, with both sides of each face."""
        ends = self.sources + size * (self.corners - self.sources)
        sides = [[4, i, (i + 1) % 4, 4 + (i + 1) % 4, 4 + i] for i in range(4)]
        faces = [[4, 0, 1, 2, 3], [4, 4, 5, 6, 7], *sides]
        mesh = _pyvista().PolyData(np.concatenate([ends, self.sources]), faces=np.concatenate(faces))
        return mesh.merge(mesh.flip_faces())

    def central_ray(self) -> Mesh:
        """The line from the source to the middle of the detector."""
        return _pyvista().Line(self.sources.mean(axis=0), self.corners.mean(axis=0))

    def detector(self) -> Mesh:
        """The detector with texture coordinates, visible from both sides."""
        points = np.concatenate([self.corners, self.corners])
        mesh = _pyvista().PolyData(points, faces=[4, 0, 1, 2, 3, 4, 7, 6, 5, 4])
        mesh.active_texture_coordinates = np.array([(u, 1.0 - v) for u, v in _CORNERS * 2])  # VTK's v goes upward
        return mesh


def beams(
    k_inv: Tensor, rt_inv: Tensor, sdd: Tensor | float, height: int, width: int, *, orthographic: bool = False
) -> list[Beam]:
    """The beams of a batch of views.

    Args:
        k_inv: inverse intrinsics [B, 3, 3].
        rt_inv: world_from_camera [B, 4, 4], mm.
        sdd: source-to-detector distance [B] or a number, mm. Each of the three may have a batch of one.
        height, width: rows and columns of the detector.
        orthographic: parallel beams along the camera's z.

    Raises:
        ValueError: for other shapes, or batches of different sizes.
    """
    distances = torch.as_tensor(sdd, dtype=rt_inv.dtype, device=rt_inv.device).reshape(-1)
    if k_inv.shape[1:] != (3, 3) or rt_inv.shape[1:] != (4, 4):
        raise ValueError(
            f"k_inv must be [B, 3, 3] and rt_inv [B, 4, 4], got shapes {tuple(k_inv.shape)} and {tuple(rt_inv.shape)}"
        )
    sizes = {len(k_inv), len(rt_inv), len(distances)} - {1}
    if len(sizes) > 1:
        raise ValueError(f"k_inv, rt_inv and sdd must have one batch size or 1, got {sorted(sizes)}")
    lens, pose, distance = (tensor.detach().cpu().double() for tensor in (k_inv, rt_inv, distances))
    camera = Camera.from_inverse(lens, pose, distance, height, width, orthographic=orthographic)
    corners = camera.backproject(torch.tensor([(width * u, height * v) for u, v in _CORNERS], dtype=torch.float64))
    sources = camera.source_world[:, None].expand_as(corners)
    if orthographic:
        sources = corners - (camera.sdd_mm[:, None] * camera.principal_axis_world)[:, None]
    return [Beam(*pair) for pair in zip(sources.numpy(), corners.numpy(), strict=True)]


def _pyvista() -> Any:
    return require("pyvista", "scene", "a scene")
