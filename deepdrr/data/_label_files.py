"""Label maps in all their shapes: files, folders with a mask for each structure, segmentations with named segments."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deepdrr.data._label_map import LabelMap
from deepdrr.data._label_numbers import whole_labels
from deepdrr.data._layers import Layer
from deepdrr.data.readers._files import format_of, read_grid
from deepdrr.data.readers._seg_nrrd import read_seg_nrrd

__all__ = ["mask_layers", "read_labels"]

ToGrid = Callable[[LabelMap], NDArray[np.generic]]
"""Brings a label map onto the target's grid [I, J, K]."""

_SUFFIXES = (".nii.gz", ".nii", ".hdr", ".seg.nrrd", ".nrrd", ".nhdr", ".mha", ".mhd")
# A file of float32 holds whole numbers up to here without loss, and all are read as that.
_EXACT = 2**24


def read_labels(path: str | os.PathLike[str], to_grid: ToGrid) -> LabelMap | list[Layer]:
    """Read labels from a file or a folder.

    Args:
        path: a label map (NIfTI, NRRD, MetaImage); a segmentation with segments (.seg.nrrd, DICOM SEG); or a folder
            with a mask of its own for each structure, named by it, as TotalSegmentator writes, or with one DICOM SEG.
        to_grid: for masks.

    Returns:
        A label map on a grid of its own, or masks on the target's.

    Raises:
        OSError: if it cannot be read.
        ValueError: if it holds no labels.
    """
    place = Path(path)
    if place.is_dir():
        return _folder(place, to_grid)
    kind = format_of(place)
    if kind == "dicom":
        return _dicom(place, to_grid)
    if kind == "nrrd":
        return _nrrd(place, to_grid)
    scan = read_grid(place)
    return LabelMap(_exact(scan.hu, place), scan.anatomical_from_ijk)


def mask_layers(masks: Mapping[str, object], to_grid: Callable[[object], NDArray[np.generic]]) -> list[Layer]:
    """Layers of masks by name: whatever is not 0 is inside."""
    return [Layer(name, lambda mask=mask: to_grid(mask) != 0) for name, mask in masks.items()]  # type: ignore[misc]


def _folder(folder: Path, to_grid: ToGrid) -> list[Layer]:
    files = sorted(p for p in folder.iterdir() if p.is_file() and p.name.lower().endswith(_SUFFIXES))
    if not files:
        return _dicom(_only_file(folder), to_grid)
    names = [_stem(file) for file in files]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"'{folder}' must hold one mask for each structure, got several files for {twice!r}")
    return [_mask_of(file, name, to_grid) for file, name in zip(files, names, strict=True)]


def _only_file(folder: Path) -> Path:
    files = [p for p in folder.iterdir() if p.is_file() and not p.name.startswith(".")]
    if len(files) != 1:
        raise ValueError(
            f"a folder of labels must hold masks ({', '.join(_SUFFIXES)}), one for each structure, or one DICOM "
            f"segmentation; '{folder}' holds {len(files)} other files"
        )
    return files[0]


def _stem(file: Path) -> str:
    suffix = next(s for s in _SUFFIXES if file.name.lower().endswith(s))
    return file.name[: -len(suffix)]


def _mask_of(file: Path, name: str, to_grid: ToGrid) -> Layer:
    def read() -> NDArray[np.bool_]:
        scan = read_grid(file)
        values = whole_labels(scan.hu, f"the mask '{file}'")
        found = np.unique(values)
        if len(found) > 2:
            raise ValueError(
                f"'{file}' must be the mask of one structure, got labels up to {found[-1]}; "
                "give a map of several labels by its file"
            )
        return np.asarray(to_grid(LabelMap(values, scan.anatomical_from_ijk)) != 0)

    return Layer(name, read)


def _nrrd(file: Path, to_grid: ToGrid) -> LabelMap | list[Layer]:
    found = read_seg_nrrd(file)
    layers = [_exact(layer, file) for layer in found.layers]
    if len(layers) == 1:
        names = {segment.label: segment.name for segment in found.segments if segment.name}
        return LabelMap(layers[0], found.anatomical_from_ijk, names)

    def layer_of(number: int, label: int | None, name: str, own: int | None) -> Layer:
        def read() -> NDArray[np.bool_]:
            values = layers[number]
            mask = values != 0 if label is None else values == label
            return np.asarray(to_grid(LabelMap(mask, found.anatomical_from_ijk)) != 0)

        return Layer(name, read, own)

    if found.segments:
        return [layer_of(s.layer, s.label, s.name, s.label) for s in found.segments]
    return [layer_of(number, None, "", number + 1) for number in range(len(layers))]


def _dicom(file: Path, to_grid: ToGrid) -> list[Layer]:
    from deepdrr.data.dicom._segmentation import read_segmentation

    segments, affine = read_segmentation(file)
    if not segments:
        raise ValueError(f"'{file}' is a segmentation without segments")

    def layer_of(number: int, name: str, mask: NDArray[np.bool_]) -> Layer:
        return Layer(name, lambda: np.asarray(to_grid(LabelMap(mask, affine)) != 0), number)

    return [layer_of(s.number, s.name, s.mask) for s in segments]


def _exact(values: NDArray[np.float32], file: Path) -> NDArray[np.float32]:
    if values.size and float(values.max()) >= _EXACT:
        raise ValueError(
            f"labels in a file must be below {_EXACT}, '{file}' holds {float(values.max()):.0f}: "
            "give the array of integers with its affine, LabelMap(values, anatomical_from_ijk)"
        )
    return values
