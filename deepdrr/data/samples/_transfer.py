"""`transfer`: one request for a file, or for the rest of it, written to a part beside its place.

With the part lies a note of where it came from and of the server's word for that version (ETag or Last-Modified). The
next request asks for the rest (RFC 9110, Range with If-Range); a server that has another version by then, or knows no
ranges, sends all of it again.
"""

import errno
import http.client
import json
import os
import re
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO, Protocol

from deepdrr._version import __version__

__all__ = ["Interrupted", "Job", "Report", "transfer"]

Report = Callable[[int, int | None], None]  # bytes that are there, and of how many, if that is known

_CHUNK_BYTES = 1 << 18
_BUSY = (408, 425, 429, 500, 502, 503, 504)  # statuses of a server that may well answer later


class Interrupted(Exception):
    """The connection ended before the file did, or the server is busy; what has come is kept."""


@dataclass(frozen=True)
class Job:
    """One download: from where, to where, and where it lies on the way."""

    url: str
    target: Path
    timeout_s: float

    @property
    def part(self) -> Path:
        """What has come so far."""
        return self.target.with_name(f".{self.target.name}.part")

    @property
    def note(self) -> Path:
        """What that is a part of, as JSON."""
        return self.target.with_name(f".{self.target.name}.part.json")

    @property
    def received_bytes(self) -> int:
        """Size of the part."""
        return self.part.stat().st_size if self.part.exists() else 0

    @property
    def by_hand(self) -> str:
        """What to do where there is no network."""
        return f"without a network, fetch it where there is one and put it at '{self.target}'"

    def discard(self) -> None:
        """Remove what has come so far."""
        self.part.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)


@dataclass(frozen=True)
class _Note:
    """Which version of which file a part belongs to."""

    url: str = ""
    validator: str = ""
    size_bytes: int | None = None


class _Response(Protocol):
    """What urllib gives for http and for files."""

    status: int | None
    headers: http.client.HTTPMessage

    def read1(self, amount: int, /) -> bytes: ...


def transfer(job: Job, report: Report) -> None:
    """Fetch what is missing of the part; do nothing if nothing is.

    Raises:
        Interrupted: if it ended early; another call goes on from there.
        ConnectionError: if the server cannot be reached, or has no such file.
        OSError: if the part cannot be stored; nothing of it is kept then.
    """
    note = _read_note(job)
    if note.size_bytes is not None and note.size_bytes == job.received_bytes:
        return
    with _open(job, note) as response:
        start = _start_of(response, job)
        if start is None:
            job.discard()
            raise Interrupted("the server sent another range than was asked for")
        length = response.headers.get("Content-Length", "")
        size = start + int(length) if length.isdigit() else None
        with _storing(job):
            if start == 0:
                job.discard()
                _write_note(job, response, size)
            _check_space(job, size)
            with job.part.open("ab") as stream:
                _copy(response, stream, lambda count: report(start + count, size))
                os.fsync(stream.fileno())
    if size is not None and job.received_bytes < size:
        raise Interrupted(f"the connection ended after {job.received_bytes} of {size} bytes")


def _copy(response: _Response, stream: BinaryIO, count: Callable[[int], None]) -> None:
    copied = 0
    count(copied)
    while True:
        try:
            chunk = response.read1(_CHUNK_BYTES)  # what has come, so that little is lost when the line breaks
        except http.client.IncompleteRead as error:
            stream.write(error.partial)
            raise Interrupted("the connection ended early") from error
        except (OSError, http.client.HTTPException) as error:
            raise Interrupted(str(error) or type(error).__name__) from error
        if not chunk:
            return
        stream.write(chunk)
        copied += len(chunk)
        count(copied)


@contextmanager
def _open(job: Job, note: _Note) -> Iterator[_Response]:
    headers = {"User-Agent": f"deepdrr/{__version__}", "Accept-Encoding": "identity"}
    if job.received_bytes and note.validator:
        headers |= {"Range": f"bytes={job.received_bytes}-", "If-Range": note.validator}
    try:
        response = urllib.request.urlopen(urllib.request.Request(job.url, headers=headers), timeout=job.timeout_s)
    except urllib.error.HTTPError as error:
        with error:
            _refused(job, error)
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        if job.received_bytes:
            raise Interrupted(str(reason)) from error
        raise ConnectionError(f"cannot download {job.url}: {reason}; {job.by_hand}") from error
    else:
        with response:
            yield response


def _refused(job: Job, error: urllib.error.HTTPError) -> None:
    reason = f"the server says {error.code} {error.reason}"
    if error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        job.discard()  # and from the start
    elif error.code not in _BUSY:
        raise ConnectionError(f"cannot download {job.url}: {reason}; {job.by_hand}") from error
    raise Interrupted(reason) from error


def _start_of(response: _Response, job: Job) -> int | None:
    """The first byte of what the server sends: 0 for all of it; None if that does not follow what is there."""
    if response.status != HTTPStatus.PARTIAL_CONTENT:
        return 0
    sent = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return int(sent[1]) if sent and int(sent[1]) == job.received_bytes > 0 else None


def _read_note(job: Job) -> _Note:
    """The note of the part; an empty one, and so all from the start, if there is none or it is of another URL."""
    with suppress(OSError, ValueError, TypeError):
        note = _Note(**json.loads(job.note.read_text(encoding="utf-8")))
        if note.url == job.url:
            return note
    return _Note()


def _write_note(job: Job, response: _Response, size_bytes: int | None) -> None:
    tag = response.headers.get("ETag", "")
    weak = not tag or tag.startswith("W/")  # a weak tag does not promise the same bytes
    validator = response.headers.get("Last-Modified", "") if weak else tag
    note = _Note(job.url, validator, size_bytes)
    job.note.write_text(json.dumps(asdict(note)), encoding="utf-8")


def _check_space(job: Job, size_bytes: int | None) -> None:
    needed = (size_bytes or 0) - job.received_bytes
    if needed > shutil.disk_usage(job.target.parent).free:
        raise OSError(errno.ENOSPC, f"{os.strerror(errno.ENOSPC)} for another {needed} bytes")


@contextmanager
def _storing(job: Job) -> Iterator[None]:
    """A part that cannot be stored is removed, so that it does not stay in a full disk's way."""
    try:
        yield
    except OSError as error:
        with suppress(OSError):
            job.discard()
        sentence = OSError(
            f"cannot store '{job.target}': {error.strerror or error}; nothing of it was kept; another folder can be "
            "named by DEEPDRR_CACHE"
        )
        sentence.errno = error.errno
        raise sentence from error
