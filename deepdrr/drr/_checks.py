"""What a rendering refuses, before any ray is made."""

from collections.abc import Sequence

import torch
from torch import Tensor

from deepdrr.data import Subject
from deepdrr.geometry import finest_dtype
from deepdrr.raycast import check_fits

__all__ = [
    "check_batches",
    "check_camera",
    "check_count",
    "check_device",
    "check_points",
    "checked_k_inv",
    "checked_sdd",
    "checked_subjects",
]


def check_count(value: object, name: str, least: int = 1) -> None:
    """Check a number of pixels or samples."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an integer, got {value!r}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, got {value}")


def check_camera(k_inv: Tensor, rt_inv: Tensor) -> None:
    """Check inverse intrinsics [*B, 3, 3] and a pose [*B, 4, 4]: floating point, finite, affine, invertible.

    Raises:
        TypeError: if one is no floating-point tensor.
        ValueError: for another shape or a matrix that is not acceptable.
    """
    checked_k_inv(k_inv)
    _check_tensor(rt_inv, "rt_inv", (4, 4))
    pose = _exact(rt_inv)
    wrong = pose[..., 3, :] != pose.new_tensor([0.0, 0.0, 0.0, 1.0])
    if bool(wrong.any()):
        raise ValueError(f"rt_inv must end in the row 0 0 0 1, got {_first(pose[..., 3, :], wrong)}")
    _check_invertible(pose[..., :3, :3], rt_inv, "rt_inv", 1e-6)  # as geometry.check_affine has it


def checked_k_inv(k_inv: Tensor) -> Tensor:
    """Inverse intrinsics [*B, 3, 3], as they are.

    Raises:
        TypeError: if they are no floating-point tensor.
        ValueError: for another shape, or a matrix that is not finite or is singular.
    """
    _check_tensor(k_inv, "k_inv", (3, 3))
    _check_invertible(_exact(k_inv), k_inv, "k_inv", 1e-12)  # of a focal length of 10⁵ pixels it is 1e-10
    return k_inv


def _check_invertible(linear: Tensor, given: Tensor, name: str, least: float) -> None:
    """Check that columns span a box that is not flat, relative to a box of the same edges."""
    flat = torch.linalg.det(linear).abs() <= least * linear.norm(dim=-2).prod(dim=-1)
    if bool(flat.any()):
        raise ValueError(f"{name} must be invertible, got the singular {given.detach()[flat][0].tolist()}")


def _exact(matrix: Tensor) -> Tensor:
    """Without a gradient, in double precision where the device has it."""
    values = matrix.detach()
    return values.to(finest_dtype(values.device))


def checked_sdd(sdd: Tensor | float, like: Tensor) -> Tensor:
    """Distances [*B] in mm: positive and finite.

    Raises:
        TypeError: if it is no number and no floating-point tensor.
        ValueError: if one is not positive, or not finite.
    """
    distance = sdd
    if isinstance(sdd, int | float) and not isinstance(sdd, bool):
        distance = torch.tensor(float(sdd), dtype=like.dtype, device=like.device)
    if not isinstance(distance, Tensor) or not distance.is_floating_point():
        raise TypeError(f"sdd must be a distance in mm, a number or a floating-point tensor, got {sdd!r}")
    if distance.device.type != "meta" and not bool((torch.isfinite(distance) & (distance > 0)).all()):
        raise ValueError(f"sdd must be a positive distance in mm, got {distance.detach().tolist()}")
    return distance


def checked_subjects(subjects: object, rt_inv: Tensor) -> list[Subject]:
    """Several subjects, as many as the first axis of rt_inv has poses.

    Raises:
        TypeError: if they are no list, or there is something else than subjects in it.
        ValueError: if there are none, or another number of poses.
    """
    several: list[Subject] = []
    for one in subjects if isinstance(subjects, Sequence) else [subjects]:
        if not isinstance(one, Subject):
            raise TypeError(f"subject must be a Subject or a list of them, got a {type(one).__name__}")
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
        ends: tensors [*B, …] and how many axes follow the batch.
    """
    shapes = {name: tuple(tensor.shape[: tensor.dim() - axes]) for name, (tensor, axes) in ends.items()}
    try:
        batch = torch.broadcast_shapes(*shapes.values())
    except RuntimeError:
        raise ValueError(f"the batches of {', '.join(shapes)} must broadcast, got {shapes}") from None
    device = next(iter(ends.values()))[0].device
    check_fits("the rays", (*batch, height, width, 3), dtype=torch.float64, device=device)


def check_points(points: Tensor, name: str, pixels: int, *, single: bool) -> None:
    """Check explicit ends of rays [*B, H·W, 3], or [*B, 1, 3] where one for all is accepted."""
    _check_tensor(points, name, (3,))
    if points.dim() < 2 or points.shape[-2] not in ((pixels, 1) if single else (pixels,)):
        wanted = f"[B, {pixels}, 3]" + (" or [B, 1, 3]" if single else "")
        raise ValueError(f"{name} must be {wanted} (one point per pixel, row by row), got shape {tuple(points.shape)}")


def check_device(subject: Subject, **tensors: object) -> None:
    """Check that everything is on the subject's device; the message names what is not."""
    device = subject.image_hu.device
    elsewhere = {name: str(t.device) for name, t in tensors.items() if isinstance(t, Tensor) and t.device != device}
    if elsewhere:
        raise ValueError(f"{', '.join(elsewhere)} must be on the subject's device {device}, got {elsewhere}")


def _check_tensor(tensor: Tensor, name: str, ends: tuple[int, ...]) -> None:
    if not isinstance(tensor, Tensor) or not tensor.is_floating_point():
        raise TypeError(f"{name} must be a floating-point tensor, got {getattr(tensor, 'dtype', type(tensor))}")
    if torch._C._functorch.is_batchedtensor(tensor):
        raise NotImplementedError(f"render cannot be mapped by vmap: give it the batch itself, {name} [B, …]")
    if tuple(tensor.shape[-len(ends) :]) != ends:
        raise ValueError(f"{name} must be [B, {', '.join(map(str, ends))}], got shape {tuple(tensor.shape)}")
    if not bool(torch.isfinite(tensor.detach()).all()):
        raise ValueError(f"{name} must be finite, got {_first(tensor.detach(), ~torch.isfinite(tensor.detach()))}")


def _first(values: Tensor, wrong: Tensor) -> list[float]:
    """The first row that has something wrong in it."""
    rows: list[float] = values[wrong.any(dim=-1)][0].tolist()
    return rows


def _device(value: object, like: Tensor) -> torch.device:
    return value.device if isinstance(value, Tensor) else like.device
