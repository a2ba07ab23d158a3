"""Between `k_inv`, `rt_inv`, sdd and the parts of a `Camera`.

Both put pixel (u, v) at A sdd k_inv (u, v, 1) + c in the world, where A and c are the linear part and the offset
of rt_inv. A `Camera` has a rigid pose and an upper triangular K. So we factor

    A k_inv = Q U        Q a rotation, U upper triangular, U₃₃ > 0,

so that camera_from_world = (Qᵀ, −Qᵀ c), K = U₃₃ U⁻¹, and the detector lies at U₃₃ sdd. For a rigid rt_inv and the k_inv
of `make_k_inv` Q is A, U is k_inv and sdd stays as it is. A reflection (`make_rt_inv` with "PA") mirrors the columns.
"""

import torch
from torch import Tensor

from deepdrr._arguments import check_flag
from deepdrr._functorch import untransformed
from deepdrr.camera._inverse_checks import check_inverse, check_together, checked_sdd
from deepdrr.camera._parts import Parts
from deepdrr.geometry import finest_dtype, full_precision

__all__ = ["inverse_intrinsics", "parts_from_inverse"]

# 1 − cos of the angle: rotations of float32 matrices are orthogonal to about 1e-6, and 1e-8 is 0.008 degrees.
_PERPENDICULAR = 1e-8


@full_precision
def parts_from_inverse(k_inv: Tensor, rt_inv: Tensor, sdd_mm: Tensor | float, *, orthographic: bool) -> Parts:
    """Intrinsics, camera_from_world and sdd of the camera that k_inv, rt_inv and sdd describe.

    Args:
        k_inv: inverse intrinsics [*B, 3, 3].
        rt_inv: world_from_camera, affine [*B, 4, 4].
        sdd_mm: source-to-detector distance along the z of rt_inv, [*B] or a number, mm.
        orthographic: whether the rays are parallel to that z; the detector must be perpendicular to them then.

    Returns:
        (intrinsics [*B, 3, 3], camera_from_world [*B, 4, 4], sdd [*B]) in double precision where the device has it,
        with gradients to all three arguments.

    Raises:
        TypeError: if one of the three is not of floating-point numbers, or `orthographic` not a bool.
        ValueError: if a matrix or a number is not acceptable, or parallel rays would meet the detector at an angle.
    """
    check_inverse(k_inv, rt_inv)
    check_flag(orthographic, "orthographic")
    sdd = checked_sdd(sdd_mm, rt_inv, "sdd_mm")
    check_together(k_inv=(k_inv, 2), rt_inv=(rt_inv, 2), sdd_mm=(sdd, 0))
    dtype = finest_dtype(rt_inv.device)
    pose, lens, distance = rt_inv.to(dtype), k_inv.to(dtype), sdd.to(dtype)
    rows_down = torch.where(lens.detach()[..., 1, 1] < 0, -1.0, 1.0).to(dtype)
    rotation, upper = _rotation_times_upper(pose[..., :3, :3] @ lens, rows_down)
    if orthographic:
        _check_perpendicular(rotation, pose[..., :3, 2])
    camera_from_source = -rotation.transpose(-1, -2) @ pose[..., :3, 3:]
    top = torch.cat(
        [rotation.transpose(-1, -2).expand(*camera_from_source.shape[:-2], 3, 3), camera_from_source], dim=-1
    )
    bottom = pose.new_tensor([0.0, 0.0, 0.0, 1.0]).expand(*top.shape[:-2], 1, 4)
    return inverse_intrinsics(upper), torch.cat([top, bottom], dim=-2), distance * upper[..., 2, 2]


def inverse_intrinsics(upper: Tensor) -> Tensor:
    """K⁻¹ of an upper triangular K [..., 3, 3], scaled so that the last entry is 1: exact zeros and a row 0 0 1."""
    k00, k01, k02 = (upper[..., 0, j] for j in range(3))
    k11, k12, k22 = upper[..., 1, 1], upper[..., 1, 2], upper[..., 2, 2]
    zero = torch.zeros_like(k00)
    first = torch.stack([k22 / k00, -k01 * k22 / (k00 * k11), (k01 * k12 / k11 - k02) / k00], dim=-1)
    second = torch.stack([zero, k22 / k11, -k12 / k11], dim=-1)
    return torch.stack([first, second, torch.stack([zero, zero, zero + 1.0], dim=-1)], dim=-2)


def _check_perpendicular(rotation: Tensor, axis: Tensor) -> None:
    """Check that parallel rays along an axis meet the detector at right angles."""
    off = untransformed(1.0 - (rotation[..., 2] * axis).sum(-1) / axis.norm(dim=-1))
    if bool((off > _PERPENDICULAR).any()):
        degrees = torch.rad2deg(torch.arccos(1.0 - off.max())).item()
        raise ValueError(
            "rt_inv and k_inv must put the detector at right angles to parallel rays (orthographic=True), got rays "
            f"{degrees:.3g} degrees off its normal"
        )


def _rotation_times_upper(matrix: Tensor, sign: Tensor) -> tuple[Tensor, Tensor]:
    """M = Q U with Q a rotation, U upper triangular, U₃₃ > 0 and the sign of U₂₂ as given; U₁₁ has that of det M."""
    across, down, corner = matrix.unbind(-1)
    normal = torch.linalg.cross(across, down)
    handed = (normal * corner).sum(-1, keepdim=True).detach().sign()
    x = across / (across.norm(dim=-1, keepdim=True) * handed * sign[..., None])
    z = normal / (normal.norm(dim=-1, keepdim=True) * handed)
    rotation = torch.stack([x, torch.linalg.cross(z, x), z], dim=-1)
    return rotation, (rotation.transpose(-1, -2) @ matrix).triu()
