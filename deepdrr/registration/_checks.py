"""Checks of the input of a registration."""

from collections.abc import Sequence

import torch
from torch import Tensor

from deepdrr._numbers import as_count
from deepdrr.camera import check_inverse, check_together, checked_sdd
from deepdrr.geometry import in_double

__all__ = ["check_cameras", "check_contrast", "check_target", "shown"]

# Rotations of float32 matrices that were multiplied a few times are orthogonal to about 1e-6.
_ORTHOGONAL = 1e-4


def check_cameras(rt_inv: Tensor, k_inv: Tensor, sdd: Tensor, height: int, width: int) -> None:
    """Poses, intrinsics and distances of the same views.

    Raises:
        TypeError: for anything but floating-point tensors.
        ValueError: names what does not fit.
    """
    check_inverse(k_inv, rt_inv)
    if not isinstance(sdd, Tensor):
        raise TypeError(f"sdd must be a floating-point tensor, got {_kind(sdd)}")
    checked_sdd(sdd, rt_inv)
    for name, tensor, tail in (("rt_inv", rt_inv, (4, 4)), ("k_inv", k_inv, (3, 3)), ("sdd", sdd, ())):
        if tensor.dim() != 1 + len(tail) or len(tensor) == 0:
            wanted = ", ".join(["V", *map(str, tail)])
            raise ValueError(f"{name} must be [{wanted}] for V views, got shape {tuple(tensor.shape)}")
        if len(tensor) not in (1, len(rt_inv)):
            raise ValueError(f"{name} must be for 1 or {len(rt_inv)} views, as many as rt_inv, got {len(tensor)}")
    check_together(rt_inv=(rt_inv, 2), k_inv=(k_inv, 2), sdd=(sdd, 0))
    as_count(height, "height")
    as_count(width, "width")
    turn = in_double(rt_inv[:, :3, :3].detach())
    off = float((turn @ turn.mT - torch.eye(3, dtype=turn.dtype, device=turn.device)).abs().max())
    if off > _ORTHOGONAL:
        raise ValueError(f"rt_inv must be rigid (R Rᵀ = I), off by {off:.3g}")


def check_target(target: Tensor, mask: object, shape: Sequence[int]) -> None:
    """X-rays, and weights of their pixels, that lie on the rendered images.

    Args:
        target: the X-rays.
        mask: the weights.
        shape: (V, 1, H, W).

    Raises:
        TypeError: for anything but floating-point tensors.
        ValueError: for wrong shapes, NaN, or images without contrast.
    """
    wanted = tuple(shape)
    if not isinstance(target, Tensor) or not target.is_floating_point():
        raise TypeError(f"target must be a floating-point tensor, got {_kind(target)}")
    if tuple(target.shape) != wanted:
        raise ValueError(f"target must be [V, 1, H, W] = {wanted}, got shape {tuple(target.shape)}")
    wrong = int((~torch.isfinite(target)).sum())
    if wrong:
        raise ValueError(f"target must be finite, got {wrong} pixels that are NaN or infinite")
    check_contrast(target, None)
    if mask is None or (isinstance(mask, str) and mask == "auto"):
        return
    if not isinstance(mask, Tensor) or mask.dim() != 4 or not _broadcasts(mask.shape, wanted):
        raise ValueError(f"mask must be 'auto', None, or weights that broadcast to {wanted}, got {shown(mask)}")
    if not bool(torch.isfinite(mask).all() and (mask >= 0).all() and (mask.sum(dim=(-2, -1)) > 0).all()):
        raise ValueError("mask must hold weights of 0 or more, not all of them 0, got others")


def check_contrast(target: Tensor, weights: Tensor | None) -> None:
    """Check that what counts of each X-ray is not of one value.

    Raises:
        ValueError: if it is.
    """
    for view, image in enumerate(target):
        kept = image if weights is None else image[weights[view] > 0]
        if bool(kept.min() == kept.max()):
            rest = "" if weights is None else " that is not left out"
            raise ValueError(f"target must have contrast, view {view} is {float(kept.min()):g} everywhere{rest}")


def _broadcasts(shape: Sequence[int], wanted: Sequence[int]) -> bool:
    return all(m in (1, n) for m, n in zip(shape, wanted, strict=True))


def shown(value: object) -> str:
    """A tensor by its shape, anything else by its type."""
    return f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__


def _kind(value: object) -> str:
    return f"dtype {value.dtype}" if isinstance(value, Tensor) else type(value).__name__
