"""Smoothing of a scatter map: local straight lines, weighted by a Gaussian."""

import torch
from torch import Tensor

__all__ = ["smoothed"]

_NONE = 0.1  # cells: below it, neighbours weigh less than a rounding of 1, and at last nothing


def smoothed(cells: Tensor, sigma_cells: tuple[float, float]) -> Tensor:
    r"""Smooth maps along their rows and columns.

    Along an axis, each value becomes that of the straight line through its neighbours that fits best with weights
    \( e^{-d^2 / 2 \sigma^2} \). So linear slopes stay as they are, also at the borders.

    Args:
        cells: [..., h, w], not negative.
        sigma_cells: σ along the columns and along the rows, cells; 0 for none.

    Returns:
        [..., h, w], not negative.

    Example:
        >>> slope = torch.arange(5.0).expand(1, 5)
        >>> torch.allclose(smoothed(slope, (0.0, 2.0)), slope)
        True
    """
    down, across = (_lines(n, sigma).to(cells) for n, sigma in zip(cells.shape[-2:], sigma_cells, strict=True))
    return (down @ cells @ across.T).clamp(min=0.0)


def _lines(count: int, sigma: float) -> Tensor:
    """The matrix [count, count] that fits lines: each row holds the weights of all values."""
    if count < 3 or sigma < _NONE:
        return torch.eye(count, dtype=torch.float64)
    away = torch.arange(count, dtype=torch.float64) - torch.arange(count, dtype=torch.float64)[:, None]
    weight = torch.exp(-0.5 * (away / sigma) ** 2)
    zeroth, first, second = (torch.sum(weight * away**power, dim=1, keepdim=True) for power in range(3))
    found: Tensor = weight * (second - first * away) / (zeroth * second - first**2)
    return found
