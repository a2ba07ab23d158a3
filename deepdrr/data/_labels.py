"""Label maps: read, checked, brought onto the grid of the CT."""

import os
import warnings
from collections.abc import Mapping
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from deepdrr.data._label_files import mask_layers, read_labels
from deepdrr.data._label_grid import check_overlap, moved_labels, warn_if_elsewhere
from deepdrr.data._label_map import LabelMap
from deepdrr.data._label_numbers import as_array, whole_labels
from deepdrr.data._layers import merged_layers
from deepdrr.geometry import check_affine

__all__ = ["LabelMap", "Labels", "labels_on_grid", "warn_if_in_air"]

Shape = tuple[int, int, int]
Array = NDArray[Any]

# Tissue of a patient is above −950 HU, lung included (about −850); what surrounds the patient is below.
_AIR_BELOW_HU = -950.0
_ELSEWHERE = "none of the labels lies on the CT; is the label map that of another patient?"

OneMap = str | os.PathLike[str] | Tensor | Array | LabelMap
Labels = OneMap | Mapping[str, OneMap]
"""A file or folder (see `Volume`), an array on the CT's grid, an array with its own grid, or a mask for each name."""


def labels_on_grid(
    labels: Labels, shape: Shape, anatomical_from_ijk: Tensor, names: Mapping[int, str] | None = None
) -> tuple[Tensor, dict[int, str]]:
    """Bring labels onto a grid by the nearest voxel.

    Args:
        labels: a file, a folder of masks, a `LabelMap`, masks by name, all on any grid; or an array of the CT's shape.
        shape: the grid's size.
        anatomical_from_ijk: the grid's affine.
        names: label → name, as given by the caller, which choose the labels of named masks.

    Returns:
        uint8 [I, J, K], int16 if there are labels above 255, int32 above 32767; and the names: those
        that come with the labels, and the caller's.

    Raises:
        TypeError: if the labels are not numbers.
        ValueError: if they are not whole numbers from 0, of another size without a grid, or nowhere on the CT.
    """

    def moved(given: LabelMap) -> Array:
        values, affine = _checked(given)
        return moved_labels(values, affine, shape, anatomical_from_ijk)

    def mask(given: object) -> Array:
        if isinstance(given, str | os.PathLike):
            given = read_labels(given, moved)
        if isinstance(given, list):
            raise ValueError(f"a mask must be one structure, got {len(given)} of them")
        return moved(given) if isinstance(given, LabelMap) else _on_the_grid(given, shape)

    wanted = dict(names or {})
    found = read_labels(labels, moved) if isinstance(labels, str | os.PathLike) else labels
    if isinstance(found, Mapping):
        found = mask_layers(found, mask)
    if isinstance(found, list):
        merged, known = merged_layers(found, shape, wanted)
        if not merged.any():
            raise ValueError(_ELSEWHERE)
        return torch.from_numpy(whole_labels(merged)), {**known, **wanted}
    if not isinstance(found, LabelMap):
        return torch.from_numpy(_on_the_grid(found, shape)), wanted
    values, affine = _checked(found)
    check_overlap(values.shape, affine, shape, anatomical_from_ijk)
    out = moved(LabelMap(values, affine))
    if values.any() and not out.any():
        raise ValueError(_ELSEWHERE)
    if values.shape == shape:
        warn_if_elsewhere(affine, anatomical_from_ijk, shape)
    return torch.from_numpy(out), {**found.names, **wanted}


def warn_if_in_air(labels: Tensor, hu: Tensor) -> None:
    """Warn when most of what is labelled is air in the CT, as with the label map of another patient."""
    labeled = labels > 0
    count = int(labeled.sum())
    in_air = int((labeled & (hu < _AIR_BELOW_HU)).sum())
    if count and in_air > 0.5 * count:
        warnings.warn(
            f"{in_air / count:.0%} of the labelled voxels are air in the CT (below {_AIR_BELOW_HU:.0f} HU): "
            "are the labels those of this patient?",
            UserWarning,
            stacklevel=2,
        )


def _checked(labels: LabelMap) -> tuple[Array, Tensor]:
    """The labels of a map, and its affine."""
    affine = check_affine(labels.anatomical_from_ijk, "the labels' anatomical_from_ijk")
    return _whole(labels.values), affine


def _on_the_grid(labels: Any, shape: Shape) -> Array:
    values = _whole(labels)
    if values.shape != shape:
        raise ValueError(
            f"labels must have the CT's shape {shape}, got {values.shape}; "
            "for a grid of its own give a file or a LabelMap with its affine"
        )
    return values


def _whole(labels: Tensor | Array) -> Array:
    values = as_array(labels)
    if values.ndim != 3 or (values.size == 0 and values.dtype.kind in "biuf"):
        raise ValueError(f"labels must be a 3-D array, got shape {values.shape}")
    return whole_labels(values)
