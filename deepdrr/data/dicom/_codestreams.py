"""Compressed frames, looked at before a decoder of C or C++ sees them: those read on behind the end of a cut one."""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames
from pydicom.uid import UID, JPEGLSTransferSyntaxes, JPEGTransferSyntaxes
from pydicom.uid import JPEG2000TransferSyntaxes as _JPEG2000

__all__ = ["check_codestreams", "hushed"]

_END = b"\xff\xd9"
_START, _START_2000 = b"\xff\xd8", b"\xff\x4f\xff\x51"
# ITU-T T.81 table B.1, T.87: start of frame but not DHT, JPG or DAC; 0xf7 is JPEG-LS's.
_FRAMES = (*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0), 0xF7)
_LOCK = threading.Lock()
_WITHOUT_LENGTH = (0x01, *range(0xD0, 0xD8))


def check_codestreams(dataset: Dataset, syntax: UID, file: Path) -> None:
    """Refuse frames of JPEG, JPEG-LS or JPEG 2000 that are cut off, or of other sizes than the header states.

    Args:
        dataset: with the pixels.
        syntax: how they are stored.
        file: the file, for the error.

    Raises:
        ValueError: if one is.
    """
    is_2000 = syntax in _JPEG2000
    if not is_2000 and syntax not in (*JPEGTransferSyntaxes, *JPEGLSTransferSyntaxes):
        return
    stated = int(dataset.Rows), int(dataset.Columns)
    count = int(dataset.get("NumberOfFrames") or 1)
    for number, frame in enumerate(generate_frames(dataset.PixelData, number_of_frames=count), 1):
        where = f"frame {number} of '{file}' ({syntax.name})"
        if not frame.startswith(_START_2000 if is_2000 else _START) or not frame.rstrip(b"\0").endswith(_END):
            raise ValueError(f"{where} is cut off or damaged: a compressed frame ends with a mark")
        found = _size_2000(frame) if is_2000 else _size(frame)
        if found != stated:
            seen = "no size" if found is None else f"{found[0]} rows and {found[1]} columns"
            raise ValueError(f"{where} must have {stated[0]} rows and {stated[1]} columns, got {seen}")


@contextmanager
def hushed(syntax: UID) -> Iterator[None]:
    """Keep OpenJPEG from the process's standard error, to which it writes of damage that is said in a sentence."""
    if syntax not in _JPEG2000 or sys.stderr is None:
        yield
        return
    with _LOCK:
        before, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(null, 2)
            yield
        finally:
            os.dup2(before, 2)
            os.close(before)
            os.close(null)


def _size_2000(frame: bytes) -> tuple[int, int] | None:
    """Rows and columns of a JPEG 2000 frame: SIZ of ITU-T T.800 A.5.1, marker, length, capabilities, then the sizes."""
    if len(frame) < 24:
        return None
    width, height, left, top = (int.from_bytes(frame[n : n + 4], "big") for n in (8, 12, 16, 20))
    return height - top, width - left


def _size(frame: bytes) -> tuple[int, int] | None:
    """Rows and columns of a JPEG or JPEG-LS frame: the frame header of ITU-T T.81 B.2.2."""
    place = 2
    while place + 9 <= len(frame) and frame[place] == 0xFF:
        marker = frame[place + 1]
        if marker in _FRAMES:
            return int.from_bytes(frame[place + 5 : place + 7], "big"), int.from_bytes(
                frame[place + 7 : place + 9], "big"
            )
        if marker == 0xFF:  # a fill byte
            place += 1
        elif marker in _WITHOUT_LENGTH:
            place += 2
        else:
            place += 2 + max(2, int.from_bytes(frame[place + 2 : place + 4], "big"))
    return None
