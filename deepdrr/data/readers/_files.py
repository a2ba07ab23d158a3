"""Which reader takes a file."""

import os
from pathlib import Path

from deepdrr.data._checks import check_file
from deepdrr.data._scan import Scan
from deepdrr.data.readers._itk import read_itk
from deepdrr.data.readers._nifti import read_nifti

__all__ = ["format_of", "read_grid"]

_NIFTI = (".nii", ".nii.gz", ".hdr", ".img")
_ITK = (".nrrd", ".nhdr", ".mha", ".mhd")
_DICOM = (".dcm", ".dicom", ".ima")


def format_of(path: str | os.PathLike[str]) -> str:
    """Tell `"nifti"`, `"itk"` or `"dicom"` from the suffix, else from the first bytes; a folder is DICOM.

    Raises:
        OSError: if there is no such file.
        ValueError: if it is of another format.
    """
    file = Path(path)
    if file.is_dir():
        return "dicom"
    check_file(file)
    for kind, suffixes in (("nifti", _NIFTI), ("itk", _ITK), ("dicom", _DICOM)):
        if file.name.lower().endswith(suffixes):
            return kind
    with file.open("rb") as stream:
        if stream.read(132)[128:] == b"DICM":
            return "dicom"
    raise ValueError(
        f"'{file}' is of no known kind: NIfTI ({', '.join(_NIFTI)}), NRRD and MetaImage ({', '.join(_ITK)}), "
        "DICOM (a folder or a file) can be read"
    )


def read_grid(path: str | os.PathLike[str]) -> Scan:
    """Read a NIfTI, NRRD or MetaImage file.

    Raises:
        OSError, ValueError: as the readers do, and for DICOM.
    """
    kind = format_of(path)
    if kind == "dicom":
        raise ValueError(f"a label map must be NIfTI, NRRD or MetaImage, got the DICOM '{path}'")
    return read_nifti(path) if kind == "nifti" else read_itk(path)
