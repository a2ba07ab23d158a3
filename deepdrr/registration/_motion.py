"""Rigid motions: as numbers of any parameterization and back, and small ones about a pivot."""

import torch
from torch import Tensor

from deepdrr.geometry import Parameterization, rotation_to_matrix, se3_exp_map, se3_log_map

__all__ = ["ARM_MM", "checked_parameterization", "identity_numbers", "numbers_of", "small_motions"]

# A rotation is counted by how far it moves a point this far from the pivot: with it, a unit step of any of the six
# numbers of a small motion moves the picture about equally. Half of what a detector of 300 mm sees at the isocenter.
ARM_MM = 100.0


def checked_parameterization(name: Parameterization | str, convention: str | None) -> Parameterization:
    """A parameterization that fits its convention.

    Raises:
        ValueError: for an unknown one, or a convention that is missing, wrong or not applicable.
    """
    try:
        kind = Parameterization(name)
    except ValueError:
        names = ", ".join(repr(str(known)) for known in Parameterization)
        raise ValueError(f"parameterization must be one of {names}, got {name!r}") from None
    rotation_to_matrix(torch.ones(kind.dim), kind, convention, degrees=True)
    return kind


def numbers_of(motion: Tensor, kind: Parameterization, convention: str | None) -> tuple[Tensor, Tensor]:
    """Rotation [D] and translation [3] that `convert` makes a rigid motion [4, 4] from."""
    rotation, position = motion[:3, :3], motion[:3, 3]
    if kind is Parameterization.SE3_LOG:
        return se3_log_map(motion)
    return _rotation_numbers(rotation, kind, convention), rotation.T @ position


def identity_numbers(kind: Parameterization, convention: str | None) -> tuple[Tensor, Tensor]:
    """The numbers of the identity."""
    return numbers_of(torch.eye(4, dtype=torch.float64), kind, convention)


def small_motions(steps: Tensor) -> Tensor:
    """Rigid motions [K, 4, 4] of steps [K, 6]: turns about x, y, z as mm at `ARM_MM`, then shifts in mm."""
    return se3_exp_map(steps[:, :3] / ARM_MM, steps[:, 3:])


def _rotation_numbers(rotation: Tensor, kind: Parameterization, convention: str | None) -> Tensor:
    import roma  # Here, for it imports torch's compiler, seconds that `import deepdrr` need not take.

    if kind is Parameterization.EULER:
        numbers = roma.rotmat_to_euler(convention, rotation, degrees=True)
    elif kind is Parameterization.QUATERNION:
        numbers = roma.rotmat_to_unitquat(rotation)
    elif kind is Parameterization.QUATERNION_ADJUGATE:
        quaternion = roma.quat_xyzw_to_wxyz(roma.rotmat_to_unitquat(rotation))
        rows, columns = torch.triu_indices(4, 4)
        numbers = torch.outer(quaternion, quaternion)[rows, columns]
    elif kind is Parameterization.ROTATION_9D:
        numbers = rotation.flatten()
    elif kind is Parameterization.ROTATION_6D:
        numbers = rotation[:, :2].T.flatten()
    else:
        numbers = roma.rotmat_to_rotvec(rotation)
    found: Tensor = numbers
    return found
