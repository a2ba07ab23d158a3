"""The three tensors of a camera, (intrinsics, camera_from_world, sdd_mm): made from others, stacked, taken apart."""

from collections.abc import Sequence

import torch
from torch import Tensor

from deepdrr._arguments import checked_device
from deepdrr._numbers import as_number
from deepdrr._shapes import broadcast_shapes
from deepdrr.camera._checks import check_tensor

__all__ = ["Parts", "batch_of", "cropped_k", "nth_parts", "parts_from_krt", "parts_on", "stacked_parts"]

Parts = tuple[Tensor, Tensor, Tensor]


def parts_from_krt(intrinsics: Tensor, rotation: Tensor, translation: Tensor, sdd_mm: float) -> Parts:
    """The parts of K [..., 3, 3], R [..., 3, 3] and t [..., 3], of the type of R."""
    check_tensor(intrinsics, "intrinsics", 3, 3)
    check_tensor(rotation, "rotation", 3, 3)
    check_tensor(translation, "translation", 3)
    batch = broadcast_shapes(rotation.shape[:-2], translation.shape[:-1])
    pose = torch.zeros(*batch, 4, 4, dtype=rotation.dtype, device=rotation.device)
    pose[..., :3, :3] = rotation
    pose[..., :3, 3] = translation
    pose[..., 3, 3] = 1.0
    sdd = torch.as_tensor(sdd_mm, dtype=rotation.dtype, device=rotation.device)
    return intrinsics.to(rotation.dtype), pose, sdd


def batch_of(parts: Parts) -> torch.Size:
    """The leading dimensions that the parts share."""
    intrinsics, pose, sdd_mm = parts
    shapes = {intrinsics.shape[:-2], pose.shape[:-2], sdd_mm.shape}
    # torch takes as long to broadcast equal shapes as others.
    return shapes.pop() if len(shapes) == 1 else broadcast_shapes(*shapes)


def stacked_parts(several: Sequence[Parts]) -> Parts:
    """The parts of one batched camera."""
    intrinsics, poses, distances = zip(*several, strict=True)
    return torch.stack(intrinsics), torch.stack(poses), torch.stack(distances)


def nth_parts(parts: Parts, index: int) -> Parts:
    """Those of one camera of a batch.

    Raises:
        IndexError: if there is no such camera.
    """
    batch = batch_of(parts)
    if not batch:
        raise IndexError("this camera is not batched")
    intrinsics, pose, sdd_mm = parts
    return intrinsics.expand(*batch, 3, 3)[index], pose.expand(*batch, 4, 4)[index], sdd_mm.expand(batch)[index]


def parts_on(parts: Parts, *where: torch.device | torch.dtype | str) -> Parts:
    """The parts on another device or of another type.

    Raises:
        ValueError: for a device that torch cannot use here.
    """
    for one in where:
        if not isinstance(one, torch.dtype):
            checked_device(one)
    intrinsics, pose, sdd_mm = (tensor.to(*where) for tensor in parts)  # type: ignore[call-overload]
    return intrinsics, pose, sdd_mm


def cropped_k(intrinsics: Tensor, top: float, left: float) -> Tensor:
    """K [..., 3, 3] of a detector that begins at those row and column of the other."""
    shift = torch.eye(3, dtype=intrinsics.dtype, device=intrinsics.device)
    shift[0, 2], shift[1, 2] = -as_number(left, "left"), -as_number(top, "top")
    return shift @ intrinsics
