"""`download`: a file from a server, whole and verified under its name, or not at all."""

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from deepdrr._progress import progress_bar
from deepdrr.data.samples._cache import sha256
from deepdrr.data.samples._part import Part

__all__ = ["Check", "download"]

Check = Callable[[Path], None]  # raises OSError for a file that is not what it should be

_SCHEMES = ("https", "http", "file")


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
        url: `https:`, `http:` or `file:`.
        target: name of the file; its folder is made.
        digest: SHA-256, hexadecimal. A file that is there and has another one is fetched again.
        check: called with the whole file before it gets its name.
        progress: show a bar on standard error, if that is a terminal or a notebook.
        timeout_s: longest wait for the server's next bytes.

    Returns:
        `target`.

    Raises:
        ValueError: if the URL or the digest is malformed.
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
        if _is_there(target, digest):  # another process fetched it meanwhile
            return target
        with progress_bar(target.name, unit="bytes", shown=progress) as report:
            part = Part(url, target, timeout_s, report)
            _fetch_verified(part, digest, check)
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
            print(f"waiting for another process that downloads {target.name}", file=sys.stderr)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _fetch_verified(part: Part, digest: str | None, check: Check | None) -> None:
    resumed = part.received_bytes > 0
    part.fetch()
    try:
        _verify(part, digest, check)
    except OSError:
        if not resumed:
            raise
        part.fetch()  # the part was of another version, whatever the server says: once from the start
        _verify(part, digest, check)
    part.path.replace(part.target)
    part.discard()


def _verify(part: Part, digest: str | None, check: Check | None) -> None:
    """Remove the part and raise if it is not what it should be."""
    try:
        if digest is not None and (found := sha256(part.path)) != digest.lower():
            raise OSError(f"'{part.url}' must have the SHA-256 {digest}, got {found}; nothing of it was kept")
        if check is not None:
            check(part.path)
    except OSError:
        part.discard()
        raise
