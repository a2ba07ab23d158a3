"""Rotations described by three to ten numbers; the maps are those of `roma` (Brégier 2021, 3DV)."""

import warnings
from enum import StrEnum

import torch
from torch import Tensor

from deepdrr.geometry._precision import full_precision, single_or_double

__all__ = ["Parameterization", "quaternion_adjugate_to_quaternion", "rotation_to_matrix"]


class Parameterization(StrEnum):
    """How numbers describe a rotation R.

    - `EULER`: three angles about the axes that a convention names.
    - `QUATERNION`: x, y, z, w, of any length but zero; it is normalized.
    - `QUATERNION_ADJUGATE`: the upper triangle of the symmetric 4×4 matrix q qᵀ, q = (w, x, y, z) (Hanson and
      Hanson 2022, arXiv:2205.09116): no jump anywhere, and the same for q and −q.
    - `ROTATION_9D`: any 3×3 matrix, row by row; R is the rotation nearest to it.
    - `ROTATION_6D`: the first two columns of a matrix, one after the other, made orthonormal by Gram and Schmidt
      (Zhou et al. 2019, CVPR).
    - `SO3_LOG`: axis times angle in radians.
    - `SE3_LOG`: the same, with a translation that is coupled to it, see `convert`.

    Example:
        >>> Parameterization("rotation_6d").dim
        6
    """

    EULER = "euler"
    QUATERNION = "quaternion"
    QUATERNION_ADJUGATE = "quaternion_adjugate"
    ROTATION_9D = "rotation_9d"
    ROTATION_6D = "rotation_6d"
    SO3_LOG = "so3_log"
    SE3_LOG = "se3_log"

    @property
    def dim(self) -> int:
        """How many numbers a rotation takes."""
        return _DIM.get(self, 3)


_DIM = {
    Parameterization.QUATERNION: 4,
    Parameterization.QUATERNION_ADJUGATE: 10,
    Parameterization.ROTATION_9D: 9,
    Parameterization.ROTATION_6D: 6,
}

_CONVENTIONS = "three axes like 'ZXY' (about the turned axes) or 'zxy' (about the fixed ones), no two in a row the same"


@full_precision
def rotation_to_matrix(
    rotation: Tensor,
    parameterization: Parameterization | str,
    convention: str | None = None,
    degrees: bool | None = None,
) -> Tensor:
    """The rotation matrix R that numbers describe.

    Args:
        rotation: [*B, D], with D = `Parameterization(parameterization).dim`. Half precision is computed in float32.
        parameterization: what the numbers are.
        convention: the axes of Euler angles, e.g. ``"ZXY"`` for R = Rz(a) Rx(b) Ry(c); for them only.
        degrees: whether Euler angles are in degrees, not radians. The default is degrees, as everywhere; it was
            radians, so for one release a call without it warns.

    Returns:
        [*B, 3, 3].

    Raises:
        ValueError: for an unknown parameterization or convention, or a wrong number of components.

    Warns:
        DeprecationWarning: for Euler angles without `degrees`.

    Example:
        >>> rotation_to_matrix(torch.tensor([90.0, 0, 0]), "euler", "ZXY", degrees=True).round()
        tensor([[ 0., -1.,  0.],
                [ 1.,  0.,  0.],
                [ 0.,  0.,  1.]])
    """
    import roma  # Here, for it imports torch's compiler, seconds that `import deepdrr` need not take.

    kind = _known(parameterization)
    numbers = single_or_double(rotation, "rotation", kind.dim)
    if kind is Parameterization.EULER:
        axes = _checked(convention)
        angles = torch.deg2rad(numbers) if _in_degrees(degrees) else numbers
        result = roma.unitquat_to_rotmat(_quaternion_of_angles(angles, axes))
    elif convention is not None:
        raise ValueError(f"convention is for Euler angles, got {convention!r} for {str(kind)!r}")
    elif kind is Parameterization.QUATERNION:
        result = roma.unitquat_to_rotmat(numbers / numbers.norm(dim=-1, keepdim=True))
    elif kind is Parameterization.QUATERNION_ADJUGATE:
        result = roma.unitquat_to_rotmat(roma.quat_wxyz_to_xyzw(quaternion_adjugate_to_quaternion(numbers)))
    elif kind is Parameterization.ROTATION_9D:
        result = roma.special_procrustes(numbers.unflatten(-1, (3, 3)))
    elif kind is Parameterization.ROTATION_6D:
        result = roma.special_gramschmidt(numbers.unflatten(-1, (2, 3)).transpose(-1, -2))
    else:
        result = roma.rotvec_to_rotmat(numbers)
    matrix: Tensor = result
    return matrix


def quaternion_adjugate_to_quaternion(rotation: Tensor) -> Tensor:
    """The unit quaternion whose outer product with itself lies nearest in direction: the longest row, normalized.

    Every row of q qᵀ is q times one of its components; the longest is the best conditioned.

    Args:
        rotation: the upper triangle of a symmetric 4×4 matrix, row by row [*B, 10].

    Returns:
        (w, x, y, z) [*B, 4].
    """
    numbers = single_or_double(rotation, "rotation", 10)
    place = torch.tensor([[0, 1, 2, 3], [1, 4, 5, 6], [2, 5, 7, 8], [3, 6, 8, 9]], device=numbers.device)
    rows = numbers[..., place]
    longest = rows.norm(dim=-1).argmax(dim=-1)
    row = torch.take_along_dim(rows, longest[..., None, None], dim=-2).squeeze(-2)
    quaternion: Tensor = row / row.norm(dim=-1, keepdim=True)
    return quaternion


def _quaternion_of_angles(angles: Tensor, convention: str) -> Tensor:
    """(x, y, z, w) [*B, 4] of Euler angles [*B, 3]; roma's function writes in place, which `torch.vmap` cannot map."""
    import roma

    turns = []
    for axis, half in zip(convention.lower(), (angles / 2).unbind(-1), strict=True):
        zero, sine = torch.zeros_like(half), torch.sin(half)
        turns.append(torch.stack([*(sine if axis == name else zero for name in "xyz"), torch.cos(half)], dim=-1))
    quaternion: Tensor = roma.quat_composition(turns if convention.isupper() else turns[::-1], normalize=True)
    return quaternion


def _known(parameterization: Parameterization | str) -> Parameterization:
    try:
        return Parameterization(parameterization)
    except ValueError:
        names = ", ".join(repr(str(p)) for p in Parameterization)
        raise ValueError(f"parameterization must be one of {names}, got {parameterization!r}") from None


def _in_degrees(degrees: bool | None) -> bool:
    if degrees is None:
        message = (
            "rotation_to_matrix takes Euler angles in degrees now, not in radians: say degrees=True or degrees=False"
        )
        warnings.warn(message, DeprecationWarning, stacklevel=4)  # the caller of rotation_to_matrix, past its decorator
        return True
    return degrees


def _checked(convention: str | None) -> str:
    axes = convention or ""
    known = set(axes) <= set("XYZ") or set(axes) <= set("xyz")
    if len(axes) != 3 or not known or axes[0] == axes[1] or axes[1] == axes[2]:
        raise ValueError(f"convention must be {_CONVENTIONS}, got {convention!r}")
    return axes
