"""Bytes of a file as they were before they were packed, with every checksum on the way compared."""

import bz2
import io
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

__all__ = ["Packing", "Part", "check_claim", "open_part", "skip_bytes"]

Packing = Literal["raw", "deflate", "bzip2"]
"""`"deflate"` is a gzip or a zlib stream, which its first bytes tell apart."""

_CHUNK = 2**18
# RFC 1951: a match of 258 bytes takes two bits at the least; zlib's authors state 1032 : 1 for whole streams.
_MOST_DEFLATED = 1032
# zlib's manual: 15 bits of window, + 32 to take gzip and zlib streams alike.
_GZIP_OR_ZLIB = 15 + 32


@dataclass(frozen=True)
class Part:
    """Where bytes lie.

    Attributes:
        file: the file.
        offset: the first byte.
        packing: how they are packed.
        skip: how many bytes to leave out at the beginning, once they are unpacked.
    """

    file: Path
    offset: int = 0
    packing: Packing = "raw"
    skip: int = 0


def check_claim(part: Part, count: int, what: str) -> None:
    """Refuse a claim of more bytes than the file can hold, before room for them is made.

    Args:
        part: where the bytes lie.
        count: how many there are, unpacked.
        what: the file's name, for the error.

    Raises:
        ValueError: if there cannot be so many.
    """
    length = part.file.stat().st_size
    begin = part.offset + part.skip if part.packing == "raw" else part.offset
    there = max(0, length - begin)
    most = {"raw": there, "deflate": there * _MOST_DEFLATED}.get(part.packing)
    if not there or (most is not None and count > most):
        packed = "" if part.packing == "raw" else "compressed "
        raise ValueError(
            f"{what} is truncated or damaged: its voxels take {count} bytes by its header, "
            f"but the file holds {there} {packed}bytes of them"
        )


def open_part(part: Part) -> BinaryIO:
    """The bytes as a stream. Reading it to its end raises an error where a checksum does not fit.

    Raises:
        ValueError: while reading: the sentence names the file.
    """
    packed = part.file.open("rb")
    packed.seek(part.offset)
    if part.packing == "raw":
        packed.seek(part.skip, io.SEEK_CUR)
        return packed
    stream = io.BufferedReader(_Unpacked(packed, part), _CHUNK)
    skip_bytes(stream, part.skip)
    return stream


def skip_bytes(stream: BinaryIO, count: int) -> None:
    """Read on, to the end at most."""
    while count > 0:
        found = len(stream.read(min(count, _CHUNK)))
        if not found:
            return
        count -= found


class _Unpacked(io.RawIOBase):
    """A packed stream, or several behind each other as gzip and bzip2 allow."""

    def __init__(self, packed: BinaryIO, part: Part) -> None:
        self._packed, self._part = packed, part
        self._input = b""
        self._new()

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self._packed.close()
        super().close()

    def readinto(self, buffer: Any, /) -> int:
        view = memoryview(buffer)
        while True:
            if self._decoder.eof and not self._begin_next():
                return 0
            if not self._input and self._is_hungry:
                self._input = self._packed.read(_CHUNK)
                if not self._input:
                    raise ValueError(f"'{self._part.file}' is truncated: its compressed data do not end")
            found = self._decode(len(view))
            if found:
                view[: len(found)] = found
                return len(found)

    def _new(self) -> None:
        self._decoder = bz2.BZ2Decompressor() if self._part.packing == "bzip2" else zlib.decompressobj(_GZIP_OR_ZLIB)

    @property
    def _is_hungry(self) -> bool:
        return not isinstance(self._decoder, bz2.BZ2Decompressor) or self._decoder.needs_input

    def _decode(self, most: int) -> bytes:
        try:
            found = self._decoder.decompress(self._input, most)
        except (zlib.error, OSError) as error:  # bz2 raises OSError
            raise ValueError(
                f"'{self._part.file}' is damaged: its compressed data cannot be unpacked or differ from their checksum"
            ) from error
        self._input = b"" if isinstance(self._decoder, bz2.BZ2Decompressor) else self._decoder.unconsumed_tail
        return found

    def _begin_next(self) -> bool:
        """Begin another stream if one follows; zeros that fill a block are none."""
        rest = (self._decoder.unused_data or self._packed.read(_CHUNK)).lstrip(b"\0")
        while not rest:
            more = self._packed.read(_CHUNK)
            if not more:
                return False
            rest = more.lstrip(b"\0")
        self._new()
        self._input = rest
        return True
