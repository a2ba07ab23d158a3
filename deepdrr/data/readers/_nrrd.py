"""Reading NRRD: a text header of known fields, and the voxels behind it or in files of their own.

The format: http://teem.sourceforge.net/nrrd/format.html. ITK's reader is not used: it invents what a header lacks,
ignores units, and damaged headers end the process (`docs/decisions/0016-own-readers-of-nrrd-and-metaimage.md`).
"""

import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from deepdrr._door import check_file, shown
from deepdrr.data._checks import given_affine, warn_of_size
from deepdrr.data._scan import Scan, Source
from deepdrr.data.readers._data_files import named_file, numbered_files
from deepdrr.data.readers._header_text import Field, TextHeader, next_line, one_volume
from deepdrr.data.readers._nrrd_grid import PATIENT_SPACES, affine_of
from deepdrr.data.readers._text_voxels import read_text_voxels
from deepdrr.data.readers._unpack import Packing, Part
from deepdrr.data.readers._voxels import read_voxels
from deepdrr.geometry import ArrayLike, check_affine

__all__ = ["NrrdHeader", "affine_of_nrrd", "read_nrrd", "read_nrrd_header", "stored_voxels"]

_NAMES = (
    "dimension, type, block size, encoding, endian, content, min, max, old min, old max, data file, line skip, "
    "byte skip, number, sample units, space, space dimension, space units, space origin, space directions, "
    "measurement frame, sizes, spacings, thicknesses, axis mins, axis maxs, centers, kinds, labels, units"
)
_FIELDS = _NAMES.split(", ")
_ALIASES = {
    **{name.replace(" ", ""): name for name in _FIELDS if " " in name},
    "centerings": "centers",
}
_TYPES = {
    "i1": ("signed char", "int8", "int8_t"),
    "u1": ("uchar", "unsigned char", "uint8", "uint8_t"),
    "i2": ("short", "short int", "signed short", "signed short int", "int16", "int16_t"),
    "u2": ("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"),
    "i4": ("int", "signed int", "int32", "int32_t"),
    "u4": ("uint", "unsigned int", "uint32", "uint32_t"),
    "i8": ("longlong", "long long", "long long int", "signed long long", "signed long long int", "int64", "int64_t"),
    "u8": ("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"),
    "f4": ("float",),
    "f8": ("double",),
}
_TYPE_OF = {name: code for code, names in _TYPES.items() for name in names}
_PACKINGS: dict[str, Packing] = {"raw": "raw", "gzip": "deflate", "gz": "deflate", "bzip2": "bzip2", "bz2": "bzip2"}
_TEXTS = {"txt": "ascii", "text": "ascii", "ascii": "ascii", "hex": "hex"}
_ENDIANS = {"little": "<", "big": ">"}
_MOST_LINES = 100_000
# The format allows 16 axes (NRRD_DIM_MAX).
_MOST_AXES = 16


@dataclass(frozen=True)
class NrrdHeader(TextHeader):
    """The header of a NRRD file; its fields have their names without aliases.

    Attributes:
        pairs: the key/value pairs, such as 3D Slicer's names of segments.
    """

    pairs: dict[str, str] = field(default_factory=dict)

    def sizes(self) -> list[int]:
        """The length of each axis, the fastest first."""
        return self.lengths("dimension", "sizes", _MOST_AXES)


def read_nrrd(path: str | os.PathLike[str], *, anatomical_from_ijk: ArrayLike | None = None) -> Scan:
    """Read a .nrrd or .nhdr file.

    Args:
        path: the file; of a header with the voxels in files of their own, the header.
        anatomical_from_ijk: affine [4, 4] to use for a file that names no space, directions or origin; refused
            otherwise.

    Returns:
        The voxels and the affine to RAS mm.

    Raises:
        OSError: if a file is missing or cannot be read.
        ValueError: if it is damaged, not a 3-D scalar image, or does not say where it lies.
        MemoryError: if it does not fit into memory.
    """
    file = check_file(path)
    header = read_nrrd_header(file)
    shape = one_volume(header.sizes(), file)
    affine = affine_of_nrrd(header, anatomical_from_ijk)
    voxels = stored_voxels(header, shape)
    warn_of_size(shape, affine, file)
    return Scan(voxels, affine, Source(str(path), "nrrd"))


def stored_voxels(header: NrrdHeader, shape: tuple[int, int, int]) -> NDArray[np.float32]:
    """The voxels as stored, the first axis of the file first.

    Args:
        header: the header.
        shape: the file's size; of several axes the first two may be taken as one.

    Raises:
        ValueError: if there are fewer or more, or they are damaged.
    """
    dtype, parts = _dtype(header), _parts(header)
    encoding = header.required("encoding").text.lower()
    if encoding in _TEXTS:
        return read_text_voxels(parts, shape, dtype, header.file, "hex" if _TEXTS[encoding] == "hex" else "ascii")
    return read_voxels(parts, shape, dtype, header.file)


def read_nrrd_header(file: Path) -> NrrdHeader:
    """Read the header of a file that `check_file` has let through.

    Raises:
        ValueError: if it is none, holds an unknown field, or one twice.
    """
    with file.open("rb") as stream:
        magic = next_line(stream, file) or ""
        if not magic.startswith("NRRD000") or magic[7:] not in ("1", "2", "3", "4", "5"):
            raise ValueError(f"'{file}' is damaged or not what its suffix says: it does not begin with NRRD")
        fields: dict[str, Field] = {}
        pairs: dict[str, str] = {}
        names: list[str] = []
        for _ in range(_MOST_LINES):
            line = next_line(stream, file)
            if not line:
                return NrrdHeader(file, fields, stream.tell(), tuple(names), pairs)
            if "data file" in fields and fields["data file"].text.split()[:1] == ["LIST"]:
                names.append(line)
            else:
                _take(line, file, fields, pairs)
    raise ValueError(f"'{file}' is damaged: its header has no end")


def _take(line: str, file: Path, fields: dict[str, Field], pairs: dict[str, str]) -> None:
    """Put a line of a header where it belongs; a comment goes nowhere."""
    if line.startswith("#"):
        return
    name, colon, value = line.partition(": ")
    key, equals, text = line.partition(":=")
    if equals and len(key) < len(name):
        pairs[key] = text
        return
    known = _ALIASES.get(name.lower(), name.lower())
    if not colon or known not in _FIELDS:
        raise ValueError(f"'{file}' is damaged or not what its suffix says: its header has the line {shown(line)}")
    if known in fields:
        raise ValueError(f"'{file}' must state '{known}' once, its header has it twice")
    fields[known] = Field(file, known, value.strip())


def affine_of_nrrd(header: NrrdHeader, given: ArrayLike | None) -> Tensor:
    """The affine to RAS mm: the header's, or the caller's where it has none; see `read_nrrd`."""
    space = header.fields.get("space")
    needed = ("space", "space directions", "space origin")
    lack = next((f"no '{name}' field" for name in needed if name not in header.fields), "")
    if space is not None and space.text.lower() not in PATIENT_SPACES:
        lack = f"'space' {shown(space.text)} names no patient"
    callers = given_affine(given, header.file, lack)
    return check_affine(affine_of(header), f"the affine of '{header.file}'") if callers is None else callers


def _dtype(header: NrrdHeader) -> np.dtype[np.generic]:
    stated = header.required("type")
    code = _TYPE_OF.get(stated.text.lower())
    if code is None:
        raise stated.refused("a type of real numbers, such as short or float")
    is_text = header.required("encoding").text.lower() in ("txt", "text", "ascii")
    if code.endswith("1") or is_text:
        return np.dtype(code)
    endian = header.required("endian")
    if endian.text.lower() not in _ENDIANS:
        raise endian.refused("little or big")
    return np.dtype(_ENDIANS[endian.text.lower()] + code)


def _parts(header: NrrdHeader) -> list[Part]:
    encoding = header.required("encoding")
    name = encoding.text.lower()
    if name not in _PACKINGS and name not in _TEXTS:
        raise encoding.refused(", ".join([*_PACKINGS, *_TEXTS]))
    packing = _PACKINGS.get(name, "raw")
    lines = _whole(header, "line skip", 0)
    skip = _whole(header, "byte skip", -1)
    files = _files(header)
    if files is None:
        return [_part(header.file, header.end, packing, lines, skip, header)]
    return [_part(file, 0, packing, lines, skip, header) for file in files]


def _whole(header: NrrdHeader, name: str, least: int) -> int:
    return header.fields[name].whole_numbers(1, least)[0] if name in header.fields else 0


def _files(header: NrrdHeader) -> list[Path] | None:
    """The files of the voxels, None where they follow the header."""
    stated = header.fields.get("data file")
    if stated is None:
        return None
    words = stated.text.split()
    if words[:1] == ["LIST"]:
        _check_axis(header, words[1:])
        return [named_file(stated, name) for name in header.data_files]
    if len(words) >= 4 and "%" in words[0]:
        _check_axis(header, words[4:])
        return numbered_files(stated, words[0], " ".join(words[1:4]))
    return [named_file(stated, stated.text)]


def _check_axis(header: NrrdHeader, words: list[str]) -> None:
    """Refuse files that hold anything but whole slices or the whole."""
    if words and words not in (["2"], ["3"]):
        raise header.fields["data file"].refused("files of slices")


def _part(file: Path, start: int, packing: Packing, lines: int, skip: int, header: NrrdHeader) -> Part:
    with file.open("rb") as stream:
        stream.seek(start)
        for _ in range(min(lines, _MOST_LINES)):
            if not stream.readline(2**20):
                break
        place = stream.tell()
    if skip >= 0:
        return Part(file, place, packing, skip)
    if packing != "raw":
        raise header.fields["byte skip"].refused("0 or more, unless the encoding is raw")
    sizes = header.sizes()
    return Part(file, file.stat().st_size - int(np.prod(sizes, dtype=object)) * _dtype(header).itemsize, packing)
