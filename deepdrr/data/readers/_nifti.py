"""Reading NIfTI: the header's promises are checked, the voxels go straight into one float32 array."""

import os
from pathlib import Path

from torch import Tensor

from deepdrr._door import check_file
from deepdrr.data._checks import given_affine, warn_of_size
from deepdrr.data._scan import Scan, Source
from deepdrr.data.readers._nifti_affine import Use, nifti_affine
from deepdrr.data.readers._nifti_header import NiftiHeader, read_header
from deepdrr.data.readers._voxels import read_voxels
from deepdrr.geometry import ArrayLike

__all__ = ["read_nifti"]


def read_nifti(
    path: str | os.PathLike[str], *, anatomical_from_ijk: ArrayLike | None = None, use: Use | None = None
) -> Scan:
    """Read a NIfTI-1 or NIfTI-2 file (.nii, .nii.gz, or a .hdr/.img pair).

    The slope and intercept of the header are applied. Lengths in metres or micrometres become millimetres; a header
    that names no unit is taken as millimetres, as all software does.

    Args:
        path: the file.
        anatomical_from_ijk: affine [4, 4] to use where the header has none (sform and qform code 0). Where the header
            has one, the header's must not be contradicted, so giving one is refused.
        use: which of the header's statements is right, where they contradict each other: `"sform"`, `"qform"`, or
            `"pixdim"`, the sform at the lengths of pixdim. None takes the sform, else the qform.

    Returns:
        The voxels as stored and scaled, and the affine to RAS mm.

    Raises:
        OSError: if the file is missing or cannot be read.
        ValueError: if it is not NIfTI, is damaged, is not a 3-D scalar image, or does not state its orientation.

    Warns:
        UserWarning: if the sform is taken and the qform or pixdim say something else.
    """
    file = check_file(path)
    header = read_header(file)
    affine = _affine(header, file, anatomical_from_ijk, use)
    voxels = read_voxels((header.voxels,), header.shape, header.dtype, file, header.scale)
    warn_of_size(voxels.shape, affine, file)
    return Scan(voxels, affine, Source(str(path), "nifti"))


def _affine(header: NiftiHeader, file: Path, given: ArrayLike | None, use: Use | None) -> Tensor:
    placed = int(header.fields["sform_code"]) > 0 or int(header.fields["qform_code"]) > 0
    callers = given_affine(given, file, "" if placed else "sform_code and qform_code are 0")
    return nifti_affine(header.fields, header.shape, file, use) if callers is None else callers
