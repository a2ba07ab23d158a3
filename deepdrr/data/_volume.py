"""`Volume`: a CT scan in Hounsfield units that can be placed in the room."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self, TypedDict, Unpack

import torch
from numpy.typing import NDArray
from torch import Tensor

from deepdrr.data._checks import CheckHU, checked_scan, float32_array
from deepdrr.data._describe import describe
from deepdrr.data._labels import Labels, labels_on_grid, warn_if_in_air
from deepdrr.data._placement import PlacedGrid
from deepdrr.data._regrid import as_spacing, crop_box, cropped_affine, resample_linear, resample_nearest, resampled_grid
from deepdrr.data._scan import Scan, Source
from deepdrr.data._sidecars import LabelNames, Landmarks, load_label_names, load_landmarks, save_landmarks
from deepdrr.data._write import check_name, save_labels, write_nifti
from deepdrr.data.readers._files import format_of
from deepdrr.data.readers._itk import read_itk
from deepdrr.data.readers._nifti import read_nifti
from deepdrr.geometry import ArrayLike, check_affine

if TYPE_CHECKING:
    from deepdrr.data.dicom._read import Repair  # it loads pydicom

__all__ = ["Options", "Volume"]

FilePath = str | os.PathLike[str]
Index = tuple[int, int, int]
Series = str | int | None


class Options(TypedDict, total=False):
    """The arguments that all constructors share, see `Volume`."""

    labels: Labels | None
    label_names: LabelNames | None
    landmarks: Landmarks | None
    check_hu: CheckHU


class Volume(PlacedGrid):
    """A CT scan on its grid, with labels and landmarks, placed in the room.

    Voxels, grid, labels and landmarks stay as they are; only the placement, `world_from_anatomical`, moves. A volume
    starts with the patient's frame on the room's. The constructors `from_file`, `from_nifti`, `from_dicom`,
    `from_nrrd` and `from_array` share the arguments below. Values at or below −1500 HU, which scanners write outside
    the field of view, become air (−1000) and are counted in `source.padding_voxels`.

    Args:
        scan: as read. The volume takes its array over.
        labels: label map of the same patient: a file or a `LabelMap` on any grid, or an array on the CT's.
        label_names: label → name, or a CSV file with the columns id and name.
        landmarks: name → RAS mm, or a JSON file written by `save`.
        check_hu: what to do when the numbers do not look like Hounsfield units: `"refuse"`, `"warn"` or `"off"`.

    Raises:
        OSError: if a file is missing or cannot be read.
        ValueError: if the input is no CT volume, says nothing about orientation, or does not fit together.

    Example:
        >>> from deepdrr.resources import resource_path
        >>> ct = Volume.from_nifti(resource_path("data/ct/pelvis.nii.gz"))
        >>> ct.orient_patient(head_first=True, supine=True)
        >>> ct.spacing_mm
        (1.5, 1.5, 3.0)
    """

    def __init__(
        self,
        scan: Scan,
        *,
        labels: Labels | None = None,
        label_names: LabelNames | None = None,
        landmarks: Landmarks | None = None,
        check_hu: CheckHU = "refuse",
    ) -> None:
        if scan.hu.ndim != 3 or 0 in scan.hu.shape:
            raise ValueError(f"hu must be a 3-D array with at least one voxel, got shape {scan.hu.shape}")
        super().__init__(scan.hu.shape, scan.anatomical_from_ijk, load_landmarks(landmarks or {}))
        if label_names is not None and labels is None:
            raise ValueError("label_names needs labels, but labels is None")
        self._label_names = load_label_names(label_names or {})
        checked = checked_scan(scan, check_hu)
        self._hu = torch.from_numpy(checked.hu)
        self._source = checked.source
        self._labels: Tensor | None = None
        if labels is not None:
            self._labels = labels_on_grid(labels, self.shape, self.anatomical_from_ijk)
            warn_if_in_air(self._labels, self._hu)

    # -- what it holds -----------------------------------------------------------------------------------------------

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

    def __repr__(self) -> str:
        return f"Volume({describe(self, self._hu, self._labels, self._label_names)})"

    # -- constructors ------------------------------------------------------------------------------------------------

    @classmethod
    def from_file(
        cls,
        path: FilePath,
        *,
        series: str | int | None = None,
        repair: "Repair | None" = None,
        **options: Unpack[Options],
    ) -> Self:
        """Read a CT of any kind: chosen by the suffix, else by the first bytes; a folder is DICOM.

        Args:
            path: file or folder.
            series, repair: for DICOM, see `from_dicom`.
            options: `labels`, `label_names`, `landmarks`, `check_hu` as in `Volume`.
        """
        kind = format_of(path)
        if kind == "dicom":
            return cls.from_dicom(path, series=series, repair=repair, **options)
        for name, value in (("series", series), ("repair", repair)):
            if value is not None:
                raise ValueError(f"{name} is for DICOM, got {value!r} for the file '{path}'")
        return cls.from_nifti(path, **options) if kind == "nifti" else cls.from_nrrd(path, **options)

    @classmethod
    def from_nifti(
        cls,
        path: FilePath,
        *,
        labels: Labels | None = None,
        label_names: LabelNames | None = None,
        landmarks: Landmarks | None = None,
        anatomical_from_ijk: ArrayLike | None = None,
        check_hu: CheckHU = "refuse",
    ) -> Self:
        """Read a NIfTI file (.nii, .nii.gz, .hdr/.img) holding one 3-D scalar image.

        Args:
            path: the file.
            labels, label_names, landmarks, check_hu: see `Volume`.
            anatomical_from_ijk: affine to RAS mm [4, 4] for a file that has none (sform and qform code 0).
        """
        scan = read_nifti(path, anatomical_from_ijk=anatomical_from_ijk)
        return cls(scan, labels=labels, label_names=label_names, landmarks=landmarks, check_hu=check_hu)

    @classmethod
    def from_nrrd(
        cls, path: FilePath, *, anatomical_from_ijk: ArrayLike | None = None, **options: Unpack[Options]
    ) -> Self:
        """Read a NRRD or MetaImage file (.nrrd, .nhdr, .mha, .mhd) with SimpleITK, the extra `itk`.

        Args:
            path: the file.
            anatomical_from_ijk: affine to RAS mm [4, 4] for a NRRD file without a space.
            options: `labels`, `label_names`, `landmarks`, `check_hu` as in `Volume`.
        """
        return cls(read_itk(path, anatomical_from_ijk=anatomical_from_ijk), **options)

    @classmethod
    def from_dicom(
        cls,
        path: FilePath,
        *,
        series: str | int | None = None,
        repair: "Repair | None" = None,
        **options: Unpack[Options],
    ) -> Self:
        """Read a CT series from a folder with one or several, or from one multi-frame file; see `read_dicom`.

        Args:
            path: folder or file.
            series: UID, number or description of the series, where there are several.
            repair: how to mend uneven slices or a tilted gantry, which are refused otherwise.
            options: `labels`, `label_names`, `landmarks`, `check_hu` as in `Volume`.
        """
        from deepdrr.data.dicom._read import read_dicom

        return cls(read_dicom(path, series=series, repair=repair), **options)

    @classmethod
    def from_array(
        cls,
        hu: Tensor | NDArray[Any],
        anatomical_from_ijk: ArrayLike,
        *,
        labels: Labels | None = None,
        label_names: LabelNames | None = None,
        landmarks: Landmarks | None = None,
        check_hu: CheckHU = "refuse",
        source: Source | None = None,
    ) -> Self:
        """Make a volume from numbers in memory, which are copied.

        Args:
            hu: Hounsfield units [I, J, K], integer or floating.
            anatomical_from_ijk: affine from voxel centres (integers) to RAS mm, [4, 4].
            labels, label_names, landmarks, check_hu: see `Volume`.
            source: what to remember of the origin.

        Example:
            >>> import torch
            >>> water = torch.zeros(64, 64, 40)
            >>> Volume.from_array(water, torch.diag(torch.tensor([2.0, 2, 3, 1])), check_hu="off").shape
            (64, 64, 40)
        """
        affine = check_affine(anatomical_from_ijk, "anatomical_from_ijk")
        scan = Scan(float32_array(hu), affine, source or Source())
        return cls(scan, labels=labels, label_names=label_names, landmarks=landmarks, check_hu=check_hu)

    # -- other grids, files ------------------------------------------------------------------------------------------

    def crop(
        self,
        *,
        ijk: tuple[Index, Index] | None = None,
        anatomical: tuple[ArrayLike | str, ArrayLike | str] | None = None,
        margin_mm: float = 0.0,
    ) -> Self:
        """A new volume with a part of the voxels; they stay where they are, in the patient and in the room.

        Args:
            ijk: the first voxel and the one past the last, (i, j, k) each.
            anatomical: two opposite corners of a box along the patient's axes: RAS mm [3], or names of landmarks.
            margin_mm: added to the anatomical box on all sides.

        Raises:
            ValueError: if not exactly one of the boxes is given, or it lies off the grid.
        """
        ends = None if anatomical is None else (self._point(anatomical[0]), self._point(anatomical[1]))
        box = crop_box(ijk, ends, margin_mm, self.anatomical_from_ijk).within(self.shape)
        labels = None if self._labels is None else self._labels[box.slices]
        return self._with(self._hu[box.slices].clone(), cropped_affine(self.anatomical_from_ijk, box), labels)

    def resample(self, spacing_mm: float | Sequence[float]) -> Self:
        """A new volume with other voxels about the same centre: HU linear, labels by the nearest voxel.

        On a coarser grid HU are averaged over a triangle two new voxels wide, which keeps fine detail from aliasing.
        The size is the nearest whole number of voxels; so the border may move by up to half a new voxel.

        Args:
            spacing_mm: new distance of voxel centres: one number, or one each for i, j, k.
        """
        i, j, k = as_spacing(spacing_mm)
        size, affine = resampled_grid(self.shape, self.anatomical_from_ijk, (i, j, k))
        a, b, c = self.spacing_mm
        ratio = (i / a, j / b, k / c)
        labels = None if self._labels is None else resample_nearest(self._labels, size, ratio)
        return self._with(resample_linear(self._hu, size, ratio), affine, labels)

    def save(self, path: FilePath, *, labels: FilePath | None = None, landmarks: FilePath | None = None) -> None:
        """Write the HU as NIfTI, and what else is asked for; each file whole or not at all.

        `Volume.from_nifti(path, labels=labels, label_names="….csv", landmarks=landmarks)` reads all of it again.
        The placement in the room is not part of a CT file and is not written.

        Args:
            path: .nii or .nii.gz.
            labels: .nii or .nii.gz for the label map; the names go beside it, into a .csv of the same name.
            landmarks: .json.

        Raises:
            ValueError: for another suffix, or for labels of a volume that has none.
            OSError: if a file cannot be written.
        """
        check_name(path, "path", ".nii", ".nii.gz")
        if labels is not None:
            if self._labels is None:
                raise ValueError(f"labels cannot be saved to '{labels}': the volume has none")
            save_labels(labels, self._labels, self._label_names, self.anatomical_from_ijk)
        if landmarks is not None:
            save_landmarks(check_name(landmarks, "landmarks", ".json"), self.landmarks)
        write_nifti(path, self._hu, self.anatomical_from_ijk)

    def _with(self, hu: Tensor, anatomical_from_ijk: Tensor, labels: Tensor | None) -> Self:
        """The same patient in the same place on another grid."""
        scan = Scan(hu.numpy(), anatomical_from_ijk, self._source)
        made = type(self)(scan, landmarks=self.landmarks, check_hu="off")
        made._labels = None if labels is None else labels.contiguous().clone()
        made._label_names = self.label_names
        made.world_from_anatomical = self.world_from_anatomical
        return made
