"""Which reader takes a file."""

import os
from pathlib import Path

from deepdrr._door import check_file
from deepdrr.data._scan import Scan
from deepdrr.data.readers._metaimage import read_metaimage
from deepdrr.data.readers._nifti import read_nifti
from deepdrr.data.readers._nrrd import read_nrrd
from deepdrr.geometry import ArrayLike

__all__ = ["format_of", "read_grid"]

_NIFTI = (".nii", ".nii.gz", ".hdr", ".img")
_NRRD = (".nrrd", ".nhdr")
_META = (".mha", ".mhd")
_READERS = {"nifti": read_nifti, "nrrd": read_nrrd, "mha": read_metaimage}
_DICOM = (".dcm", ".dicom", ".ima")


def format_of(path: str | os.PathLike[str]) -> str:
    """Tell `"nifti"`, `"nrrd"`, `"mha"` or `"dicom"` from the suffix, else from the first bytes; a folder is DICOM.

    Raises:
        OSError: if there is no such file.
        ValueError: if it is of another format.
    """
    file = Path(path)
    if file.is_dir():
        return "dicom"
    check_file(file)
    for kind, suffixes in (("nifti", _NIFTI), ("nrrd", _NRRD), ("mha", _META), ("dicom", _DICOM)):
        if file.name.lower().endswith(suffixes):
            return kind
    with file.open("rb") as stream:
        if stream.read(132)[128:] == b"DICM":
            return "dicom"
    raise ValueError(
        f"'{file}' is of no known kind: NIfTI ({', '.join(_NIFTI)}), NRRD and MetaImage ({', '.join(_NRRD + _META)}), "
        "DICOM (a folder or a file) can be read"
    )


def read_grid(path: str | os.PathLike[str], *, anatomical_from_ijk: ArrayLike | None = None) -> Scan:
    """Read a NIfTI, NRRD or MetaImage file.

    Args:
        path: the file.
        anatomical_from_ijk: affine [4, 4] to use for a file that has none; refused otherwise.

    Raises:
        OSError, ValueError: as the readers do, and for DICOM.
    """
    kind = format_of(path)
    if kind == "dicom":
        raise ValueError(f"path must be NIfTI, NRRD or MetaImage, got the DICOM '{path}'")
    return _READERS[kind](path, anatomical_from_ijk=anatomical_from_ijk)
