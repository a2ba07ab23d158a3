"""Writing volumes and label maps as NIfTI."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from deepdrr._atomic import atomic_path
from deepdrr.data._sidecars import save_label_names

__all__ = ["check_name", "save_labels", "write_nifti"]


def check_name(path: str | os.PathLike[str], argument: str, *suffixes: str) -> Path:
    """Check the suffix of a file to write.

    Raises:
        ValueError: if it has another suffix.
    """
    if not str(path).lower().endswith(suffixes):
        raise ValueError(f"{argument} must end in {' or '.join(suffixes)}, got '{path}'")
    return Path(path)


def save_labels(
    path: str | os.PathLike[str], labels: Tensor, names: Mapping[int, str], anatomical_from_ijk: Tensor
) -> None:
    """Write a label map as NIfTI, and the names beside it in a CSV file of the same name.

    Raises:
        ValueError: if the suffix is not one of NIfTI.
        OSError: if a file cannot be written.
    """
    file = check_name(path, "labels", ".nii", ".nii.gz")
    write_nifti(file, labels, anatomical_from_ijk)
    stem = file.name[: file.name.lower().rindex(".nii")]
    save_label_names(file.with_name(f"{stem}.csv"), names)


def write_nifti(path: str | os.PathLike[str], values: Tensor, anatomical_from_ijk: Tensor) -> None:
    """Write a NIfTI-1 file whole or not at all. Values that are whole numbers are written as integers.

    Args:
        path: the file, .nii or .nii.gz.
        values: [I, J, K].
        anatomical_from_ijk: affine to RAS mm. NIfTI keeps it in float32: 0.06 µm at 1 m.

    Raises:
        OSError: if it cannot be written.
    """
    import nibabel

    affine = anatomical_from_ijk.numpy()
    image: Any = nibabel.Nifti1Image(  # type: ignore[no-untyped-call]
        _compact(values.detach().cpu().numpy()), affine
    )
    image.header.set_xyzt_units("mm")
    image.set_sform(affine, code="scanner")
    with atomic_path(path) as temporary:
        nibabel.save(image, temporary)


def _compact(values: NDArray[Any]) -> NDArray[Any]:
    """int16 where that loses nothing."""
    if values.dtype.kind != "f" or values.min() < -32768 or values.max() > 32767:
        return values
    small = values.astype(np.int16)
    return small if all(np.array_equal(a, b) for a, b in zip(values, small, strict=True)) else values
