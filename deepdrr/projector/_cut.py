"""Warn if the CT ends inside the beam, where the image then shows air instead of the rest of the body."""

import warnings
from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor

from deepdrr.camera import Camera
from deepdrr.geometry import transform_points
from deepdrr.projector._body import Body
from deepdrr.spectrum import Shutters, shutter_transmission

__all__ = ["SIDE", "warn_if_cut"]

_BODY_HU = -200.0  # below fat (about −100 HU)
SIDE = 32  # rays along each side of the picture that are looked at
_LEAST_SHARE = 0.03  # of the pixels: a corner that grazes the skin at a cut is no news
_MOST_ALIKE = 0.25  # of the voxels at a cut through tissue share one HU; nearly all do where a phantom ends


def warn_if_cut(volumes: Sequence[Body], camera: Camera, shutters: Shutters | None) -> Tensor:
    """Warn if rays enter or leave a CT through a face that cuts the body, in more than 3 % of the open pixels.

    Args:
        volumes: the volumes of the scene.
        camera: the geometry [*batch].
        shutters: pixels behind them do not count; None for an open field.

    Returns:
        Where the CT holds all of the body on the way, bool [*batch, h, w] on a coarse grid over the detector.

    Warns:
        UserWarning: with the share of pixels concerned, over all views.
    """
    coarse = camera.to(torch.float64).resized(min(SIDE, camera.height), min(SIDE, camera.width))
    open_pixels = torch.ones(1, dtype=torch.bool)
    if shutters is not None:
        open_pixels = shutter_transmission(coarse, shutters).cpu() > shutters.leakage + 0.5 * (1 - shutters.leakage)
    cut = torch.stack([_cut(volume, coarse) for volume in volumes]).any(dim=0) & open_pixels
    seen = float(open_pixels.expand(cut.shape).double().sum())
    share = float(cut.double().sum()) / seen if seen else 0.0
    if share > _LEAST_SHARE:
        warnings.warn(
            f"the CT ends inside the beam in {100 * share:.0f} % of the pixels: there the body goes on beyond the CT, "
            "but the image shows air. beyond='repeat' or 'fade' continues the body; another pose, a smaller field or "
            "shutters leave these pixels out",
            stacklevel=4,
        )
    return ~cut


def _cut(volume: Body, camera: Camera) -> Tensor:
    """Which rays cross the border of a volume inside the body, bool [*batch, H, W]."""
    ijk_from_world = volume.ijk_from_world.detach().cpu().double()
    source, target = (transform_points(ijk_from_world, ends.detach().cpu()) for ends in camera.pixel_rays())
    way = target - source
    size = torch.tensor(volume.hu.shape, dtype=torch.float64)
    ends = torch.stack([(-0.5 - source) / way, (size - 0.5 - source) / way])
    enter, leave = ends.amin(dim=0).amax(dim=-1), ends.amax(dim=0).amin(dim=-1)
    hit = leave > enter.clamp(min=0.0)
    hu = torch.stack([_at(volume.hu, source + way * t[..., None]) for t in (enter.clamp(min=0.0), leave)])
    inside = hit & (hu > _BODY_HU)
    found = hu[inside].tolist()
    alike = bool(found) and Counter(found).most_common(1)[0][1] > _MOST_ALIKE * len(found)
    if alike or not (volume.source.format != "array" or _stands_in_air(volume.hu)):
        return torch.zeros_like(hit)
    return inside.any(dim=0)


def _stands_in_air(hu: Tensor) -> bool:
    """Whether a face of the grid is free of body, as one of most scans is; an array of noise is a phantom."""
    step = max(1, min(hu.shape) // 32)
    faces = [hu.select(axis, end)[::step, ::step] for axis in range(3) for end in (0, -1)]
    return any(float((face > _BODY_HU).double().mean()) < 0.01 for face in faces)


def _at(hu: Tensor, points_ijk: Tensor) -> Tensor:
    """The nearest voxel of each point [..., 3]."""
    limits = torch.tensor(hu.shape) - 1
    i, j, k = torch.minimum(points_ijk.nan_to_num().round().long().clamp(min=0), limits).unbind(dim=-1)
    return hu[i.to(hu.device), j.to(hu.device), k.to(hu.device)].cpu()
