"""The header of a NIfTI file, with its claims held against the file that makes them."""

import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np

from deepdrr._door import check_file
from deepdrr.data.readers._unpack import Packing, Part, open_part, skip_bytes
from deepdrr.data.readers._voxels import Scale

__all__ = ["NiftiHeader", "read_header"]

# nifti1.h and nifti2.h: sizeof_hdr, and the magic of one file and of a pair.
_MAGIC = {
    348: (344, b"n+1\0", b"ni1\0"),
    540: (4, b"n+2\0\r\n\x1a\n", b"ni2\0\r\n\x1a\n"),
}
# Extensions of a header hold text, or the DICOM header of a series: megabytes at most.
_FARTHEST = 2**28
_GZIP = b"\x1f\x8b"
_PAIR = {".hdr": ".img", ".img": ".hdr"}


@dataclass(frozen=True, eq=False)
class NiftiHeader:
    """What a header says.

    Attributes:
        fields: nibabel's header, as stored.
        shape: [I, J, K].
        dtype: how a voxel is stored.
        scale: slope and intercept, 1 and 0 for a slope that is 0, NaN or infinite.
        voxels: where they lie.
    """

    fields: Any
    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    scale: Scale
    voxels: Part


def read_header(file: Path) -> NiftiHeader:
    """Read the header of a .nii, .nii.gz, .hdr or .img file that `check_file` has let through.

    Raises:
        OSError: if one of a pair is missing.
        ValueError: if it is not NIfTI, is damaged, or not of a 3-D scalar image.
    """
    suffix = file.suffix.lower()
    is_pair = suffix in _PAIR
    head, body = _pair(file) if is_pair else (file, file)
    with open_part(Part(head, packing=_packing(head))) as stream:
        fields, endianness = _fields(stream, file, is_pair)
        least = 0 if is_pair else int(fields["sizeof_hdr"]) + 4
        offset = _offset(fields, file, least)
        if not is_pair:
            _check_extensions(stream, least, offset, endianness, file)
    shape, dtype = _shape_3d(fields, file), _dtype(fields, file)
    return NiftiHeader(fields, shape, dtype, _scale(fields, file), Part(body, 0, _packing(body), offset))


def _pair(file: Path) -> tuple[Path, Path]:
    other = _PAIR[file.suffix.lower()]
    partner = file.with_suffix(other.upper() if file.suffix.isupper() else other)
    check_file(partner)
    return (file, partner) if file.suffix.lower() == ".hdr" else (partner, file)


def _packing(file: Path) -> Packing:
    with file.open("rb") as stream:
        return "deflate" if stream.read(2) == _GZIP else "raw"


def _fields(stream: BinaryIO, file: Path, is_pair: bool) -> tuple[Any, Literal["<", ">"]]:
    import nibabel

    start = stream.read(4)
    orders: tuple[Literal["<", ">"], ...] = ("<", ">")
    found = [(o, *struct.unpack(f"{o}i", start)) for o in orders if len(start) == 4]
    endianness: Literal["<", ">"]
    endianness, size = next(((o, size) for o, size in found if size in _MAGIC), ("<", 0))
    block = start + stream.read(max(0, size - 4))
    if size not in _MAGIC or len(block) < size:
        raise ValueError(f"'{file}' is not a readable NIfTI file: its header is damaged, truncated or of another kind")
    place, *magics = _MAGIC[size]
    wanted = magics[is_pair]
    magic = block[place : place + len(wanted)]
    if magic != wanted:
        kind = "a pair of .hdr and .img" if is_pair else "one file"
        raise ValueError(
            f"'{file}' must be a NIfTI file, got a header with the mark {magic!r}, of {kind} it is {wanted!r}"
        )
    header = nibabel.Nifti1Header if size == 348 else nibabel.Nifti2Header
    fields: Any = header(block, endianness=endianness, check=False)  # type: ignore[no-untyped-call]
    return fields, endianness


def _offset(fields: Any, file: Path, least: int) -> int:
    """Where the voxels begin, vox_offset of the header: a float there, so it may be anything."""
    stated = float(fields["vox_offset"])
    if not (math.isfinite(stated) and stated == int(stated) and least <= stated <= _FARTHEST):
        raise ValueError(
            f"'{file}' is damaged: its voxels would begin at byte {stated:g} (vox_offset), "
            f"where the header ends at {least}"
        )
    return int(stated)


def _check_extensions(stream: BinaryIO, least: int, offset: int, endianness: str, file: Path) -> None:
    """Refuse voxels that would begin within an extension of the header (nifti1.h: esize, ecode, content)."""
    if not stream.read(4)[:1].strip(b"\0"):
        return
    place = least
    while place < offset:
        head = stream.read(8)
        size = struct.unpack(f"{endianness}ii", head)[0] if len(head) == 8 else 0
        if size < 8 or place + size > offset:
            raise ValueError(f"'{file}' is damaged: its voxels would begin at byte {offset}, within an extension")
        skip_bytes(stream, size - 8)
        place += size


def _shape_3d(fields: Any, file: Path) -> tuple[int, int, int]:
    count = int(fields["dim"][0])
    if not 1 <= count <= 7:
        raise ValueError(f"'{file}' is not a readable NIfTI file: it states {count} dimensions")
    shape = [int(n) for n in fields["dim"][1 : count + 1]]
    size = "×".join(map(str, shape))
    if count < 3 or any(n != 1 for n in shape[3:]):
        raise ValueError(f"'{file}' must hold one 3-D volume, got {count} dimensions {size}")
    if min(shape) <= 0:
        raise ValueError(f"'{file}' holds no voxels: its size is {size}")
    return shape[0], shape[1], shape[2]


def _dtype(fields: Any, file: Path) -> np.dtype[Any]:
    code, bits = int(fields["datatype"]), int(fields["bitpix"])
    try:
        dtype: np.dtype[Any] = fields.get_data_dtype()
    except KeyError:
        raise ValueError(f"'{file}' is not a readable NIfTI file: its datatype {code} is unknown") from None
    if dtype.fields is not None:
        raise ValueError(f"'{file}' must hold CT numbers, got colour voxels ({'/'.join(dtype.fields)})")
    if dtype.kind not in "iuf":
        raise ValueError(f"'{file}' must hold real numbers, got voxels of type {dtype}")
    if bits != 8 * dtype.itemsize:
        raise ValueError(f"'{file}' contradicts itself: voxels of type {dtype} do not take {bits} bits (bitpix)")
    return dtype


def _scale(fields: Any, file: Path) -> Scale:
    slope, intercept = float(fields["scl_slope"]), float(fields["scl_inter"])
    if slope == 0.0 or not math.isfinite(slope):
        return 1.0, 0.0
    if not math.isfinite(intercept):
        raise ValueError(f"'{file}' must have a finite intercept (scl_inter), got {intercept}")
    return slope, intercept
