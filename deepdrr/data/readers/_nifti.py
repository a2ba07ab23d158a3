"""Reading NIfTI: the header's promises are checked, the voxels go straight into one float32 array."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from deepdrr._door import check_file
from deepdrr.data._checks import given_affine, warn_of_size
from deepdrr.data._scan import Scan, Source
from deepdrr.data.readers._nifti_header import NiftiHeader, read_header
from deepdrr.data.readers._voxels import read_voxels
from deepdrr.geometry import ArrayLike, check_affine

__all__ = ["read_nifti"]

# NIfTI-1 standard, nifti1.h: the three lowest bits of xyzt_units.
_MM_PER_UNIT = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}


def read_nifti(path: str | os.PathLike[str], *, anatomical_from_ijk: ArrayLike | None = None) -> Scan:
    """Read a NIfTI-1 or NIfTI-2 file (.nii, .nii.gz, or a .hdr/.img pair).

    The slope and intercept of the header are applied. Lengths in metres or micrometres become millimetres; a header
    that names no unit is taken as millimetres, as all software does.

    Args:
        path: the file.
        anatomical_from_ijk: affine [4, 4] to use where the header has none (sform and qform code 0). Where the header
            has one, the header's must not be contradicted, so giving one is refused.

    Returns:
        The voxels as stored and scaled, and the affine to RAS mm.

    Raises:
        OSError: if the file is missing or cannot be read.
        ValueError: if it is not NIfTI, is damaged, is not a 3-D scalar image, or does not state its orientation.
    """
    file = check_file(path)
    header = read_header(file)
    affine = _affine(header, file, anatomical_from_ijk)
    voxels = read_voxels((header.voxels,), header.shape, header.dtype, file, header.scale)
    warn_of_size(voxels.shape, affine, file)
    return Scan(voxels, affine, Source(str(path), "nifti"))


def _affine(stated: NiftiHeader, file: Path, given: ArrayLike | None) -> Tensor:
    header = stated.fields
    placed = int(header["sform_code"]) > 0 or int(header["qform_code"]) > 0
    callers = given_affine(given, file, "" if placed else "sform_code and qform_code are 0")
    if callers is not None:
        return callers
    if int(header["sform_code"]) == 0:
        _check_spacing(header, file)
    unit = int(header["xyzt_units"]) & 7
    if unit not in _MM_PER_UNIT:
        raise ValueError(f"'{file}' gives lengths in the unknown unit code {unit}; metre, mm and micrometre are known")
    affine = torch.as_tensor(np.asarray(header.get_best_affine(), dtype=np.float64)).clone()
    affine[:3] *= _MM_PER_UNIT[unit]
    return check_affine(affine, f"the affine of '{file}'")


def _check_spacing(header: Any, file: Path) -> None:
    """Refuse a spacing of 0, which the library would silently read as 1 mm. Only a qform depends on it."""
    spacing = [float(length) for length in header["pixdim"][1:4]]
    if 0.0 in spacing:
        raise ValueError(f"'{file}' must have voxels of a size above 0, got a spacing (pixdim) of {spacing}")
