"""Checks of the arguments of `render`, before any ray is made."""

from collections.abc import Sequence

import torch
from torch import Tensor

from deepdrr._functorch import untransformed
from deepdrr._shapes import broadcast_shapes
from deepdrr.data import Subject
from deepdrr.raycast import check_fits

__all__ = [
    "check_batches",
    "check_device",
    "check_points",
    "checked_subjects",
]


def checked_subjects(subjects: object, rt_inv: Tensor) -> list[Subject]:
    """Several subjects, one for each pose along the first axis of rt_inv.

    Raises:
        TypeError: if they are not a list of subjects.
        ValueError: if the list is empty, or the number of poses differs.
    """
    several: list[Subject] = []
    for one in subjects if isinstance(subjects, Sequence) else [subjects]:
        if not isinstance(one, Subject):
            way = "; Projector([ct, tool], carm=carm) takes tools" if hasattr(one, "mesh") else ""
            raise TypeError(f"subject must be a Subject or a list of them, got a {type(one).__name__}{way}")
        several.append(one)
    if not several or rt_inv.dim() < 3 or len(rt_inv) != len(several):
        raise ValueError(
            f"rt_inv must be [N, 4, 4] or [N, P, 4, 4] for N subjects, got shape {tuple(rt_inv.shape)} "
            f"for {len(several)} of them"
        )
    return several


def check_batches(height: int, width: int, **ends: tuple[Tensor, int]) -> None:
    """Check that batches broadcast and that their pixels fit into memory.

    Args:
        height, width: rows and columns.
        ends: tensors [*B, …], each with the number of axes after the batch.
    """
    shapes = {name: tuple(tensor.shape[: tensor.dim() - axes]) for name, (tensor, axes) in ends.items()}
    try:
        batch = broadcast_shapes(*shapes.values())
    except RuntimeError:
        raise ValueError(f"the batches of {', '.join(shapes)} must broadcast, got {shapes}") from None
    device = next(iter(ends.values()))[0].device
    check_fits("the rays", (*batch, height, width, 3), dtype=torch.float64, device=device)


def check_points(points: Tensor, name: str, pixels: int, *, single: bool) -> None:
    """Check explicit end points of rays [*B, H·W, 3], or [*B, 1, 3] if a single one is accepted."""
    if not isinstance(points, Tensor) or not points.is_floating_point():
        raise TypeError(f"{name} must be a floating-point tensor, got {getattr(points, 'dtype', type(points))}")
    if points.dim() < 2 or points.shape[-1] != 3 or points.shape[-2] not in ((pixels, 1) if single else (pixels,)):
        wanted = f"[B, {pixels}, 3]" + (" or [B, 1, 3]" if single else "")
        raise ValueError(f"{name} must be {wanted} (one point per pixel, row by row), got shape {tuple(points.shape)}")
    numbers = untransformed(points)
    if not bool((finite := torch.isfinite(numbers).all(dim=-1)).all()):
        raise ValueError(f"{name} must be finite, got {numbers[~finite][0].tolist()}")


def check_device(subject: Subject, **tensors: object) -> None:
    """Check that all tensors are on the subject's device; the message names the one that is not."""
    device = subject.image_hu.device
    elsewhere = {name: str(t.device) for name, t in tensors.items() if isinstance(t, Tensor) and t.device != device}
    if elsewhere:
        raise ValueError(f"{', '.join(elsewhere)} must be on the subject's device {device}, got {elsewhere}")
