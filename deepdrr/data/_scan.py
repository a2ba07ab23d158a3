"""What a reader hands over: Hounsfield numbers on a grid, and where they came from."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["Scan", "Source"]


@dataclass(frozen=True)
class Source:
    """Where a volume came from. It carries no patient identity.

    Attributes:
        path: file or folder as given by the caller; None for an array.
        format: `"array"`, `"nifti"`, `"nrrd"`, `"mha"`, `"dicom"`.
        modality: DICOM modality (`"CT"`), where the file states one.
        kvp: tube voltage of the scan in kV, where the file states one.
        description: the series description, or "".
        padding_voxels: how many voxels lay outside the scanner's field of view and became air.
        notes: what was repaired on the caller's request, one sentence each.
    """

    path: str | None = None
    format: str = "array"
    modality: str | None = None
    kvp: float | None = None
    description: str = ""
    padding_voxels: int = 0
    notes: tuple[str, ...] = field(default=())


@dataclass(frozen=True, eq=False)
class Scan:
    """A scan as read, before it is checked and made a `Volume`.

    Attributes:
        hu: Hounsfield units, float32 [I, J, K]; rescale slope and intercept are already applied.
        anatomical_from_ijk: affine from voxel centres (integers) to RAS millimetres, float64 [4, 4].
        source: where it came from.
    """

    hu: NDArray[np.float32]
    anatomical_from_ijk: Tensor
    source: Source = field(default_factory=Source)
