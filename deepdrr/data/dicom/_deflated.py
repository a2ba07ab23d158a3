"""Deflated DICOM files, which unpack to a thousand times their length at most."""

import struct
import zlib
from pathlib import Path
from typing import BinaryIO

from deepdrr._memory import available_memory

__all__ = ["check_deflated"]

_UID = b"1.2.840.10008.1.2.1.99"  # Deflated Explicit VR Little Endian, PS3.5 A.5
_CHUNK = 2**20
# More than any file that is not deflated can hold: an element's length has 32 bits.
_MOST_BYTES = 2**32


def check_deflated(file: Path, stream: BinaryIO) -> None:
    """Refuse a deflated file that would unpack to more than fits into memory; pydicom unpacks it whole.

    Args:
        file: the file, for the error.
        stream: the file, open.

    Raises:
        ValueError: if it does.
    """
    stream.seek(0)
    start = stream.read(1024)
    # PS3.10 7.1: a preamble, DICM, then (0002,0000) UL with the length of the meta information.
    if _UID not in start or start[132:140] != b"\x02\x00\x00\x00UL\x04\x00":
        return
    stream.seek(144 + struct.unpack("<I", start[140:144])[0])
    most = min(_MOST_BYTES, (available_memory() or _MOST_BYTES) // 2)
    unpacker, count = zlib.decompressobj(-zlib.MAX_WBITS), 0
    packed = b""
    while not unpacker.eof and (packed := packed or stream.read(_CHUNK)):
        try:
            count += len(unpacker.decompress(packed, _CHUNK))
        except zlib.error as error:
            raise ValueError(f"'{file}' is a damaged DICOM file: its data cannot be unpacked") from error
        packed = unpacker.unconsumed_tail
        if count > most:
            raise ValueError(f"'{file}' must unpack to at most {most} bytes, got more")
