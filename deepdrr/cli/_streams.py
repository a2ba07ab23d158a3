"""Standard output and standard error that never stop the work: whoever has stopped listening misses the rest."""

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

__all__ = ["lenient_streams"]


class _Listener(io.RawIOBase):
    """A file descriptor; after an error, of a pipe whose reader has gone or of a full disk, nothing is written."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.error: OSError | None = None

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def write(self, data: Any, /) -> int:
        if self.error is None:
            try:
                return os.write(self._descriptor, data)
            except OSError as error:
                self.error = error
        return len(data)


@contextmanager
def lenient_streams() -> Iterator[list[str]]:
    """Replace the standard streams while the block runs; those that are no file descriptor stay.

    Signs that the encoding does not have are replaced: on Windows a pipe has few, and so has LANG=C.

    Yields:
        A list that holds, after the block, why standard output could not be written; a reader that has gone is no
        reason, it got what it wanted.
    """
    faults: list[str] = []
    before = sys.stdout, sys.stderr
    listeners = []
    for name, errors in (("stdout", "replace"), ("stderr", "backslashreplace")):
        listener, stream = _listening(getattr(sys, name), errors)
        setattr(sys, name, stream)
        listeners.append((name, listener))
    try:
        yield faults
    finally:
        for name, listener in listeners:
            getattr(sys, name).flush()
            if listener is not None and listener.error is not None and listener.error.errno != errno.EPIPE:
                faults.append(f"standard {'output' if name == 'stdout' else 'error'}: {listener.error.strerror}")
        sys.stdout, sys.stderr = before


def _listening(stream: TextIO, errors: str) -> tuple[_Listener | None, TextIO]:
    try:
        stream.flush()
        listener = _Listener(stream.fileno())
    except (OSError, ValueError, AttributeError):  # replaced by a program, or closed
        return None, stream
    writer = io.BufferedWriter(listener)
    text = io.TextIOWrapper(writer, encoding=stream.encoding, errors=errors, line_buffering=bool(stream.line_buffering))
    return listener, text
