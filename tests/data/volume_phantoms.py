"""Small CTs whose every voxel tells where it is."""

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import torch
from torch import Tensor

from deepdrr import Volume
from deepdrr.geometry import RAS_FROM_LPS, rigid, rotation

SHAPE = (7, 6, 5)

# An oblique head with anisotropic voxels, then the same axes flipped as scanners and tools store them.
_TURN = rigid(rotation((1, 2, 3), 25.0), (12.0, -34.0, 56.0))


def _grid(*spacing: float) -> Tensor:
    return _TURN @ torch.diag(torch.tensor([*spacing, 1.0], dtype=torch.float64))


GRIDS = {
    "RAS": torch.diag(torch.tensor([2.0, 2.0, 2.0, 1.0], dtype=torch.float64)),
    "LPS": RAS_FROM_LPS @ torch.diag(torch.tensor([1.0, 1.0, 3.0, 1.0], dtype=torch.float64)),
    "LAS, left-handed": torch.diag(torch.tensor([-1.5, 1.5, 2.5, 1.0], dtype=torch.float64)),
    "oblique": _grid(0.7, 0.9, 2.5),
    "oblique, left-handed": _grid(-0.7, 0.9, 2.5),
    "axes swapped": _grid(1.0, 2.0, 3.0)[:, [2, 0, 1, 3]],
}


def ramp(shape: tuple[int, int, int] = SHAPE) -> np.ndarray[Any, np.dtype[np.int16]]:
    """HU −1000, −999, …: no two voxels alike, and half of them air-like, so that they pass as HU."""
    return (np.arange(np.prod(shape)) - 1000).reshape(shape).astype(np.int16)


def volume(grid: str = "RAS", **options: Any) -> Volume:
    return Volume.from_array(ramp(), GRIDS[grid], **options)


def write_nifti(path: Path, values: Any, affine: Any = None, **header: Any) -> Path:
    """Write NIfTI with header fields as given, right or wrong."""
    matrix = GRIDS["RAS"] if affine is None else affine
    image: Any = nibabel.Nifti1Image(values, np.asarray(matrix))
    image.header.set_xyzt_units("mm")
    for name, value in header.items():
        image.header[name] = value
    nibabel.save(image, path)
    return path
