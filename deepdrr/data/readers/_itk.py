"""Reading NRRD and MetaImage through SimpleITK."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deepdrr._extras import require
from deepdrr.data._checks import check_file, given_affine, warn_of_size
from deepdrr.data._scan import Scan, Source
from deepdrr.geometry import RAS_FROM_LPS, ArrayLike, check_affine

__all__ = ["read_itk"]

_FORMATS = {".nrrd": "nrrd", ".nhdr": "nrrd", ".mha": "mha", ".mhd": "mha"}


def read_itk(path: str | os.PathLike[str], *, anatomical_from_ijk: ArrayLike | None = None) -> Scan:
    """Read a .nrrd, .nhdr, .mha or .mhd file with SimpleITK (the extra `itk`).

    Args:
        path: the file; of a header with the voxels in a file of its own, the header.
        anatomical_from_ijk: affine [4, 4] to use for a NRRD file that names no space; refused otherwise.

    Returns:
        The voxels and the affine to RAS mm; ITK's own frame is LPS.

    Raises:
        ImportError: if SimpleITK is not installed.
        OSError: if the file is missing or cannot be read.
        ValueError: if it is damaged, not a 3-D scalar image, or says nothing about orientation.
    """
    file = check_file(path)
    if file.suffix.lower() not in _FORMATS:
        raise ValueError(f"path must end in {', '.join(_FORMATS)}, got '{file}'")
    sitk = require("SimpleITK", "itk", f"reading {file.suffix} files")
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(file))
    try:
        reader.ReadImageInformation()
        _check_image(reader, file)
        affine = _affine(reader, file, anatomical_from_ijk)
        image = reader.Execute()
    except RuntimeError as error:
        raise ValueError(f"'{file}' is damaged or not what its suffix says: {_last_line(error)}") from error
    warn_of_size(reader.GetSize(), affine, file)
    return Scan(_voxels(sitk, image), affine, Source(str(path), _FORMATS[file.suffix.lower()]))


def _check_image(reader: Any, file: Path) -> None:
    size = reader.GetSize()
    if reader.GetNumberOfComponents() != 1:
        raise ValueError(f"'{file}' must hold CT numbers, got {reader.GetNumberOfComponents()} values in each voxel")
    if len(size) < 3 or any(n != 1 for n in size[3:]):
        raise ValueError(f"'{file}' must hold one 3-D volume, got {len(size)} dimensions {'×'.join(map(str, size))}")


def _affine(reader: Any, file: Path, given: ArrayLike | None) -> Tensor:
    # A NRRD file without "space" has axes but no patient; ITK then makes one up.
    placed = _FORMATS[file.suffix.lower()] != "nrrd" or "NRRD_space" in reader.GetMetaDataKeys()
    callers = given_affine(given, file, "" if placed else "no 'space' field")
    if callers is not None:
        return callers
    count = len(reader.GetSize())
    direction = torch.tensor(reader.GetDirection(), dtype=torch.float64).reshape(count, count)[:3, :3]
    lps_from_ijk = torch.eye(4, dtype=torch.float64)
    lps_from_ijk[:3, :3] = direction * torch.tensor(reader.GetSpacing()[:3], dtype=torch.float64)
    lps_from_ijk[:3, 3] = torch.tensor(reader.GetOrigin()[:3], dtype=torch.float64)
    return check_affine(RAS_FROM_LPS @ lps_from_ijk, f"the affine of '{file}'")


def _voxels(sitk: Any, image: Any) -> NDArray[np.float32]:
    stored = sitk.GetArrayViewFromImage(image)  # [..., K, J, I]
    volume = stored.reshape(stored.shape[-3:])
    out = np.empty(volume.shape[::-1], dtype=np.float32)
    for k, plane in enumerate(volume):
        out[:, :, k] = plane.T
    return out


def _last_line(error: RuntimeError) -> str:
    """ITK's own words, without the C++ file and line in front."""
    return str(error).strip().splitlines()[-1].split("): ")[-1]
