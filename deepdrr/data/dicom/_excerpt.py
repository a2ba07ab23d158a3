"""The few elements of a DICOM file that the reader looks at, cut out before pydicom parses them: half of its time.

A scan has hundreds of files with hundreds of elements each. What is not plain here (undefined lengths, odd VRs, a
header of more than 64 kB) is left to pydicom as it is.
"""

import struct
from io import BytesIO
from typing import BinaryIO

from pydicom.datadict import tag_for_keyword
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

__all__ = ["Excerpt"]

_LONGEST_HEADER = 2**16
_PIXEL_DATA = 0x7FE00010
# PS3.5 7.1.2: VRs with two unused bytes and a length of 32 bits, and those with 16 bits.
_LONG = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
_SHORT = frozenset(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())
_EXPLICIT = struct.Struct("<HH2sH")
_IMPLICIT = struct.Struct("<HHL")
_CHARACTER_SET = 0x00080005
_POSITION = b"\x20\x00\x32\x00"  # ImagePositionPatient


class Excerpt:
    """Cuts the elements of certain keywords out of files.

    Args:
        keywords: of the elements.
    """

    def __init__(self, keywords: list[str]) -> None:
        found = {tag_for_keyword(keyword) for keyword in keywords} | {_CHARACTER_SET}
        self._tags = frozenset(tag for tag in found if tag is not None)

    def of(self, stream: BinaryIO) -> tuple[BytesIO, bytes] | None:
        """The preamble, the meta information and the elements, and `stream` at the tag of the pixels.

        Returns:
            A file in memory, and what of it is alike in the slices of a scan: the syntax and all but the position.
            None where the file is not plain.
        """
        stream.seek(0)
        start = stream.read(_LONGEST_HEADER)
        # PS3.10 7.1: a preamble, DICM, then (0002,0000) UL with the length of the meta information.
        if start[128:140] != b"DICM\x02\x00\x00\x00UL\x04\x00" or len(start) < 144:
            return None
        begin = 144 + int.from_bytes(start[140:144], "little")
        at = start.find(b"\x02\x00\x10\x00UI", 144, begin)
        size = int.from_bytes(start[at + 6 : at + 8], "little")
        syntax = start[at + 8 : at + 8 + size].rstrip(b"\0").decode("ascii", "replace") if at > 0 else ""
        if syntax not in (ExplicitVRLittleEndian, ImplicitVRLittleEndian):
            return None
        found = self._scan(start, begin, syntax == ImplicitVRLittleEndian)
        if found is None:
            return None
        parts, end = found
        stream.seek(end)
        alike = [syntax.encode(), *(part for part in parts if not part.startswith(_POSITION))]
        return BytesIO(b"".join([start[:begin], *parts])), b"".join(alike)

    def _scan(self, start: bytes, place: int, is_implicit: bool) -> tuple[list[bytes], int] | None:
        tags, explicit, implicit = self._tags, _EXPLICIT.unpack_from, _IMPLICIT.unpack_from
        parts: list[bytes] = []
        last = len(start) - 12
        while place <= last:
            if is_implicit:
                group, element, length = implicit(start, place)
                body = place + 8
            else:
                group, element, vr, length = explicit(start, place)
                body = place + 8
                if vr in _LONG:
                    body = place + 12
                    length = int.from_bytes(start[place + 8 : body], "little")
                elif vr not in _SHORT:
                    return None
            tag = group << 16 | element
            if tag >= _PIXEL_DATA:
                return (parts, place) if tag == _PIXEL_DATA else None
            if length == 0xFFFFFFFF:
                return None
            if tag in tags:
                parts.append(start[place : body + length])
            place = body + length
        return None
