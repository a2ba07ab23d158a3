"""`Volume`: a CT scan in Hounsfield units that can be placed in the room."""

import os
from typing import TYPE_CHECKING, Any, Self, TypedDict, Unpack

from numpy.typing import NDArray
from torch import Tensor

from deepdrr.data._checks import CheckHU, float32_array
from deepdrr.data._doubts import Assume
from deepdrr.data._labeled_grid import LabeledGrid
from deepdrr.data._labels import Labels
from deepdrr.data._scan import Scan, Source
from deepdrr.data._sidecars import LabelNames, Landmarks
from deepdrr.data.readers._files import format_of, read_grid
from deepdrr.data.readers._nifti import read_nifti
from deepdrr.data.readers._nifti_affine import Use
from deepdrr.geometry import ArrayLike, check_affine

if TYPE_CHECKING:
    from deepdrr.data.dicom._read import Repair  # it loads pydicom

__all__ = ["Options", "Volume"]

FilePath = str | os.PathLike[str]
Series = str | int | None


class Options(TypedDict, total=False):
    """The arguments that all constructors share, see `Volume`."""

    labels: Labels | None
    label_names: LabelNames | None
    landmarks: Landmarks | None
    check_hu: CheckHU
    assume: Assume | None


class Volume(LabeledGrid):
    """A CT scan on its grid, with labels and landmarks, placed in the room.

    Voxels, grid, labels and landmarks stay as they are; only the placement, `world_from_anatomical`, moves. A volume
    starts with the patient's frame on the room's. The constructors `from_file`, `from_nifti`, `from_dicom`,
    `from_nrrd` and `from_array` share the arguments below. Values at or below −1500 HU, which scanners write outside
    the field of view, become air (−1000) and are counted in `source.padding_voxels`.

    Args:
        scan: as read. The volume takes its array over.
        labels: labels of the same patient: an array on the CT's grid; or, on any grid, a `LabelMap`, a file (NIfTI,
            NRRD, MetaImage, 3D Slicer's .seg.nrrd, DICOM SEG), or a mask for each structure: a folder of files
            named after them, as TotalSegmentator writes, or a mapping from names to masks. Labels are whole numbers,
            or within a tenth of one. Where masks overlap the later one has the voxel, with a warning.
        label_names: label → name, or a CSV file with the columns id and name; without it the names that come with the
            labels. It chooses the labels of masks of these names; other masks are numbered in order.
        landmarks: name → RAS mm, `Annotations`, or a file of points, lines, curves, planes and boxes: 3D Slicer's
            .mrk.json or .fcsv, or a .json or .csv written by `save`. A file that lies far outside the CT is refused.
        check_hu: what to do when the numbers do not look like Hounsfield units: `"refuse"`, `"warn"` or `"off"`.
        assume: what voxels in doubt are: `"air"`, or `"tissue"`, what their numbers say. In doubt are blocks of one
            value denser than air at the border, as tools fill in that resample, and padding of DICOM whose value is
            also tissue. None warns, and takes padding for air only where it is connected with the border.

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

    # -- constructors ------------------------------------------------------------------------------------------------

    @classmethod
    def from_file(
        cls,
        path: FilePath,
        *,
        series: str | int | None = None,
        repair: "Repair | None" = None,
        use: Use | None = None,
        **options: Unpack[Options],
    ) -> Self:
        """Read a CT of any kind: chosen by the suffix, else by the first bytes; a folder is DICOM.

        Args:
            path: file or folder.
            series, repair: for DICOM, see `from_dicom`.
            use: for NIfTI, see `from_nifti`.
            options: `labels`, `label_names`, `landmarks`, `check_hu`, `assume` as in `Volume`.
        """
        kind = format_of(path)
        if use is not None and kind != "nifti":
            raise ValueError(f"use is for NIfTI, got {use!r} for '{path}'")
        if kind == "dicom":
            return cls.from_dicom(path, series=series, repair=repair, **options)
        for name, value in (("series", series), ("repair", repair)):
            if value is not None:
                raise ValueError(f"{name} is for DICOM, got {value!r} for the file '{path}'")
        return cls.from_nifti(path, use=use, **options) if kind == "nifti" else cls.from_nrrd(path, **options)

    @classmethod
    def from_nifti(
        cls,
        path: FilePath,
        *,
        labels: Labels | None = None,
        label_names: LabelNames | None = None,
        landmarks: Landmarks | None = None,
        anatomical_from_ijk: ArrayLike | None = None,
        use: Use | None = None,
        check_hu: CheckHU = "refuse",
        assume: Assume | None = None,
    ) -> Self:
        """Read a NIfTI file (.nii, .nii.gz, .hdr/.img) holding one 3-D scalar image.

        Args:
            path: the file.
            labels, label_names, landmarks, check_hu, assume: see `Volume`.
            anatomical_from_ijk: affine to RAS mm [4, 4] for a file that has none (sform and qform code 0).
            use: which is right, `"sform"`, `"qform"` or `"pixdim"`, where the header contradicts itself. None takes the
                sform, else the qform, and warns.
        """
        scan = read_nifti(path, anatomical_from_ijk=anatomical_from_ijk, use=use)
        given = Options(labels=labels, label_names=label_names, landmarks=landmarks, check_hu=check_hu, assume=assume)
        return cls(scan, **given)

    @classmethod
    def from_nrrd(
        cls, path: FilePath, *, anatomical_from_ijk: ArrayLike | None = None, **options: Unpack[Options]
    ) -> Self:
        """Read a NRRD or MetaImage file (.nrrd, .nhdr, .mha, .mhd).

        Args:
            path: the file.
            anatomical_from_ijk: affine to RAS mm [4, 4] for a file that does not state where it lies.
            options: `labels`, `label_names`, `landmarks`, `check_hu`, `assume` as in `Volume`.
        """
        if format_of(path) not in ("nrrd", "mha"):
            raise ValueError(f"path must end in .nrrd, .nhdr, .mha or .mhd, got '{path}'")
        return cls(read_grid(path, anatomical_from_ijk=anatomical_from_ijk), **options)

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
            options: `labels`, `label_names`, `landmarks`, `check_hu`, `assume` as in `Volume`.
        """
        from deepdrr.data.dicom._read import read_dicom

        return cls(read_dicom(path, series=series, repair=repair, assume=options.get("assume")), **options)

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
        assume: Assume | None = None,
        source: Source | None = None,
    ) -> Self:
        """Make a volume from numbers in memory, which are copied.

        Args:
            hu: Hounsfield units [I, J, K], integer or floating.
            anatomical_from_ijk: affine from voxel centres (integers) to RAS mm, [4, 4].
            labels, label_names, landmarks, check_hu, assume: see `Volume`.
            source: what to remember of the origin.

        Example:
            >>> import torch
            >>> water = torch.zeros(64, 64, 40)
            >>> Volume.from_array(water, torch.diag(torch.tensor([2.0, 2, 3, 1])), check_hu="off").shape
            (64, 64, 40)
        """
        affine = check_affine(anatomical_from_ijk, "anatomical_from_ijk")
        scan = Scan(float32_array(hu), affine, source or Source())
        given = Options(labels=labels, label_names=label_names, landmarks=landmarks, check_hu=check_hu, assume=assume)
        return cls(scan, **given)
