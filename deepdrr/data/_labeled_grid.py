"""`LabeledGrid`: what a `Volume` holds and what can be made of it, however it was read."""

import copy
import os
from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor

from deepdrr._arguments import checked_device
from deepdrr.data._checks import CheckHU, checked_scan
from deepdrr.data._describe import describe
from deepdrr.data._doubts import Assume
from deepdrr.data._labels import Labels, labels_on_grid, warn_if_in_air
from deepdrr.data._placement import PlacedGrid
from deepdrr.data._regrid import as_spacing, crop_box, cropped_affine, resample_linear, resample_nearest, resampled_grid
from deepdrr.data._scan import Scan, Source
from deepdrr.data._sidecars import LabelNames, Landmarks, load_label_names, load_landmarks
from deepdrr.data._write import check_name, save_labels, write_nifti
from deepdrr.data.markups._annotations import check_near
from deepdrr.data.markups._files import write_annotations
from deepdrr.geometry import ArrayLike

__all__ = ["LabeledGrid"]

FilePath = str | os.PathLike[str]
Index = tuple[int, int, int]


class LabeledGrid(PlacedGrid):
    """Hounsfield units and labels on a placed grid; see `Volume` for the arguments."""

    def __init__(
        self,
        scan: Scan,
        *,
        labels: Labels | None = None,
        label_names: LabelNames | None = None,
        landmarks: Landmarks | None = None,
        check_hu: CheckHU = "refuse",
        assume: Assume | None = None,
    ) -> None:
        if scan.hu.ndim != 3 or 0 in scan.hu.shape:
            raise ValueError(f"hu must be a 3-D array with at least one voxel, got shape {scan.hu.shape}")
        marks = load_landmarks(landmarks)
        super().__init__(scan.hu.shape, scan.anatomical_from_ijk, marks)
        if isinstance(landmarks, str | os.PathLike):
            check_near(marks, self.shape, self.anatomical_from_ijk, f"landmarks of '{landmarks}'")
        if label_names is not None and labels is None:
            raise ValueError("label_names needs labels, but labels is None")
        self._label_names = load_label_names(label_names or {})
        checked = checked_scan(scan, check_hu, assume)
        self._hu = torch.from_numpy(checked.hu)
        self._source = checked.source
        self._labels: Tensor | None = None
        if labels is not None:
            given = self._label_names
            self._labels, self._label_names = labels_on_grid(labels, self.shape, self.anatomical_from_ijk, given)
            warn_if_in_air(self._labels, self._hu)

    # -- what it holds -----------------------------------------------------------------------------------------------

    @property
    def hu(self) -> Tensor:
        """Hounsfield units, float32 [I, J, K]."""
        return self._hu

    @property
    def labels(self) -> Tensor | None:
        """Label of each voxel, uint8, int16 or int32 [I, J, K], 0 for background; None if there are none."""
        return self._labels

    @property
    def label_names(self) -> dict[int, str]:
        """Names of labels."""
        return dict(self._label_names)

    @property
    def device(self) -> torch.device:
        """Where the voxels and the labels live."""
        return self._hu.device

    @property
    def source(self) -> Source:
        """Where the scan came from."""
        return self._source

    def __repr__(self) -> str:
        return f"Volume({describe(self, self._hu, self._labels, self._label_names)})"

    # -- other labels, another device --------------------------------------------------------------------------------

    def with_labels(self, labels: Labels, names: LabelNames | None = None) -> Self:
        """A volume of the same voxels, which both share, in the same place with another label map.

        Args:
            labels: label map of the same patient, as in `Volume`.
            names: label → name, or a CSV file with the columns id and name; the names of the old map are not kept.

        Raises:
            OSError: if a file cannot be read.
            ValueError: if the labels are not whole numbers from 0, of another size, or nowhere on the CT.

        Warns:
            UserWarning: if most of what is labelled is air in the CT.

        Example:
            >>> from deepdrr import Volume
            >>> from deepdrr.resources import resource_path
            >>> ct = Volume.from_nifti(resource_path("data/ct/pelvis.nii.gz"))
            >>> bone = ct.with_labels(ct.hu > 300, names={1: "bone"})
            >>> bone.label_names, ct.labels is None
            ({1: 'bone'}, True)
        """
        given = load_label_names(names or {})
        found, known = labels_on_grid(labels, self.shape, self.anatomical_from_ijk, given)
        found = found.to(self.device)
        warn_if_in_air(found, self._hu)
        made = copy.copy(self)
        made._labels, made._label_names = found, known
        return made

    def to(self, device: torch.device | str) -> Self:
        """The same volume with voxels and labels on a device; itself where they are there already.

        Placement, affines and landmarks stay float64 on the CPU.

        Raises:
            ValueError: for a device that torch cannot use here.
        """
        place = checked_device(device)
        target = self._hu.to(place)
        if target is self._hu:
            return self
        made = copy.copy(self)
        made._hu, made._labels = target, None if self._labels is None else self._labels.to(place)
        return made

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
            landmarks: .mrk.json or .json for points and all else that is marked; .fcsv or .csv, see
                `deepdrr.annotations.write_annotations`.

        Raises:
            ValueError: if a suffix is wrong, or the volume has no labels to save.
            OSError: if a file cannot be written.
        """
        check_name(path, "path", ".nii", ".nii.gz")
        if labels is not None:
            if self._labels is None:
                raise ValueError(f"labels cannot be saved to '{labels}': the volume has none")
            save_labels(labels, self._labels, self._label_names, self.anatomical_from_ijk)
        if landmarks is not None:
            write_annotations(check_name(landmarks, "landmarks", ".json", ".fcsv", ".csv"), self.annotations)
        write_nifti(path, self._hu, self.anatomical_from_ijk)

    def _with(self, hu: Tensor, anatomical_from_ijk: Tensor, labels: Tensor | None) -> Self:
        """The same patient in the same place on another grid."""
        scan = Scan(hu.cpu().numpy(), anatomical_from_ijk, self._source)
        made = type(self)(scan, landmarks=self.annotations, check_hu="off")
        made._labels = None if labels is None else labels.cpu().contiguous().clone()
        made._label_names = self.label_names
        made.world_from_anatomical = self.world_from_anatomical
        return made.to(self.device)
