"""Files in $OUT that a full disk cannot take away: a log that says where it ends, and a page with room reserved."""

import threading
from pathlib import Path

__all__ = ["Log", "SummaryFile"]


class Log:
    """A text file to which several threads append lines; once it cannot be written, or is long, it is left as it is.

    Attributes:
        trouble: what kept it from being whole; empty if it is.
    """

    # Files that a device machine gives back may have 16 MiB.
    LONGEST = 15 * 2**20

    def __init__(self, path: Path) -> None:
        self._path, self._lock, self._length = path, threading.Lock(), 0
        self.trouble: list[str] = []
        self._attempt("w", "")

    def write(self, line: str) -> None:
        """Append a line."""
        with self._lock:
            if self.trouble:
                return
            if self._length + len(line.encode()) > self.LONGEST:
                self.trouble.append(f"{self._path.name} ends early: it is {self.LONGEST} bytes long")
                return
            self._attempt("a", line)

    def _attempt(self, mode: str, text: str) -> None:
        try:
            with self._path.open(mode, encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            self.trouble.append(f"{self._path.name} ends early: {error.strerror} ({self._path.parent})")
        self._length += len(text.encode())


class SummaryFile:
    """A page that is written again and again, into room that was taken at the start.

    Attributes:
        trouble: what kept it from being written; empty if nothing did.
    """

    ROOM = 64 * 2**10

    def __init__(self, path: Path) -> None:
        self._path = path
        self.trouble: list[str] = []
        self._attempt(b"", "wb")

    def write(self, text: str) -> None:
        """Replace the page, and keep the room."""
        self._attempt(text.encode()[: self.ROOM], "r+b")

    def close(self, text: str) -> None:
        """Replace the page, and give the rest of the room back."""
        self.write(text)
        if not self.trouble:
            with self._path.open("r+b") as file:
                file.truncate(min(self.ROOM, len(text.encode())))

    def _attempt(self, content: bytes, mode: str) -> None:
        if self.trouble:
            return
        try:
            with self._path.open(mode) as file:
                file.write(content.ljust(self.ROOM, b"\n"))
        except OSError as error:
            self.trouble.append(f"{self._path.name} could not be written: {error.strerror} ({self._path.parent})")
