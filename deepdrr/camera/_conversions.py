"""From a C-arm's numbers and from projection matrices to K, R and t."""

from collections.abc import Sequence

import torch
from torch import Tensor

from deepdrr._functorch import untransformed
from deepdrr._numbers import as_count
from deepdrr.camera._checks import as_length, check_tensor
from deepdrr.geometry import ArrayLike, as_point, finest_dtype, in_double, invert_rigid, rigid, world_from_carm

__all__ = ["arm_rotation", "carm_pose", "intrinsics_from_detector", "split_projection_matrix"]

# At zero angles the beam runs up (camera z = world y) and the image's rows run toward the feet (camera y = −world z).
_ARM_FROM_CAMERA = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]], dtype=torch.float64)

_COLUMN_SIGN = {"source": 1.0, "detector": -1.0}


def intrinsics_from_detector(sdd_mm: float, height: int, width: int, pixel_mm: float, viewed_from: str) -> Tensor:
    """K of a detector with square pixels, centred on the principal axis: f = sdd / pixel.

    Args:
        sdd_mm: source-to-detector distance, mm.
        height, width: rows and columns.
        pixel_mm: side of a pixel, mm.
        viewed_from: `"source"` (K[0, 0] > 0) or `"detector"` (columns mirrored, K[0, 0] < 0).

    Returns:
        float64 [3, 3].
    """
    sdd_mm, pixel_mm = as_length(sdd_mm, "sdd_mm"), as_length(pixel_mm, "pixel_mm")
    height = as_count(height, "height")
    width = as_count(width, "width")
    if viewed_from not in _COLUMN_SIGN:
        raise ValueError(f'viewed_from must be "detector" or "source", got {viewed_from!r}')
    focal = sdd_mm / pixel_mm
    return torch.tensor(
        [[_COLUMN_SIGN[viewed_from] * focal, 0.0, width / 2], [0.0, focal, height / 2], [0.0, 0.0, 1.0]],
        dtype=torch.float64,
    )


def carm_pose(sdd_mm: float, sid_mm: float, angles_deg: Sequence[float], isocenter: ArrayLike) -> Tensor:
    """camera_from_world of a C-arm; arguments as in `Camera.carm`. float64 [4, 4]."""
    sid_mm = as_length(sid_mm, "sid_mm")
    if sid_mm >= sdd_mm:
        raise ValueError(f"sid_mm must be less than sdd_mm = {sdd_mm}, got {sid_mm}")
    if len(angles_deg) != 3:
        raise ValueError(f"angles_deg must be (alpha, beta, gamma), got {tuple(angles_deg)}")
    world_from_arm = world_from_carm(*angles_deg)
    source = as_point(isocenter, "isocenter") - sid_mm * world_from_arm[:, 1]
    return invert_rigid(rigid(world_from_arm @ _ARM_FROM_CAMERA, source))


def arm_rotation(camera_from_world: Tensor) -> Tensor:
    """world_from_arm [3, 3] of a pose [4, 4], the rotation that `carm_pose` was made from."""
    return camera_from_world[:3, :3].T @ _ARM_FROM_CAMERA.T


def split_projection_matrix(matrix: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """P = s K [R | t] with s > 0, K[1, 1] > 0, K[2, 2] = 1 and R a rotation; see `Camera.from_projection_matrix`.

    Args:
        matrix: P [..., 3, 4].

    Returns:
        K [..., 3, 3], R [..., 3, 3], t [..., 3].

    Raises:
        ValueError: if P is not [..., 3, 4], finite, or its left block is singular.
    """
    check_tensor(matrix, "matrix", 3, 4)
    if not bool(torch.isfinite(untransformed(matrix)).all()):
        raise ValueError(f"matrix must be finite, got {untransformed(matrix).tolist()}")
    projection = in_double(matrix)
    left = projection[..., :3]
    det = torch.linalg.det(left)
    if bool(untransformed(det.abs() <= 1e-12 * left.norm(dim=(-2, -1)) ** 3).any()):
        raise ValueError(f"the left 3×3 block of matrix must be invertible, got {untransformed(matrix).tolist()}")
    upper, rotation = _rq(left)
    signs = torch.ones_like(upper.diagonal(dim1=-2, dim2=-1))
    signs[..., 0] = torch.sign(det)
    wanted = signs / torch.sign(upper.diagonal(dim1=-2, dim2=-1))
    upper, rotation = upper * wanted[..., None, :], wanted[..., :, None] * rotation
    translation = torch.linalg.solve_triangular(upper, projection[..., 3:], upper=True)[..., 0]
    intrinsics = torch.triu(upper / upper[..., 2:, 2:])
    device, dtype = matrix.device, finest_dtype(matrix.device)
    return intrinsics.to(device, dtype), rotation.to(device, dtype), translation.to(device, dtype)


def _rq(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """M = U Q with U upper triangular and Q orthogonal, from the QR decomposition of the reversed transpose."""
    q, r = torch.linalg.qr(matrix.flip(-2).transpose(-1, -2))
    return r.transpose(-1, -2).flip(-2, -1), q.transpose(-1, -2).flip(-2)
