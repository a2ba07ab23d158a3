"""Where the voxels of a NIfTI file lie: its sform, qform and pixdim, held against each other.

The standard (nifti1.h) prefers the sform. Tools that resample or align often update one of the three only, and readers
differ in which one they take.
"""

import warnings
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deepdrr.data._checks import check_choice
from deepdrr.geometry import check_affine, transform_points

__all__ = ["Use", "nifti_affine"]

Use = Literal["sform", "qform", "pixdim"]
"""Which statement of a NIfTI header is right: `"pixdim"` is the axes of the sform at the lengths of pixdim."""

# NIfTI-1 standard, nifti1.h: the three lowest bits of xyzt_units.
_MM_PER_UNIT = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}
# Headers are float32, and some are typed by hand: 0.7 for 0.703125 is off by half a per cent.
_SAME_LENGTH = 0.01
# A scan that moves by less than this part of a voxel looks the same; quaternions of float32 bring 1e-4 at 500 voxels.
_SAME_PLACE_VOXELS = 0.1
# A unit quaternion of float32, its scalar part left out, is at most this much longer than 1.
_QUATERNION_ROUNDING = 1e-4


def nifti_affine(fields: Any, shape: tuple[int, int, int], file: Path, use: Use | None) -> Tensor:
    """The affine to RAS mm of a header with an sform or a qform.

    Args:
        fields: the header's fields, as stored.
        shape: [I, J, K].
        file: for errors.
        use: the statement to take; None takes the sform, else the qform, and warns if another contradicts it.

    Raises:
        ValueError: if the statement is missing, or no affine.
    """
    mm = _millimetres(fields, file)
    if use is not None:
        check_choice(use, Use, "use")
        return _scaled(_stated(fields, file, use), mm, f"the {use} of '{file}'")
    taken: Use = "sform" if int(fields["sform_code"]) > 0 else "qform"
    try:
        affine = _scaled(_stated(fields, file, taken), mm, f"the {taken} of '{file}'")
    except ValueError as error:
        if taken == "sform" and int(fields["qform_code"]) > 0:
            raise ValueError(f"{error}; use='qform' takes its qform") from None
        raise
    if taken == "sform":
        _warn_of_others(affine, fields, shape, file, mm)
    return affine


def _millimetres(fields: Any, file: Path) -> float:
    unit = int(fields["xyzt_units"]) & 7
    if unit not in _MM_PER_UNIT:
        raise ValueError(f"'{file}' gives lengths in the unknown unit code {unit}; metre, mm and micrometre are known")
    return _MM_PER_UNIT[unit]


def _scaled(affine: NDArray[np.float64], mm: float, name: str) -> Tensor:
    affine[:3] *= mm
    return check_affine(affine, name)


def _stated(fields: Any, file: Path, which: Use) -> NDArray[np.float64]:
    """One of the three statements, in the header's unit."""
    code = "qform_code" if which == "qform" else "sform_code"
    if int(fields[code]) <= 0:
        raise ValueError(f"use must be what the header of '{file}' states, got {which!r} where {code} is 0")
    return _qform(fields, file) if which == "qform" else _sform(fields, file, which)


def _sform(fields: Any, file: Path, which: Use) -> NDArray[np.float64]:
    affine = np.eye(4)
    affine[:3] = [np.asarray(fields[f"srow_{axis}"], dtype=np.float64) for axis in "xyz"]
    if which == "pixdim":
        affine[:3, :3] *= _spacing(fields, file) / np.linalg.norm(affine[:3, :3], axis=0)
    return affine


def _qform(fields: Any, file: Path) -> NDArray[np.float64]:
    """Rotation of the unit quaternion (a, b, c, d), pixdim, and the offset; pixdim[0] mirrors k."""
    b, c, d = (float(fields[f"quatern_{letter}"]) for letter in "bcd")
    square = b * b + c * c + d * d
    if not square <= 1.0 + _QUATERNION_ROUNDING:
        raise ValueError(f"the qform of '{file}' must be a rotation, got the quaternion part {b:g}, {c:g}, {d:g}")
    sign = float(fields["pixdim"][0])
    if sign not in (-1.0, 0.0, 1.0):  # nifti1.h: a 0 "which should not occur" is 1
        raise ValueError(f"pixdim[0] of '{file}' must be 1 or −1, the handedness of its qform, got {sign:g}")
    a = max(0.0, 1.0 - square) ** 0.5
    length = max(1.0, square) ** 0.5
    b, c, d = b / length, c / length, d / length
    rotation = np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )
    affine = np.eye(4)
    affine[:3, :3] = rotation * _spacing(fields, file) * (1.0, 1.0, -1.0 if sign < 0 else 1.0)
    affine[:3, 3] = [float(fields[f"qoffset_{axis}"]) for axis in "xyz"]
    return affine


def _spacing(fields: Any, file: Path) -> NDArray[np.float64]:
    spacing = np.asarray(fields["pixdim"][1:4], dtype=np.float64)
    if not (np.isfinite(spacing) & (spacing > 0.0)).all():
        raise ValueError(f"'{file}' must have voxels of a size above 0, got a spacing (pixdim) of {spacing.tolist()}")
    return spacing


def _warn_of_others(sform: Tensor, fields: Any, shape: tuple[int, int, int], file: Path, mm: float) -> None:
    """Warn where pixdim or the qform say something else than the sform, which is taken."""
    lengths = sform[:3, :3].norm(dim=0).numpy()
    pixdim = np.asarray(fields["pixdim"][1:4], dtype=np.float64) * mm
    found, others = [], []
    if (pixdim > 0.0).all() and (np.abs(lengths - pixdim) > _SAME_LENGTH * pixdim).any():
        found.append(f"its pixdim {_by(pixdim)} mm")
        others.append("pixdim")
    if int(fields["qform_code"]) > 0:
        found += _of_qform(sform, fields, shape, file, mm)
        others += ["qform"]
    if not found:
        return
    ways = " or ".join(f"use={other!r}" for other in others)
    warnings.warn(
        f"'{file}' contradicts itself: its sform, which is taken, says voxels of {_by(lengths)} mm, "
        f"{' and '.join(found)}; {ways} takes what the other says, use='sform' that the sform is right",
        UserWarning,
        stacklevel=2,
    )


def _of_qform(sform: Tensor, fields: Any, shape: tuple[int, int, int], file: Path, mm: float) -> list[str]:
    """What the qform says otherwise: nothing, or one thing."""
    try:
        qform = _scaled(_stated(fields, file, "qform"), mm, "the qform")
    except ValueError:
        return ["its qform is no affine"]
    if float(torch.linalg.det(sform[:3, :3]) * torch.linalg.det(qform[:3, :3])) < 0.0:
        return ["its qform is mirrored against it"]
    corners = torch.cartesian_prod(*(torch.tensor([0.0, n - 1.0], dtype=torch.float64) for n in shape))
    apart = (transform_points(sform, corners) - transform_points(qform, corners)).norm(dim=1).max()
    if float(apart) <= _SAME_PLACE_VOXELS * float(qform[:3, :3].norm(dim=0).min()):
        return []
    return [f"its qform puts a corner {float(apart):.4g} mm away"]


def _by(lengths: NDArray[np.float64]) -> str:
    return "×".join(f"{length:.4g}" for length in lengths)
