"""Warn if the beam misses the patient, since the image then shows only air."""

import warnings
from collections.abc import Sequence

import torch
from torch import Tensor

from deepdrr.camera import Camera
from deepdrr.geometry import transform_points
from deepdrr.projector._body import Body

__all__ = ["warn_if_missed"]


def warn_if_missed(volumes: Sequence[Body], camera: Camera) -> None:
    """Warn if the boxes of all volumes are beside the beam, behind the source or beyond the detector.

    The test uses the bounding box of the images of the eight corners, so it may overlook a narrow miss, but it never
    warns of a view that hits. A volume partly behind the source has no such image and is not tested.

    Args:
        volumes: the volumes of the scene.
        camera: the geometry, batched or not.

    Warns:
        UserWarning: if views miss; it says how many, and where the first volume is.
    """
    missed = torch.stack([_missed(volume, camera) for volume in volumes]).all(dim=0)
    if bool(missed.any()):
        center = ", ".join(f"{c:.0f}" for c in volumes[0].center_in_world.tolist())
        warnings.warn(
            f"the beam misses the volume, whose centre is at ({center}) mm, in {int(missed.sum())} of {len(missed)} "
            "views: the image is that of air. carm.reposition(volume.center_in_world) aims at it",
            stacklevel=4,
        )


def _missed(volume: Body, camera: Camera) -> Tensor:
    """Whether each view misses a volume's box, bool [views]."""
    ends = [torch.tensor([-0.5, n - 0.5], dtype=torch.float64) for n in volume.hu.shape]
    world_from_ijk = torch.linalg.inv(volume.ijk_from_world.detach().cpu().double())
    corners_world = transform_points(world_from_ijk, torch.cartesian_prod(*ends))
    exact = camera.to(torch.float64)
    pixels = exact.project_points(corners_world).detach()
    size = torch.tensor([camera.width, camera.height])
    beside = ((pixels.amax(dim=-2) <= 0) | (pixels.amin(dim=-2) >= size)).any(dim=-1)
    depth = transform_points(exact.camera_from_world, corners_world).detach()[..., 2]
    beyond = (depth <= 0).all(dim=-1) | (depth >= exact.sdd_mm.detach()[..., None]).all(dim=-1)
    return (beside | beyond).expand(camera.batch_shape).reshape(-1)
