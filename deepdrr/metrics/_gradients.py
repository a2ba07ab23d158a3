"""Similarity of edges: correlation of image gradients."""

import math

import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad

from deepdrr._numbers import plain
from deepdrr.metrics._checks import check_images, check_mask
from deepdrr.metrics._ncc import NormalizedCrossCorrelation2d, normalized_cross_correlation

__all__ = ["GradientNormalizedCrossCorrelation2d", "gradient_normalized_cross_correlation", "image_gradients"]


def image_gradients(image: Tensor, sigma: float = 1.0) -> Tensor:
    """Sobel's derivatives along columns and rows of a Gaussian-blurred image, per pixel.

    Sobel's kernel is (1, 2, 1)/4 across and (−1, 0, 1)/2 along the derivative; the Gaussian is cut off at 3σ. Beyond
    its border the image repeats its outermost pixels, so that the border does not count as an edge.

    Args:
        image: [B, C, H, W].
        sigma: σ of the Gaussian, pixels; 0 for no blur.

    Returns:
        [B, 2C, H, W]: for each channel the derivative along the columns' index, then along the rows'.

    Raises:
        ValueError: for a negative or infinite sigma.

    Example:
        >>> ramp = torch.arange(5.0).expand(1, 1, 4, 5)
        >>> image_gradients(ramp, sigma=0.0)[0, :, 1, 1:4]
        tensor([[1., 1., 1.],
                [0., 0., 0.]])
    """
    sigma = plain(sigma)
    if not 0.0 <= sigma < math.inf:
        raise ValueError(f"sigma must be 0 or more pixels, got {sigma}")
    batch, channels, height, width = image.shape
    planes = image.reshape(batch * channels, 1, height, width)
    blur, smooth = _gaussian(sigma, planes), planes.new_tensor([0.25, 0.5, 0.25])
    slope = planes.new_tensor([-0.5, 0.0, 0.5])
    blurred = _along_rows(_along_columns(planes, blur), blur)
    right = _along_rows(_along_columns(blurred, slope), smooth)
    down = _along_rows(_along_columns(blurred, smooth), slope)
    return torch.stack([right, down], dim=1).reshape(batch, 2 * channels, height, width)


def gradient_normalized_cross_correlation(
    x1: Tensor,
    x2: Tensor,
    *,
    patch_size: int | None = None,
    sigma: float = 1.0,
    mask: Tensor | None = None,
    eps: float = 1e-7,
) -> Tensor:
    """Correlation of image gradients, averaged over their two components.

    It responds to the edges of bones and tools, not to slowly varying shading. Its optimum is narrow: start near it, or
    blur more.

    Args:
        x1, x2: images [B, C, H, W].
        patch_size, mask, eps: see `normalized_cross_correlation`. A gradient depends on neighbouring pixels: leave a
            margin in the mask.
        sigma: σ of the Gaussian that blurs the images first, pixels.

    Returns:
        [B], −1 to 1.
    """
    check_images(x1, x2)
    first, second = image_gradients(x1, sigma), image_gradients(x2, sigma)
    check_mask(mask, x1)
    weights = None if mask is None else mask.expand(-1, x1.shape[1], -1, -1).repeat_interleave(2, dim=1)
    return normalized_cross_correlation(first, second, patch_size=patch_size, mask=weights, eps=eps)


class GradientNormalizedCrossCorrelation2d(NormalizedCrossCorrelation2d):
    """`gradient_normalized_cross_correlation` with its settings.

    Args:
        patch_size, sigma, eps: see `gradient_normalized_cross_correlation`.
    """

    sigma: float

    def __init__(self, patch_size: int | None = None, sigma: float = 1.0, eps: float = 1e-7) -> None:
        super().__init__(patch_size, eps)
        self.sigma = sigma

    def forward(self, x1: Tensor, x2: Tensor, mask: Tensor | None = None) -> Tensor:
        """The correlation [B] of the gradients of images [B, C, H, W]."""
        return gradient_normalized_cross_correlation(
            x1, x2, patch_size=self.patch_size, sigma=self.sigma, mask=mask, eps=self.eps
        )


def _gaussian(sigma: float, like: Tensor) -> Tensor:
    """Weights at whole pixels up to 3σ, with sum 1."""
    reach = math.ceil(3 * sigma)
    x = torch.arange(-reach, reach + 1, dtype=like.dtype, device=like.device)
    weights = torch.exp(-0.5 * (x / max(sigma, 1e-6)).square())
    return weights / weights.sum()


def _along_columns(planes: Tensor, kernel: Tensor) -> Tensor:
    """Correlation along the rows of the image, with repeated end pixels."""
    reach = len(kernel) // 2
    return conv2d(pad(planes, (reach, reach, 0, 0), mode="replicate"), kernel.reshape(1, 1, 1, -1))


def _along_rows(planes: Tensor, kernel: Tensor) -> Tensor:
    reach = len(kernel) // 2
    return conv2d(pad(planes, (0, 0, reach, reach), mode="replicate"), kernel.reshape(1, 1, -1, 1))
