"""Segmentations of 3D Slicer (.seg.nrrd): named segments, in one or several layers of labels.

The keys, as 3D Slicer's developer guide describes them (Segmentations): `SegmentN_Name`, `SegmentN_LabelValue` and
`SegmentN_Layer`, with the layers along the first, fastest axis of the file.
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from deepdrr._door import check_file
from deepdrr.data.readers._header_text import Field, one_volume
from deepdrr.data.readers._nrrd import NrrdHeader, affine_of_nrrd, read_nrrd_header, stored_voxels

__all__ = ["Segment", "Segmentation", "read_seg_nrrd"]

_SEGMENT = re.compile(r"Segment(\d+)_(Name|LabelValue|Layer)")
# Fields with a word or a vector for each axis.
_PER_AXIS = ("kinds", "labels", "units", "centers", "spacings", "thicknesses", "axis mins", "axis maxs")


@dataclass(frozen=True)
class Segment:
    """One structure: the voxels of a layer that have its label."""

    name: str
    layer: int
    label: int


@dataclass(frozen=True, eq=False)
class Segmentation:
    """The layers of a file.

    Attributes:
        layers: labels [L, I, J, K].
        anatomical_from_ijk: affine to RAS mm [4, 4].
        segments: what the layers hold, as the file names it; empty if it names nothing.
    """

    layers: NDArray[Any]
    anatomical_from_ijk: Tensor
    segments: tuple[Segment, ...]


def read_seg_nrrd(file: Path) -> Segmentation:
    """Read a .nrrd or .nhdr file of labels, of one layer or of several.

    Raises:
        OSError: if it cannot be read.
        ValueError: if it is damaged, or has other axes than a volume and layers.
    """
    header = read_nrrd_header(check_file(file))
    sizes = header.sizes()
    count = sizes[0] if len(sizes) == 4 else 1
    volume = _one_layer(header) if len(sizes) == 4 else header
    i, j, k = one_volume(volume.sizes(), file)
    affine = affine_of_nrrd(volume, None)
    stored = stored_voxels(header, (count * i, j, k)).reshape(i, count, j, k)
    return Segmentation(np.moveaxis(stored, 1, 0), affine, _segments(header, count))


def _one_layer(header: NrrdHeader) -> NrrdHeader:
    """The header of one layer: without the first axis, along which the layers run."""
    fields = dict(header.fields)
    fields["dimension"] = Field(header.file, "dimension", "3")
    fields["sizes"] = Field(header.file, "sizes", " ".join(header.required("sizes").text.split()[1:]))
    directions = fields.get("space directions")
    if directions is not None:
        first, _, rest = directions.text.partition(" ")
        if first.lower() != "none":
            raise directions.refused("none for the first axis, along which the layers run, and three vectors")
        fields["space directions"] = Field(header.file, "space directions", rest)
    for name in _PER_AXIS:
        if name in fields:
            fields[name] = Field(header.file, name, " ".join(fields[name].text.split()[1:]))
    return replace(header, fields=fields)


def _segments(header: NrrdHeader, count: int) -> tuple[Segment, ...]:
    found: dict[int, dict[str, str]] = {}
    for key, value in header.pairs.items():
        if match := _SEGMENT.fullmatch(key):
            found.setdefault(int(match[1]), {})[match[2]] = value
    segments = []
    for number, keys in sorted(found.items()):
        # Before these had keys (Slicer 4.10) each segment was a mask in a layer of its own.
        layer = _whole(header, f"Segment{number}_Layer", keys.get("Layer", str(number if count > 1 else 0)))
        label = _whole(header, f"Segment{number}_LabelValue", keys.get("LabelValue", "1"))
        if layer >= count:
            raise ValueError(f"'{header.file}' is damaged: segment {number} is in layer {layer} of {count}")
        segments.append(Segment(keys.get("Name", ""), layer, label))
    return tuple(segments)


def _whole(header: NrrdHeader, key: str, text: str) -> int:
    return Field(header.file, key, text).whole_numbers(1, 0)[0]
