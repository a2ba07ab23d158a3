"""How many rays a pixel takes: enough for the finest sharp structure in the beam."""

import math

import torch

from deepdrr.camera import Camera
from deepdrr.projector._scene import Scene
from deepdrr.projector._source_shape import plane_magnification
from deepdrr.projector._technique import Technique
from deepdrr.scatter import InBeam

__all__ = ["rays_per_pixel"]

_MOST = 4


def rays_per_pixel(scene: InBeam, camera: Camera, technique: Technique) -> int:
    """Rays along each side of a pixel: those of the technique, or two for each sharp detail that a pixel covers.

    Args:
        scene: the objects in the beam. A CT alone is smooth. Contrast media fill vessels to a sharp border, as fine as
            the voxels; an object with other details, such as a wire, states their size, mm, as `detail_mm`.
        camera: the geometry [*batch].
        technique: how the image is taken.
    """
    if technique.rays_per_pixel is not None:
        return technique.rays_per_pixel
    detail_mm = _finest_voxel_mm(scene) if isinstance(scene, Scene) else getattr(scene, "detail_mm", None)
    if detail_mm is None:
        return 1
    largest_mm = max(float(pitch.detach().max()) for pitch in camera.pixel_spacing_mm)
    covered_mm = largest_mm / min(plane_magnification(scene.center_world, camera))
    return min(max(math.ceil(2.0 * covered_mm / detail_mm), 1), _MOST)


def _finest_voxel_mm(scene: Scene) -> float | None:
    """Side of the smallest voxels that hold contrast media; None if there are none."""
    sides = [
        float(torch.linalg.inv(volume.ijk_from_world.detach().cpu().double())[:3, :3].norm(dim=0).min())
        for volume, model in zip(scene.volumes, scene.models, strict=True)
        if getattr(model, "contrast", None)
    ]
    return min(sides, default=None)
