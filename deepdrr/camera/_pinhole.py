"""The camera as two tensors, for learning and registration: `k_inv` from pixels to directions, `rt_inv` to the world.

A pixel at (u, v), centres at +0.5, looks along k_inv (u, v, 1), whose third component is 1; the detector's point is sdd
times that. `rt_inv` is world_from_camera. The camera's frame is that of `Camera`: z from source to detector.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from deepdrr._numbers import as_count
from deepdrr.geometry import convert, full_precision, single_or_double

__all__ = ["invert_rt_inv", "make_k_inv", "make_rt_inv"]

# Columns: where the camera's x, y and z point in the patient's frame (RAS) before any rotation. "AP" and "PA" have the
# patient's left on the picture's right and the head at its top; so "PA", whose beam runs forward, is a reflection.
_WORLD_FROM_CAMERA = {
    "AP": ((-1.0, 0.0, 0.0), (0.0, 0.0, -1.0), (0.0, -1.0, 0.0)),
    "PA": ((-1.0, 0.0, 0.0), (0.0, 0.0, 1.0), (0.0, -1.0, 0.0)),
    None: ((-1.0, 0.0, 0.0), (0.0, -1.0, 0.0), (0.0, 0.0, 1.0)),
}


def make_k_inv(
    sdd: float | Tensor,
    delx: float | Tensor,
    dely: float | Tensor,
    x0: float | Tensor,
    y0: float | Tensor,
    height: int,
    width: int,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
) -> Tensor:
    """Inverse of the intrinsic matrix of a flat detector,

        K = [[sdd/Δx, 0, x0/Δx + W/2], [0, sdd/Δy, y0/Δy + H/2], [0, 0, 1]].

    Args:
        sdd: distance from source to detector, mm. Like the next four a number, or a tensor [B] or [] with its gradient.
        delx, dely: width and height of a pixel, mm; a negative width mirrors the picture.
        x0, y0: how far the principal point lies from the detector's centre, to the right and down, mm.
        height, width: rows and columns of the detector.
        dtype, device: of the result; those of the tensors given, else torch's defaults.

    Returns:
        [1, 3, 3], or [B, 3, 3] where tensors of that length are given.

    Raises:
        ValueError: if the distance is not positive, a pixel has no size, or the detector has no pixels.

    Example:
        >>> k_inv = make_k_inv(1000.0, 0.5, 0.5, 0.0, 0.0, 200, 300)
        >>> (1000 * k_inv @ torch.tensor([150.0, 100, 1]))[0].tolist()  # the detector's centre
        [0.0, 0.0, 1000.0]
    """
    height = as_count(height, "height")
    width = as_count(width, "width")
    given = {"sdd": sdd, "delx": delx, "dely": dely, "x0": x0, "y0": y0}
    distance, dx, dy, x, y = _broadcast(given, dtype, device)
    _check(distance, "sdd", distance > 0, "a positive distance in mm")
    _check(dx, "delx", dx != 0, "the width of a pixel in mm")
    _check(dy, "dely", dy != 0, "the height of a pixel in mm")
    zero, one = torch.zeros_like(distance), torch.ones_like(distance)
    first = torch.stack([dx / distance, zero, -(x + dx * (width / 2)) / distance], dim=-1)
    second = torch.stack([zero, dy / distance, -(y + dy * (height / 2)) / distance], dim=-1)
    return torch.stack([first, second, torch.stack([zero, zero, one], dim=-1)], dim=-2)


@full_precision
def make_rt_inv(
    rotation: Tensor, translation: Tensor, orientation: str | None = "AP", isocenter: Tensor | None = None
) -> Tensor:
    """world_from_camera of a camera that orbits a point: convert(rotation, translation, "euler", "ZXY", isocenter) · F.

    F turns the camera's frame into the patient's (RAS) before any rotation:

    - ``"AP"``: the beam runs from front to back, x to the patient's left, y to the feet: put the source in front with
      translation (0, +d, 0).
    - ``"PA"``: the beam runs from back to front, x and y as before: the picture still faces the patient, and F is a
      reflection. Put the source behind with translation (0, −d, 0).
    - None: the beam runs along +z, x and y against the world's.

    Args:
        rotation: angles about z, x and y in this order, about the turned axes, degrees [*B, 3].
        translation: the source's place before the rotation, from the isocenter, mm [*B, 3].
        orientation: ``"AP"``, ``"PA"`` or None.
        isocenter: the point [3] to orbit, world mm; the origin if None.

    Returns:
        [*B, 4, 4]; float32 for half precision.

    Raises:
        ValueError: for shapes or an orientation that are not accepted.

    Example:
        >>> rt_inv = make_rt_inv(torch.zeros(1, 3), torch.tensor([[0.0, 850.0, 0.0]]))
        >>> rt_inv[0, :3, 3].tolist(), rt_inv[0, :3, 2].tolist()  # the source is in front, the beam runs back
        ([0.0, 850.0, 0.0], [0.0, -1.0, 0.0])
    """
    pose = convert(rotation, translation, "euler", "ZXY", isocenter=isocenter)
    turn = torch.eye(4, dtype=pose.dtype, device=pose.device)
    turn[:3, :3] = _frame(orientation, pose)
    return pose @ turn


@full_precision
def invert_rt_inv(
    extrinsic_inv: Tensor, orientation: str | None = "AP", isocenter: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The rotation and translation that `make_rt_inv` makes a pose from, with the same orientation and isocenter.

    The angle about x comes out in [−90°, 90°]; at its ends only the sum or difference of the others is determined,
    and the last is 0.

    Args:
        extrinsic_inv: world_from_camera, rigid [*B, 4, 4].
        orientation: ``"AP"``, ``"PA"`` or None.
        isocenter: the point [3] that is orbited, world mm; the origin if None.

    Returns:
        (rotation in degrees, translation in mm), each [*B, 3].
    """
    import roma  # Here, for it imports torch's compiler, seconds that `import deepdrr` need not take.

    matrix = single_or_double(extrinsic_inv, "extrinsic_inv", 4)
    if matrix.shape[-2:] != (4, 4):
        raise ValueError(f"extrinsic_inv must be [..., 4, 4], got shape {tuple(matrix.shape)}")
    pose = matrix[..., :3, :3] @ _frame(orientation, matrix).T
    place = matrix[..., :3, 3]
    if isocenter is not None:
        place = place - single_or_double(isocenter, "isocenter", 3).to(matrix.dtype)
    rotation: Tensor = roma.rotmat_to_euler("ZXY", pose, degrees=True)
    return rotation, (pose.transpose(-1, -2) @ place[..., None])[..., 0]


def _frame(orientation: str | None, like: Tensor) -> Tensor:
    if orientation not in _WORLD_FROM_CAMERA:
        raise ValueError(f'orientation must be "AP", "PA" or None, got {orientation!r}')
    return like.new_tensor(_WORLD_FROM_CAMERA[orientation])


def _broadcast(
    given: dict[str, float | Tensor], dtype: torch.dtype | None, device: torch.device | str | None
) -> Sequence[Tensor]:
    """The numbers as tensors [B] of one type on one device."""
    tensors = [value for value in given.values() if isinstance(value, Tensor)]
    dtype = dtype or (torch.result_type(tensors[0], 1.0) if tensors else torch.get_default_dtype())
    device = device or (tensors[0].device if tensors else None)
    numbers = []
    for name, value in given.items():
        number = torch.as_tensor(value, dtype=dtype, device=device)
        if number.dim() > 1:
            raise ValueError(f"{name} must be a number or a tensor [B], got shape {tuple(number.shape)}")
        _check(number, name, torch.isfinite(number), "finite")
        numbers.append(number.reshape(-1))
    batch: Sequence[Tensor] = torch.broadcast_tensors(*numbers)
    return batch


def _check(value: Tensor, name: str, accepted: Tensor, wanted: str) -> None:
    if not bool(accepted.all()):
        raise ValueError(f"{name} must be {wanted}, got {value.tolist()}")
