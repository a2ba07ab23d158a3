"""Normalized cross-correlation of images, as a whole or by patches."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from deepdrr._numbers import plain
from deepdrr._state import NamedState
from deepdrr.geometry import finest_dtype
from deepdrr.metrics._checks import check_images, check_mask, check_patch, check_positive

__all__ = [
    "MultiscaleNormalizedCrossCorrelation2d",
    "NormalizedCrossCorrelation2d",
    "normalized_cross_correlation",
]

# The variance of a constant image is 0 or a rounding error: below this fraction of its mean square it has no contrast.
_NO_CONTRAST = 1e-12


def normalized_cross_correlation(
    x1: Tensor, x2: Tensor, *, patch_size: int | None = None, mask: Tensor | None = None, eps: float = 1e-7
) -> Tensor:
    """Pearson correlation of the pixels of two images, or its mean over all patches.

    In a patch with the means ⟨·⟩, NCC = (⟨x₁x₂⟩ − ⟨x₁⟩⟨x₂⟩) / √((v₁ + ε)(v₂ + ε)) with v = ⟨x²⟩ − ⟨x⟩². The images are
    first normalized to mean 0 and variance 1, so ε is a fraction of the image's variance, and a x + b with a > 0 gives
    the same number as x. The means of all (H−p+1)(W−p+1) patches are box sums: time and memory are those of a few
    images, whatever the patch size.

    Args:
        x1, x2: images [B, C, H, W]; channels count equally.
        patch_size: side p of a patch, pixels; None for the whole image as one patch.
        mask: weights of the pixels, broadcastable to the images; a patch counts by its total weight.
        eps: ε; keeps patches without contrast near 0.

    Returns:
        [B], −1 to 1. An image without any contrast gives 0.

    Raises:
        ValueError: for images that do not fit together, or a patch that does not fit into them.

    Example:
        >>> x = torch.arange(12.0).reshape(1, 1, 3, 4).sin()
        >>> normalized_cross_correlation(x, 3 * x + 7)
        tensor([1.0000])
    """
    check_images(x1, x2)
    check_mask(mask, x1)
    check_patch(patch_size, *x1.shape[-2:])
    check_positive(eps, "eps")
    dtype = finest_dtype(x1.device)  # moments of patches are small differences of large numbers
    weights = None if mask is None else mask.to(dtype).expand(x1.shape[0], -1, *x1.shape[-2:])
    whole, parts = _means(None, weights), _means(patch_size, weights)
    a, b = _standardized(x1.to(dtype), whole), _standardized(x2.to(dtype), whole)
    mean_a, mean_b = parts(a), parts(b)
    covariance = parts(a * b) - mean_a * mean_b
    variances = ((parts(s * s) - m * m).clamp_min(0.0) + eps for s, m in ((a, mean_a), (b, mean_b)))
    first, second = variances
    scores = covariance / (first * second).sqrt()
    return _average(scores, weights, patch_size).to(_result_dtype(x1, x2))


class NormalizedCrossCorrelation2d(NamedState, torch.nn.Module):
    """`normalized_cross_correlation` with its settings.

    Args:
        patch_size, eps: see `normalized_cross_correlation`.
    """

    patch_size: int | None
    eps: float

    def __init__(self, patch_size: int | None = None, eps: float = 1e-7) -> None:
        super().__init__()
        check_positive(eps, "eps")
        self.patch_size = patch_size
        self.eps = eps

    def forward(self, x1: Tensor, x2: Tensor, mask: Tensor | None = None) -> Tensor:
        """The correlation [B] of images [B, C, H, W]."""
        return normalized_cross_correlation(x1, x2, patch_size=self.patch_size, mask=mask, eps=self.eps)


class MultiscaleNormalizedCrossCorrelation2d(NamedState, torch.nn.Module):
    """A weighted sum of `normalized_cross_correlation` over several patch sizes.

    Whole images attract from afar; patches are precise near the optimum and insensitive to slowly varying shading.

    Args:
        patch_sizes: sides of the patches, pixels; None for the whole image.
        patch_weights: a weight for each. They are not normalized: let them add up to 1 for a result of at most 1.
        eps: see `normalized_cross_correlation`.

    Example:
        >>> similarity = MultiscaleNormalizedCrossCorrelation2d([None, 5], [0.5, 0.5])
        >>> x = torch.arange(64.0).reshape(1, 1, 8, 8).sin()
        >>> similarity(x, x) > 0.99
        tensor([True])
    """

    nccs: torch.nn.ModuleList
    patch_weights: tuple[float, ...]

    def __init__(
        self, patch_sizes: Sequence[int | None] = (None,), patch_weights: Sequence[float] = (1.0,), eps: float = 1e-4
    ) -> None:
        super().__init__()
        if not patch_sizes or len(patch_sizes) != len(patch_weights):
            sizes, weights = list(patch_sizes), list(patch_weights)
            raise ValueError(f"patch_sizes and patch_weights must be of one length, got {sizes} and {weights}")
        self.nccs = torch.nn.ModuleList(NormalizedCrossCorrelation2d(size, eps) for size in patch_sizes)
        self.patch_weights = plain(tuple(patch_weights))

    def forward(self, x1: Tensor, x2: Tensor, mask: Tensor | None = None) -> Tensor:
        """The weighted sum [B] for images [B, C, H, W]."""
        scores = [weight * ncc(x1, x2, mask) for weight, ncc in zip(self.patch_weights, self.nccs, strict=True)]
        return torch.stack(scores).sum(dim=0)


def _means(patch_size: int | None, weights: Tensor | None) -> Callable[[Tensor], Tensor]:
    """The weighted mean over the image [B, C, 1, 1], or over every patch [B, C, H−p+1, W−p+1]."""

    def plain(x: Tensor) -> Tensor:
        if patch_size is None:
            return x.mean(dim=(-2, -1), keepdim=True)
        return avg_pool2d(avg_pool2d(x, (1, patch_size), stride=1), (patch_size, 1), stride=1)

    if weights is None:
        return plain
    # A patch of weight 0 has means of 0 and does not count in the result.
    total = plain(weights).clamp_min(torch.finfo(weights.dtype).tiny)
    return lambda x: plain(weights * x) / total


def _standardized(x: Tensor, mean: Callable[[Tensor], Tensor]) -> Tensor:
    centered = x - mean(x)
    variance = mean(centered.square())
    flat = variance <= _NO_CONTRAST * mean(x.square())
    return torch.where(flat, 0.0, centered / torch.where(flat, 1.0, variance).sqrt())


def _average(scores: Tensor, weights: Tensor | None, patch_size: int | None) -> Tensor:
    if weights is None or patch_size is None:
        return scores.mean(dim=(1, 2, 3))
    share = _means(patch_size, None)(weights).expand_as(scores)
    return (share * scores).sum(dim=(1, 2, 3)) / share.sum(dim=(1, 2, 3))


def _result_dtype(x1: Tensor, x2: Tensor) -> torch.dtype:
    """float16 and bfloat16 images give a float32 result."""
    return torch.promote_types(torch.promote_types(x1.dtype, x2.dtype), torch.float32)
