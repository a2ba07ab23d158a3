"""What a camera refuses, before any ray is made."""

import torch
from torch import Tensor

from deepdrr._arguments import check_flag
from deepdrr._functorch import untransformed
from deepdrr._numbers import as_count, as_number
from deepdrr._shapes import broadcast_shapes
from deepdrr.geometry import check_rigid

__all__ = ["as_length", "check_alike", "check_camera", "check_tensor"]


def check_camera(
    intrinsics: Tensor, camera_from_world: Tensor, sdd_mm: Tensor, height: int, width: int, orthographic: object
) -> None:
    """Check shapes, values and types of a camera's parts; see `Camera` for what they are.

    Raises:
        TypeError: if a part is not a floating-point tensor, a count not an integer, or `orthographic` not a bool.
        ValueError: if a shape, a matrix or a number is not acceptable.
    """
    tensors = {"intrinsics": intrinsics, "camera_from_world": camera_from_world, "sdd_mm": sdd_mm}
    for name, tensor in tensors.items():
        if not isinstance(tensor, Tensor) or not tensor.is_floating_point():
            raise TypeError(f"{name} must be a floating-point tensor, got {getattr(tensor, 'dtype', type(tensor))}")
    if len({(t.dtype, t.device) for t in tensors.values()}) != 1:
        kinds = {name: (t.dtype, str(t.device)) for name, t in tensors.items()}
        raise ValueError(f"intrinsics, camera_from_world and sdd_mm must share dtype and device, got {kinds}")
    as_count(height, "height")
    as_count(width, "width")
    check_flag(orthographic, "orthographic")
    _check_intrinsics(intrinsics)
    if camera_from_world.shape[-2:] != (4, 4):
        raise ValueError(f"camera_from_world must be [..., 4, 4], got shape {tuple(camera_from_world.shape)}")
    check_rigid(camera_from_world, "camera_from_world")
    distance = untransformed(sdd_mm)
    if not bool((torch.isfinite(distance) & (distance > 0)).all()):
        raise ValueError(f"sdd_mm must be positive and finite, got {distance.tolist()}")
    broadcast_shapes(intrinsics.shape[:-2], camera_from_world.shape[:-2], sdd_mm.shape)


def check_alike(kinds: list[tuple[int, int, bool]]) -> None:
    """Check that cameras to be stacked are of one (height, width, orthographic), and that there is one."""
    if len(set(kinds)) != 1:
        raise ValueError(f"cameras must share height, width and projection, got {sorted(set(kinds))}")


def check_tensor(value: object, name: str, *ends: int) -> None:
    """Check that an argument is a tensor whose shape ends in the given sizes.

    Raises:
        TypeError: if it is not a tensor; an array of NumPy is not.
        ValueError: if its shape ends otherwise.
    """
    if not isinstance(value, Tensor):
        raise TypeError(f"{name} must be a tensor (torch.as_tensor makes one), got {type(value).__name__}")
    if tuple(value.shape[-len(ends) :]) != ends:
        shape = ", ".join(map(str, ends))
        raise ValueError(f"{name} must be [..., {shape}], got shape {tuple(value.shape)}")


def as_length(value: object, name: str) -> float:
    """A length in mm as float: positive and finite."""
    length = as_number(value, name)
    if length <= 0.0:
        raise ValueError(f"{name} must be a positive length in mm, got {value}")
    return length


def _check_intrinsics(intrinsics: Tensor) -> None:
    if intrinsics.shape[-2:] != (3, 3):
        raise ValueError(f"intrinsics must be [..., 3, 3], got shape {tuple(intrinsics.shape)}")
    matrix = untransformed(intrinsics)
    if not bool(torch.isfinite(matrix).all()):
        raise ValueError(f"intrinsics must be finite, got {matrix.tolist()}")
    lower = torch.stack([matrix[..., 1, 0], matrix[..., 2, 0], matrix[..., 2, 1]])
    focal = matrix[..., :2, :2].diagonal(dim1=-2, dim2=-1)
    if bool((lower != 0).any()) or bool((matrix[..., 2, 2] != 1).any()) or bool((focal == 0).any()):
        raise ValueError(
            "intrinsics must be upper triangular with non-zero focal lengths and a last row 0 0 1, "
            f"got {matrix.tolist()}"
        )
