"""What a camera given by `k_inv` and `rt_inv` must be, before any ray is made."""

import torch
from torch import Tensor

from deepdrr._functorch import untransformed
from deepdrr._numbers import plain
from deepdrr._shapes import broadcast_shapes
from deepdrr.geometry import finest_dtype

__all__ = ["check_inverse", "check_together", "checked_k_inv", "checked_sdd"]

# Tangent of the angle that one pixel covers, 1/f for a focal length of f pixels: K in the place of K⁻¹ has f there.
_WIDEST_PIXEL = 10.0


def check_inverse(k_inv: Tensor, rt_inv: Tensor) -> None:
    """Check inverse intrinsics [*B, 3, 3] and a pose [*B, 4, 4]: floating point, finite, affine, invertible.

    Raises:
        TypeError: if one is not a floating-point tensor.
        ValueError: for a wrong shape or an unacceptable matrix.
    """
    checked_k_inv(k_inv)
    _check_matrix(rt_inv, "rt_inv", 4)
    pose = _exact(rt_inv)
    wrong = pose[..., 3, :] != pose.new_tensor([0.0, 0.0, 0.0, 1.0])
    if bool(wrong.any()):
        raise ValueError(f"rt_inv must end in the row 0 0 0 1, got {_first(pose[..., 3, :], wrong)}")
    _check_invertible(pose[..., :3, :3], rt_inv, "rt_inv", 1e-6)  # as geometry.check_affine has it


def check_together(**parts: tuple[Tensor, int]) -> None:
    """Check that tensors [*B, …] are on one device and that their batches broadcast.

    Args:
        parts: under its name a tensor and how many axes follow its batch.

    Raises:
        ValueError: if they are apart, or their batches do not fit.
    """
    names = " and ".join([", ".join([*parts][:-1]), [*parts][-1]])
    devices = {name: str(tensor.device) for name, (tensor, _) in parts.items()}
    if len(set(devices.values())) > 1:
        raise ValueError(f"{names} must be on one device, got {devices}")
    batches = {name: tuple(tensor.shape[: tensor.dim() - axes]) for name, (tensor, axes) in parts.items()}
    try:
        broadcast_shapes(*batches.values())
    except RuntimeError:
        raise ValueError(f"the batches of {names} must broadcast, got {batches}") from None


def checked_k_inv(k_inv: Tensor) -> Tensor:
    """Inverse intrinsics [*B, 3, 3], as they are.

    Raises:
        TypeError: if they are not a floating-point tensor.
        ValueError: for a wrong shape, or a matrix that is not finite or not invertible.
    """
    _check_matrix(k_inv, "k_inv", 3)
    numbers = untransformed(k_inv)
    widest = numbers[..., :2, :2].diagonal(dim1=-2, dim2=-1).abs().amin(dim=-1) / numbers[..., 2, 2].abs()
    if bool((widest >= _WIDEST_PIXEL).any()):
        row = numbers[widest >= _WIDEST_PIXEL][0, 0].tolist()
        raise ValueError(
            f"k_inv must be the inverse of the intrinsics K, got the first row {row}, with which a pixel is wider than "
            "84°: is it K itself, whose inverse is torch.linalg.inv(K)?"
        )
    _check_invertible(_exact(k_inv), k_inv, "k_inv", 1e-12)  # of a focal length of 10⁵ pixels it is 1e-10
    return k_inv


def checked_sdd(sdd: Tensor | float, like: Tensor, name: str = "sdd") -> Tensor:
    """Distances [*B] in mm as a tensor: positive and finite.

    Raises:
        TypeError: if it is neither a number nor a floating-point tensor.
        ValueError: if one is not positive and finite.
    """
    number = plain(sdd)
    distance = number
    if isinstance(number, int | float) and not isinstance(number, bool):
        distance = torch.tensor(float(number), dtype=like.dtype, device=like.device)
    if not isinstance(distance, Tensor) or not distance.is_floating_point():
        raise TypeError(f"{name} must be a distance in mm, a number or a floating-point tensor, got {sdd!r}")
    numbers = untransformed(distance)
    if distance.device.type != "meta" and not bool((torch.isfinite(numbers) & (numbers > 0)).all()):
        raise ValueError(f"{name} must be a positive distance in mm, got {numbers.tolist()}")
    return distance


def _check_matrix(matrix: Tensor, name: str, size: int) -> None:
    if not isinstance(matrix, Tensor) or not matrix.is_floating_point():
        raise TypeError(f"{name} must be a floating-point tensor, got {getattr(matrix, 'dtype', type(matrix))}")
    if tuple(matrix.shape[-2:]) != (size, size):
        raise ValueError(f"{name} must be [B, {size}, {size}], got shape {tuple(matrix.shape)}")
    values = untransformed(matrix)
    if not bool(torch.isfinite(values).all()):
        raise ValueError(f"{name} must be finite, got {_first(values, ~torch.isfinite(values))}")


def _check_invertible(linear: Tensor, given: Tensor, name: str, least: float) -> None:
    """Check that columns span a box that is not flat, relative to a box of the same edges."""
    flat = torch.linalg.det(linear).abs() <= least * linear.norm(dim=-2).prod(dim=-1)
    if bool(flat.any()):
        raise ValueError(f"{name} must be invertible, got the singular {untransformed(given)[flat][0].tolist()}")


def _exact(matrix: Tensor) -> Tensor:
    """Without a gradient, in double precision where the device has it."""
    values = untransformed(matrix)
    return values.to(finest_dtype(values.device))


def _first(values: Tensor, wrong: Tensor) -> list[float]:
    """The first row that has something wrong in it."""
    rows: list[float] = values[wrong.any(dim=-1)][0].tolist()
    return rows
