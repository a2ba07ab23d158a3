"""Differentiable mutual information of images."""

import torch
from torch import Tensor

from deepdrr._numbers import as_count
from deepdrr._shapes import broadcast_shapes
from deepdrr._state import NamedState
from deepdrr.geometry import finest_dtype
from deepdrr.metrics._checks import check_images, check_mask

__all__ = ["MutualInformation2d", "NormalizedMutualInformation2d", "mutual_information"]

_MOST_BINS = 256
_TINY = 1e-30  # keeps the logarithm finite; p log p is 0 long before


def mutual_information(
    x1: Tensor, x2: Tensor, *, bins: int = 32, mask: Tensor | None = None, normalized: bool = False
) -> Tensor:
    """Mutual information of the pixels of two images, from a joint histogram with cubic B-spline windows.

    I = H₁ + H₂ − H₁₂ with H = −Σ p ln p, or normalized (H₁ + H₂) / H₁₂ (Studholme et al., Pattern Recogn. 32, 1999).
    A cubic B-spline spreads each pixel over the four nearest bins (Mattes et al., IEEE Trans Med Imaging 22, 2003),
    which makes the histogram smooth in the pixel values. The bins of each image span its smallest to its largest
    value: a x + b gives the same number as x, even for a negative a. Mutual information only requires the values to
    depend on each other; correlation requires a linear dependence.

    Args:
        x1, x2: images [B, C, H, W]; the pixels of all channels go into one histogram.
        bins: number of bins along each axis of the histogram, 5 to 256. Memory is `bins` numbers per pixel.
        mask: weights of the pixels, broadcastable to the images. The range of values is that of pixels with weight > 0.
        normalized: return Studholme's quotient instead of the difference.

    Returns:
        [B], nats, 0 or more; normalized 1 to 2. A constant image has no information: 0, normalized 1.

    Raises:
        ValueError: for images that do not fit together, or a number of bins out of range.

    Example:
        >>> x = torch.linspace(0, 1, 64).reshape(1, 1, 8, 8)
        >>> mutual_information(x, 1 - x**2) > mutual_information(x, x.roll(29).roll(3, -1))
        tensor([True])
    """
    check_images(x1, x2)
    check_mask(mask, x1)
    bins = as_count(bins, "bins")
    if not 5 <= bins <= _MOST_BINS:
        raise ValueError(f"bins must be 5 to {_MOST_BINS}, got {bins}")
    shape = broadcast_shapes(x1.shape, x2.shape)
    weights = torch.ones((), device=x1.device) if mask is None else mask
    w = weights.to(finest_dtype(x1.device)).expand(shape).flatten(1)
    first, second = (_windows(x.to(w.dtype).expand(shape).flatten(1), w > 0, bins) for x in (x1, x2))
    joint = torch.einsum("bn,bni,bnj->bij", w / w.sum(dim=1, keepdim=True), first, second)
    parts = _entropy(joint.sum(dim=2)) + _entropy(joint.sum(dim=1))
    together = _entropy(joint.flatten(1))
    result = torch.where(together > 0, parts / together.clamp_min(_TINY), 1.0) if normalized else parts - together
    return result.to(torch.promote_types(torch.promote_types(x1.dtype, x2.dtype), torch.float32))


class MutualInformation2d(NamedState, torch.nn.Module):
    """`mutual_information` with its settings.

    Args:
        bins: see `mutual_information`.
    """

    bins: int

    def __init__(self, bins: int = 32) -> None:
        super().__init__()
        self.bins = bins

    def forward(self, x1: Tensor, x2: Tensor, mask: Tensor | None = None) -> Tensor:
        """The information [B] of images [B, C, H, W], nats."""
        return mutual_information(x1, x2, bins=self.bins, mask=mask)


class NormalizedMutualInformation2d(MutualInformation2d):
    """Studholme's quotient, see `mutual_information`: less sensitive to how much of the images overlaps."""

    def forward(self, x1: Tensor, x2: Tensor, mask: Tensor | None = None) -> Tensor:
        """The quotient [B] of images [B, C, H, W], 1 to 2."""
        return mutual_information(x1, x2, bins=self.bins, mask=mask, normalized=True)


def _windows(x: Tensor, inside: Tensor, bins: int) -> Tensor:
    """The share of each pixel in each bin [B, N, bins]; the shares of a pixel add up to 1."""
    low = torch.where(inside, x, torch.inf).amin(dim=1, keepdim=True)
    high = torch.where(inside, x, -torch.inf).amax(dim=1, keepdim=True)
    # The extremes lie one bin from the ends: the spline reaches less than two bins.
    extent = torch.where(high > low, high - low, 1.0)
    place = 1.0 + (bins - 3) * ((x - low) / extent).clamp(0.0, 1.0)
    distance = (place[..., None] - torch.arange(bins, dtype=x.dtype, device=x.device)).abs()
    near = (4.0 - 6.0 * distance.square() + 3.0 * distance**3) / 6.0
    far = (2.0 - distance).clamp_min(0.0) ** 3 / 6.0
    return torch.where(distance < 1.0, near, far)


def _entropy(p: Tensor) -> Tensor:
    """−Σ p ln p over the last axis."""
    return -(p * p.clamp_min(_TINY).log()).sum(dim=-1)
