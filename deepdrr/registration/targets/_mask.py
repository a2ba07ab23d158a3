"""Which pixels of X-rays can be compared with a CT, found in the pictures themselves."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, interpolate

from deepdrr.registration.targets._exposed import exposed_field
from deepdrr.registration.targets._markers import marks

__all__ = ["LeftOut", "comparable_pixels", "nearest_kept", "weighted_resize"]

What = Literal["border", "marks", "mask"]
Pixels = NDArray[np.bool_]

_LONGER_SIDE = 256  # pixels at which to look: letters are still to be seen, and noise is averaged
_NEIGHBOURS = np.ones((3, 3), dtype=bool)


@dataclass(frozen=True)
class LeftOut:
    """A part of an X-ray that is not compared.

    Attributes:
        view: number of the X-ray, from 0.
        what: `"border"`, outside the exposed field; `"marks"`, letters, markers and other sharply bounded things;
            `"mask"`, by the caller's mask.
        share: of the picture's pixels, 0 to 1.
    """

    view: int
    what: What
    share: float


def comparable_pixels(target: Tensor) -> tuple[Tensor, tuple[LeftOut, ...]]:
    """Leave out what is outside the exposed field, and marks that lie over the picture.

    Args:
        target: X-rays [V, 1, H, W] of either polarity.

    Returns:
        Weights of 0 and 1 [V, 1, H, W], and what has the weight 0.
    """
    height, width = target.shape[-2:]
    shrink = min(1.0, _LONGER_SIDE / max(height, width))
    size = (max(1, round(height * shrink)), max(1, round(width * shrink)))
    small = adaptive_avg_pool2d(target.detach().cpu().double(), size)[:, 0].numpy()
    weights, left_out = [], []
    for view, image in enumerate(small):
        border, marked = _borders_and_marks(image)
        found: dict[What, Pixels] = {"border": border, "marks": marked & ~border}
        left_out += [LeftOut(view, what, float(where.mean())) for what, where in found.items() if where.any()]
        weights.append(torch.from_numpy(~(border | marked)).to(target))
    return interpolate(torch.stack(weights)[:, None], (height, width), mode="nearest-exact"), tuple(left_out)


def nearest_kept(mask: Tensor) -> Tensor:
    """For every pixel the nearest one whose weight is not 0.

    Pictures that are filled in this way have no edge where the mask has one, so a filter that reaches across it meets
    nothing new.

    Args:
        mask: weights [V, 1, H, W], not all 0 in any view.

    Returns:
        Places [V, 1, H·W] in the flattened pictures.
    """
    places = []
    for weights in mask[:, 0].detach().cpu().numpy():
        rows, columns = ndimage.distance_transform_edt(weights == 0, return_distances=False, return_indices=True)
        places.append(torch.from_numpy(rows.astype(np.int64) * weights.shape[1] + columns).flatten())
    return torch.stack(places)[:, None].to(mask.device)


def weighted_resize(images: Tensor, mask: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Weighted means over the pixels of a coarser detector, and the weights there, 0 where less than half is kept."""
    if images.shape[-2:] == (height, width):
        return images, mask
    weights = adaptive_avg_pool2d(mask, (height, width))
    means = adaptive_avg_pool2d(images * mask, (height, width)) / weights.clamp_min(torch.finfo(mask.dtype).tiny)
    most = weights.amax(dim=(-2, -1), keepdim=True)
    return means, torch.where(weights >= 0.5 * most, weights, 0.0)


def _borders_and_marks(image: NDArray[np.float64]) -> tuple[Pixels, Pixels]:
    """Both with a pixel around them, which the border of either has a part in."""
    field = exposed_field(image)
    border = ndimage.binary_dilation(~field, _NEIGHBOURS)
    if border.all():
        border = ~field
    return border, marks(image, ~border)
