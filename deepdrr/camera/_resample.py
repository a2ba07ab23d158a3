"""An image as another detector would have recorded it."""

import torch
import torch.nn.functional as F
from torch import Tensor

from deepdrr._numbers import as_count
from deepdrr.camera._checks import check_tensor
from deepdrr.camera._pixels import pixel_centers
from deepdrr.geometry import full_precision, in_double

__all__ = ["resample"]


@full_precision
def resample(
    img: Tensor, k_inv_old: Tensor, k_inv_new: Tensor, *, height: int | None = None, width: int | None = None
) -> Tensor:
    """An image of one camera as another camera at the same place would see it, p_old = K_old K_new⁻¹ p_new.

    Bilinear between the centres of the pixels, which are at +0.5 as everywhere; in the outer half pixel it keeps the
    value of the border, and it is zero outside the old detector. Nothing is averaged: on a much coarser detector fine
    detail aliases.

    Args:
        img: [B, C, H, W].
        k_inv_old: inverse intrinsics of the image [B, 3, 3] or [1, 3, 3].
        k_inv_new: those of the picture wanted, [B, 3, 3] or [1, 3, 3].
        height, width: rows and columns of the picture wanted; those of the image if None.

    Returns:
        [B, C, height, width], in the image's type. Differentiable with respect to all three.

    Raises:
        ValueError: for shapes that do not fit.

    Example:
        >>> from deepdrr.camera import make_k_inv
        >>> fine, coarse = (make_k_inv(1000.0, d, d, 0.0, 0.0, n, n) for d, n in ((1.0, 4), (2.0, 2)))
        >>> img = torch.arange(16.0).reshape(1, 1, 4, 4)
        >>> resample(img, fine, coarse, height=2, width=2)  # the means of four
        tensor([[[[ 2.5000,  4.5000],
                  [10.5000, 12.5000]]]])
    """
    check_tensor(k_inv_old, "k_inv_old", 3, 3)
    check_tensor(k_inv_new, "k_inv_new", 3, 3)
    if not isinstance(img, Tensor) or img.dim() != 4 or not img.is_floating_point():
        raise ValueError(f"img must be a floating-point tensor [B, C, H, W], got {_kind(img)}")
    rows, columns = (img.shape[2] if height is None else height), (img.shape[3] if width is None else width)
    rows = as_count(rows, "height")
    columns = as_count(columns, "width")
    dtype = torch.promote_types(img.dtype, torch.promote_types(k_inv_old.dtype, k_inv_new.dtype))
    old_from_new = (torch.linalg.inv(in_double(k_inv_old)) @ in_double(k_inv_new)).to(k_inv_old.device, dtype)
    u, v = pixel_centers(rows, columns, img.new_empty(0, dtype=dtype))
    pixels = torch.stack([*torch.meshgrid(u, v, indexing="xy"), u.new_ones(rows, columns)])
    seen = (old_from_new @ pixels.flatten(1)).transpose(-1, -2)
    size = torch.tensor([img.shape[3], img.shape[2]], dtype=dtype, device=img.device)
    grid = (2 * seen[..., :2] / seen[..., 2:] / size - 1).unflatten(-2, (rows, columns)).expand(len(img), -1, -1, -1)
    picture = F.grid_sample(img.to(dtype), grid, mode="bilinear", padding_mode="border", align_corners=False)
    inside = (grid.detach().abs() <= 1).all(dim=-1)[:, None]
    return torch.where(inside, picture, 0.0).to(img.dtype)


def _kind(value: object) -> str:
    return f"{value.dtype} {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
