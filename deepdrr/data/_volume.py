"""`Volume`: a CT scan in Hounsfield units that can be placed in the room."""

import os
from collections.abc import Mapping
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deepdrr.data._checks import CheckHU, checked_scan
from deepdrr.data._nifti import read_nifti
from deepdrr.data._placement import PlacedGrid
from deepdrr.data._scan import Scan, Source
from deepdrr.geometry import ArrayLike

__all__ = ["Volume"]


class Volume(PlacedGrid):
    """A CT scan on its grid, with labels and landmarks, placed in the room.

    The voxels, the grid and the labels stay as read; the placement (`world_from_anatomical`) moves. Made by
    `from_file`, `from_nifti`, `from_dicom`, `from_nrrd` or `from_array`.

    Args:
        scan: as read. The volume takes its array over.
        landmarks: named points, RAS mm [3].
        check_hu: what to do when the numbers do not look like HU: ``"refuse"``, ``"warn"``, or ``"off"``.

    Example:
        >>> from deepdrr.resources import resource_path
        >>> ct = Volume.from_nifti(resource_path("data/ct/pelvis.nii.gz"))
        >>> ct.shape
        (314, 268, 80)
    """

    def __init__(
        self,
        scan: Scan,
        *,
        landmarks: Mapping[str, ArrayLike] | None = None,
        check_hu: CheckHU = "refuse",
    ) -> None:
        shape = _shape(scan.hu)
        super().__init__(shape, scan.anatomical_from_ijk, landmarks or {})
        checked = checked_scan(scan, check_hu)
        self._hu = torch.from_numpy(checked.hu)
        self._source = checked.source
        self._labels: Tensor | None = None
        self._label_names: dict[int, str] = {}

    @property
    def hu(self) -> Tensor:
        """Hounsfield units, float32 [I, J, K] on the CPU."""
        return self._hu

    @property
    def labels(self) -> Tensor | None:
        """Label of each voxel, uint8 or int16 [I, J, K], 0 for background; None if there are none."""
        return self._labels

    @property
    def label_names(self) -> dict[int, str]:
        """Names of labels."""
        return dict(self._label_names)

    @property
    def source(self) -> Source:
        """Where the scan came from."""
        return self._source

    @classmethod
    def from_nifti(
        cls,
        path: str | os.PathLike[str],
        *,
        landmarks: Mapping[str, ArrayLike] | None = None,
        anatomical_from_ijk: ArrayLike | None = None,
        check_hu: CheckHU = "refuse",
    ) -> Self:
        """Read a NIfTI file; see `read_nifti` for what is accepted."""
        scan = read_nifti(path, anatomical_from_ijk=anatomical_from_ijk)
        return cls(scan, landmarks=landmarks, check_hu=check_hu)

    @classmethod
    def from_array(
        cls,
        hu: Tensor | NDArray[np.generic],
        anatomical_from_ijk: ArrayLike,
        *,
        landmarks: Mapping[str, ArrayLike] | None = None,
        check_hu: CheckHU = "refuse",
        source: Source | None = None,
    ) -> Self:
        """A volume from numbers in memory, which are copied.

        Args:
            hu: Hounsfield units [I, J, K], integer or floating.
            anatomical_from_ijk: affine from voxel centres (integers) to RAS mm, [4, 4].
            landmarks: named points, RAS mm [3].
            check_hu: see `Volume`.
            source: what to remember of the origin.
        """
        return cls(
            Scan(_array(hu), torch.as_tensor(anatomical_from_ijk, dtype=torch.float64), source or Source()),
            landmarks=landmarks,
            check_hu=check_hu,
        )


def _shape(hu: NDArray[np.float32]) -> tuple[int, int, int]:
    if hu.ndim != 3 or 0 in hu.shape:
        raise ValueError(f"hu must be a 3-D array with at least one voxel, got shape {hu.shape}")
    return hu.shape[0], hu.shape[1], hu.shape[2]


def _array(hu: Tensor | NDArray[np.generic]) -> NDArray[np.float32]:
    values = hu.detach().cpu().numpy() if isinstance(hu, Tensor) else np.asarray(hu)
    if values.dtype.kind not in "iuf":
        raise TypeError(f"hu must be an array of integers or floats, got dtype {values.dtype}")
    return np.array(values, dtype=np.float32, order="C")
