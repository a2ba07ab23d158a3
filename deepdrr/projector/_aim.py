"""Beams that miss: worth a warning, since the image of air is what one gets."""

import warnings

import torch

from deepdrr.camera import Camera
from deepdrr.data import Volume
from deepdrr.geometry import transform_points

__all__ = ["warn_if_missed"]


def warn_if_missed(volume: Volume, camera: Camera) -> None:
    """Warn where the volume's box is beside the beam, behind the source or beyond the detector.

    The box of the eight corners' images is tested, so a view that misses by less than the box may pass unnoticed, but
    none that hits is warned of. A volume that only in part is behind the source has no such image and is not tested.

    Args:
        volume: the patient, placed in the world.
        camera: the geometry, batched or not.

    Warns:
        UserWarning: says how many views miss and where the volume is.
    """
    ends = [torch.tensor([-0.5, n - 0.5], dtype=torch.float64) for n in volume.shape]
    corners_world = transform_points(volume.world_from_ijk, torch.cartesian_prod(*ends))
    exact = camera.to(torch.float64)
    pixels = exact.project_points(corners_world).detach()
    size = torch.tensor([camera.width, camera.height])
    beside = ((pixels.amax(dim=-2) <= 0) | (pixels.amin(dim=-2) >= size)).any(dim=-1)
    depth = transform_points(exact.camera_from_world, corners_world).detach()[..., 2]
    beyond = (depth <= 0).all(dim=-1) | (depth >= exact.sdd_mm.detach()[..., None]).all(dim=-1)
    missed = (beside | beyond).expand(camera.batch_shape).reshape(-1)
    if bool(missed.any()):
        center = ", ".join(f"{c:.0f}" for c in volume.center_in_world.tolist())
        warnings.warn(
            f"the beam misses the volume, whose centre is at ({center}) mm, in {int(missed.sum())} of {len(missed)} "
            "views: the image is that of air. carm.reposition(volume.center_in_world) aims at it",
            stacklevel=4,
        )
