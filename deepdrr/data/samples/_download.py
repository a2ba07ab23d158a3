"""`download`: a file from a server, whole and verified under its name, or not at all."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from deepdrr.data.samples._cache import sha256
from deepdrr.data.samples._transfer import Interrupted, Job, Report, transfer

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Check", "download"]

Check = Callable[[Path], None]  # raises OSError for a file that is not what it should be

_SCHEMES = ("https", "http", "file")
_STALLS = 3  # attempts in a row that bring nothing new
_PAUSE_S = 0.5  # before the second of them, doubled each time


def download(
    url: str,
    target: Path,
    *,
    digest: str | None = None,
    check: Check | None = None,
    progress: bool = True,
    timeout_s: float = 30.0,
) -> Path:
    """Fetch a file that is not there yet.

    Args:
        url: `https:`, `http:` or `file:`; proxies are taken from the environment.
        target: name of the file; its folder is made.
        digest: SHA-256, hexadecimal. A file that is there and has another one is fetched again.
        check: called with the whole file before it gets its name.
        progress: show a bar on standard error.
        timeout_s: for the server to send something.

    Returns:
        `target`.

    Raises:
        ValueError: for a URL or a digest that is none.
        ConnectionError: if the server cannot be reached, has no such file or breaks off; the sentence says where to
            put the file by hand. What has come is kept for the next call.
        OSError: if the file is not what it should be, or cannot be stored; nothing of it is kept then.
    """
    if urlsplit(url).scheme not in _SCHEMES:
        raise ValueError(f"url must start with {', '.join(f'{scheme}:' for scheme in _SCHEMES)}, got {url!r}")
    if digest is not None and not re.fullmatch(r"[0-9a-fA-F]{64}", digest):
        raise ValueError(f"digest must be a SHA-256 of 64 hexadecimal digits, got {digest!r}")
    if _is_there(target, digest):
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(f"cannot make the folder '{target.parent}': {error.strerror}; set DEEPDRR_CACHE") from error
    with _locked(target, progress):
        if not _is_there(target, digest):  # another process may have fetched it meanwhile
            _fetch_verified(Job(url, target, timeout_s), digest, check, progress)
    return target


def _is_there(target: Path, digest: str | None) -> bool:
    return target.is_file() and (digest is None or sha256(target) == digest.lower())


@contextmanager
def _locked(target: Path, progress: bool) -> Iterator[None]:
    """One process at a time; the system frees the lock of one that dies."""
    from filelock import FileLock, Timeout

    lock = FileLock(target.with_name(f".{target.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if progress:
            _console().print(f"waiting for another process that downloads {target.name}")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _fetch_verified(job: Job, digest: str | None, check: Check | None, progress: bool) -> None:
    resumed = job.received_bytes > 0
    with _bar(job, progress) as report:
        _fetch(job, report)
        try:
            _verify(job, digest, check)
        except OSError:
            if not resumed:
                raise
            _fetch(job, report)  # the part was of another version, whatever the server says: once from the start
            _verify(job, digest, check)
    job.part.replace(job.target)
    job.discard()


def _fetch(job: Job, report: Report) -> None:
    """Ask until all has come; give up when nothing new comes."""
    most, stalls = job.received_bytes, 0
    while True:
        try:
            return transfer(job, report)
        except Interrupted as interrupted:
            stalls = 0 if job.received_bytes > most else stalls + 1
            most = max(most, job.received_bytes)
            if stalls == _STALLS:
                raise ConnectionError(
                    f"cannot download {job.url}: {interrupted}; {job.received_bytes} bytes of it are kept, and the "
                    f"next call goes on from there; {job.by_hand}"
                ) from interrupted
            time.sleep(_PAUSE_S * 2**stalls)


def _verify(job: Job, digest: str | None, check: Check | None) -> None:
    """Remove the part and raise if it is not what it should be."""
    try:
        if digest is not None and (found := sha256(job.part)) != digest.lower():
            raise OSError(f"'{job.url}' must have the SHA-256 {digest}, got {found}; nothing of it was kept")
        if check is not None:
            check(job.part)
    except OSError:
        job.discard()
        raise


def _console() -> "Console":
    from rich.console import Console

    return Console(stderr=True)


@contextmanager
def _bar(job: Job, progress: bool) -> Iterator[Report]:
    if not progress:
        yield lambda received, total: None
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=_console()) as bar:
        task = bar.add_task(job.target.name, total=None)
        yield lambda received, total: bar.update(task, completed=received, total=total)
