"""Beams that miss: worth a warning, since the image of air is what one gets."""

import warnings

import torch

from deepdrr.camera import Camera
from deepdrr.data import Volume
from deepdrr.geometry import transform_points

__all__ = ["warn_if_missed"]


def warn_if_missed(volume: Volume, camera: Camera) -> None:
    """Warn where the image of the volume's box falls beside the detector.

    The box of the eight corners' images is tested, so a view that misses by less than the box may pass unnoticed, but
    none that hits is warned of. A volume that reaches behind the source has no such box and is not tested.

    Args:
        volume: the patient, placed in the world.
        camera: the geometry, batched or not.

    Warns:
        UserWarning: says how many views miss and where the volume is.
    """
    ends = [torch.tensor([-0.5, n - 0.5], dtype=torch.float64) for n in volume.shape]
    corners_world = transform_points(volume.world_from_ijk, torch.cartesian_prod(*ends))
    pixels = camera.to(torch.float64).project_points(corners_world).detach().reshape(-1, 8, 2)
    size = torch.tensor([camera.width, camera.height])
    missed = ((pixels.amax(dim=1) <= 0) | (pixels.amin(dim=1) >= size)).any(dim=-1)
    if bool(missed.any()):
        center = ", ".join(f"{c:.0f}" for c in volume.center_in_world.tolist())
        warnings.warn(
            f"the beam misses the volume, whose centre is at ({center}) mm, in {int(missed.sum())} of {len(missed)} "
            "views: the image is that of air. carm.reposition(volume.center_in_world) aims at it",
            stacklevel=4,
        )
