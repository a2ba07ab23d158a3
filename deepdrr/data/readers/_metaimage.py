"""Reading MetaImage (.mha, .mhd): a text header, and the voxels behind it or in files of their own.

The format: MetaIO's documentation, https://itk.org/Wiki/ITK/MetaIO/Documentation. ITK's reader is not used: it invents
what a header lacks, ignores units, intensity functions and checksums, and damaged headers end the process
(`docs/decisions/0016-own-readers-of-nrrd-and-metaimage.md`).
"""

import math
import os
from pathlib import Path
from typing import BinaryIO

import numpy as np
from torch import Tensor

from deepdrr._door import check_file, shown
from deepdrr.data._checks import given_affine, warn_of_size
from deepdrr.data._scan import Scan, Source
from deepdrr.data.readers._data_files import named_file, numbered_files
from deepdrr.data.readers._header_text import Field, TextHeader, check_spelling, lps_from_ijk, next_line, one_volume
from deepdrr.data.readers._text_voxels import read_text_voxels
from deepdrr.data.readers._unpack import Packing, Part
from deepdrr.data.readers._voxels import Scale, read_voxels
from deepdrr.geometry import RAS_FROM_LPS, ArrayLike, check_affine

__all__ = ["MetaHeader", "read_meta_header", "read_metaimage"]

_DIRECTIONS = ("TransformMatrix", "Rotation", "Orientation")
_ORIGINS = ("Offset", "Position", "Origin")
_ORDERS = ("BinaryDataByteOrderMSB", "ElementByteOrderMSB")
_SLOPE, _INTERCEPT = "ElementToIntensityFunctionSlope", "ElementToIntensityFunctionOffset"
# What MetaIO itself writes and knows; ITK adds fields of the user.
_KNOWN = (
    "ObjectType ObjectSubType TransformType NDims Name ID ParentID Comment Color AcquisitionDate AnatomicalOrientation "
    "CenterOfRotation DistanceUnits BinaryData CompressedData CompressedDataSize CompressionLevel DimSize HeaderSize "
    "Modality SequenceID ImagePosition ElementMin ElementMax ElementNumberOfChannels ElementNBits ElementSize "
    f"ElementSpacing ElementType ElementDataFile {_SLOPE} {_INTERCEPT} {' '.join(_DIRECTIONS + _ORIGINS + _ORDERS)}"
).split()
_TYPES = {
    "MET_CHAR": "i1",
    "MET_UCHAR": "u1",
    "MET_SHORT": "i2",
    "MET_USHORT": "u2",
    "MET_INT": "i4",
    "MET_UINT": "u4",
    "MET_LONG_LONG": "i8",
    "MET_ULONG_LONG": "u8",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}
_MM = {"": 1.0, "?": 1.0, "mm": 1.0, "millimeter": 1.0, "cm": 10.0, "centimeter": 10.0, "um": 1e-3, "µm": 1e-3}
_MM |= {"micrometer": 1e-3, "m": 1000.0, "meter": 1000.0}
_MOST_LINES = 100_000
# The metaTypes.h of MetaIO allows ten axes.
_MOST_AXES = 10
# Cosines are written with three decimals or more.
_COSINE_TOLERANCE = 1e-2


class MetaHeader(TextHeader):
    """The header of a MetaImage file; fields of the user are among its fields."""

    def first(self, *names: str) -> Field | None:
        """The field of the first name that is there.

        Raises:
            ValueError: if there are two of the names, which say the same thing.
        """
        found = [self.fields[name] for name in names if name in self.fields]
        if len(found) > 1:
            raise ValueError(f"'{self.file}' must state one of {', '.join(f.name for f in found)}, its header has both")
        return found[0] if found else None

    def flag(self, name: str, default: bool | None = None) -> bool:
        """True or False.

        Raises:
            ValueError: if it is another word, or missing where there is no default.
        """
        if name not in self.fields and default is not None:
            return default
        word = self.required(name).text.lower()
        if word not in ("true", "false", "1", "0"):
            raise self.fields[name].refused("True or False")
        return word in ("true", "1")

    def sizes(self) -> list[int]:
        """The length of each axis, the fastest first."""
        return self.lengths("NDims", "DimSize", _MOST_AXES)


def read_metaimage(path: str | os.PathLike[str], *, anatomical_from_ijk: ArrayLike | None = None) -> Scan:
    """Read a .mha or .mhd file.

    Args:
        path: the file; of a header with the voxels in files of their own, the header.
        anatomical_from_ijk: affine [4, 4] to use for a file without spacing, directions or origin; refused otherwise.

    Returns:
        The voxels, behind the intensity function of the header, and the affine to RAS mm.

    Raises:
        OSError: if a file is missing or cannot be read.
        ValueError: if it is damaged, not a 3-D scalar image, or does not say where it lies.
        MemoryError: if it does not fit into memory.
    """
    file = check_file(path)
    header = read_meta_header(file)
    shape = one_volume(header.sizes(), file)
    affine = _affine(header, anatomical_from_ijk)
    dtype, scale, parts = _dtype(header), _scale(header), _parts(header)
    if header.flag("BinaryData"):
        voxels = read_voxels(parts, shape, dtype, file, scale)
    else:
        voxels = read_text_voxels(parts, shape, dtype, file, "ascii", scale)
    warn_of_size(shape, affine, file)
    return Scan(voxels, affine, Source(str(path), "mha"))


def read_meta_header(file: Path) -> MetaHeader:
    """Read the header of a file that `check_file` has let through.

    Raises:
        ValueError: if it is none, or holds a field twice.
    """
    fields: dict[str, Field] = {}
    with file.open("rb") as stream:
        for _ in range(_MOST_LINES):
            line = next_line(stream, file)
            if line is None:
                break
            name, equals, value = (word.strip() for word in line.partition("="))
            if not equals or not name.isprintable() or not name:
                raise ValueError(
                    f"'{file}' is damaged or not what its suffix says: its header has the line {shown(line)}"
                )
            if name in fields:
                raise ValueError(f"'{file}' must state {name} once, its header has it twice")
            if name not in _KNOWN:
                check_spelling(name, _KNOWN, file)
            fields[name] = Field(file, name, value)
            if name == "ElementDataFile":
                names = _rest(stream, file) if value.split()[:1] == ["LIST"] else ()
                return MetaHeader(file, fields, stream.tell(), names)
    raise ValueError(f"'{file}' is damaged: its header has no ElementDataFile, with which it must end")


def _rest(stream: BinaryIO, file: Path) -> tuple[str, ...]:
    lines = [next_line(stream, file) for _ in range(_MOST_LINES)]
    return tuple(line.strip() for line in lines if line and line.strip())


def _affine(header: MetaHeader, given: ArrayLike | None) -> Tensor:
    directions, origin = header.first(*_DIRECTIONS), header.first(*_ORIGINS)
    spacing = header.fields.get("ElementSpacing")
    found = {"ElementSpacing": spacing, _DIRECTIONS[0]: directions, _ORIGINS[0]: origin}
    lack = next((f"no {name}" for name, field in found.items() if field is None), "")
    callers = given_affine(given, header.file, lack)
    if callers is not None or spacing is None or directions is None or origin is None:
        assert callers is not None  # given_affine refuses the lack of both
        return callers
    count, mm = len(header.sizes()), _millimetres(header)
    steps = spacing.numbers(count)
    if min(steps) <= 0.0:
        raise spacing.refused("lengths above 0")
    cosines = np.reshape(directions.numbers(count * count), (count, count))[:3, :3]
    if np.abs(np.linalg.norm(cosines, axis=1) - 1.0).max() > _COSINE_TOLERANCE:
        raise directions.refused("the unit vectors of the axes")
    columns = (cosines * np.reshape(steps[:3], (3, 1)) * mm).tolist()
    affine = lps_from_ijk(columns, [mm * v for v in origin.numbers(count)[:3]])
    return check_affine(RAS_FROM_LPS @ affine, f"the affine of '{header.file}'")


def _millimetres(header: MetaHeader) -> float:
    stated = header.fields.get("DistanceUnits")
    if stated is None:
        return 1.0
    if stated.text.lower() not in _MM:
        raise stated.refused(", ".join(name for name in _MM if name))
    return _MM[stated.text.lower()]


def _dtype(header: MetaHeader) -> np.dtype[np.generic]:
    stated, channels = header.required("ElementType"), header.fields.get("ElementNumberOfChannels")
    if channels is not None and channels.whole_numbers(1, 1) != [1]:
        raise ValueError(f"'{header.file}' must hold CT numbers, got {channels.text} values in each voxel")
    if stated.text not in _TYPES:
        raise stated.refused(", ".join(_TYPES))
    order = header.first(*_ORDERS)
    is_big = order is not None and header.flag(order.name)
    return np.dtype((">" if is_big else "<") + _TYPES[stated.text])


def _scale(header: MetaHeader) -> Scale:
    """The intensity function, intensity = slope · stored + offset."""
    slope, intercept = header.fields.get(_SLOPE), header.fields.get(_INTERCEPT)
    factor = 1.0 if slope is None else slope.numbers(1)[0]
    if slope is not None and factor == 0.0:
        raise slope.refused("a number other than 0")
    return factor, 0.0 if intercept is None else intercept.numbers(1)[0]


def _parts(header: MetaHeader) -> list[Part]:
    stated = header.required("ElementDataFile")
    packing: Packing = "deflate" if header.flag("CompressedData", False) else "raw"
    skip = header.fields["HeaderSize"].whole_numbers(1, -1)[0] if "HeaderSize" in header.fields else 0
    if stated.text.upper() == "LOCAL":
        if skip:
            raise header.fields["HeaderSize"].refused("0 where the voxels follow the header")
        _check_packed_size(header, header.file.stat().st_size - header.end)
        return [Part(header.file, header.end, packing)]
    if packing != "raw" and skip:
        raise header.fields["HeaderSize"].refused("0 where the voxels are compressed")
    files = _files(header, stated)
    if len(files) == 1:
        _check_packed_size(header, files[0].stat().st_size)
    count = math.prod(header.sizes()) // len(files) * _dtype(header).itemsize
    return [Part(file, file.stat().st_size - count if skip < 0 else skip, packing) for file in files]


def _files(header: MetaHeader, stated: Field) -> list[Path]:
    words = stated.text.split()
    if words[:1] == ["LIST"]:
        if len(words) > 2 or words[1:] not in ([], ["2"], ["2D"]) or not header.data_files:
            raise stated.refused("LIST with a file for each slice below it")
        return [named_file(stated, name) for name in header.data_files]
    if len(words) == 4 and "%" in words[0]:
        return numbered_files(stated, words[0], " ".join(words[1:]))
    return [named_file(stated, stated.text)]


def _check_packed_size(header: MetaHeader, there: int) -> None:
    stated = header.fields.get("CompressedDataSize")
    if stated is not None and header.flag("CompressedData", False) and stated.whole_numbers(1, 0) != [there]:
        raise ValueError(
            f"'{header.file}' is truncated or damaged: it states {stated.text} compressed bytes, there are {there}"
        )
