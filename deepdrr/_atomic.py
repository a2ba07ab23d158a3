"""Write a file whole or not at all."""

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["atomic_path", "check_target"]


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary name beside `path`; move that file to `path` when the block ends without an error.

    The temporary name has the same suffixes (`.nii.gz` stays `.nii.gz`), so libraries that choose a format
    by suffix work on it. When the block raises, because of a full disk or an interrupt for example, the partial
    file is removed and an older file at `path` stays as it was. A link at `path` is followed.

    Args:
        path: the file to write; its folder must exist.

    Yields:
        The name to write to. Nothing exists there yet.

    Raises:
        FileNotFoundError: if the folder does not exist.
        IsADirectoryError: if `path` is a folder.
        OSError: if `path` is a device or a pipe, which a file must not replace.
        OSError: if the file cannot be written; the message holds the path and the system's reason.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> with atomic_path(folder / "note.txt") as temporary:
        ...     _ = temporary.write_text("whole")
        >>> (folder / "note.txt").read_text()
        'whole'
    """
    given = Path(path)
    check_target(given)
    target = Path(os.path.realpath(given))
    temporary = target.with_name("." + secrets.token_hex(8) + "".join(target.suffixes[-2:]))
    try:
        yield temporary
        temporary.replace(target)
    except OSError as error:
        raise _sentence(given, error) from error
    finally:
        with suppress(OSError):  # in a folder that cannot be written to, nothing was
            temporary.unlink(missing_ok=True)


def check_target(path: Path, name: str = "path") -> None:
    """Refuse a file that could not be written, without touching it; long work asks this before it begins.

    Args:
        path: the file.
        name: the argument or flag that named it, for the message.

    Raises:
        OSError: as `atomic_path` says.
    """
    if path.is_dir():
        raise IsADirectoryError(f"{name} must be a file to write, got the folder '{path}'")
    if path.exists() and not path.is_file():
        raise OSError(f"{name} must be a regular file to write, got the device or pipe '{path}'")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"cannot write '{path}': the folder '{path.parent}' does not exist")
    if not os.access(path.parent, os.W_OK):
        raise PermissionError(f"cannot write '{path}': the folder '{path.parent}' does not let files be written")


def _sentence(path: Path, error: OSError) -> OSError:
    """The same error number, with a message that names the file the caller asked for."""
    reason = f"{error.strerror or error}; nothing was left behind"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        reason = f"the folder '{path.parent}' does not let files be written ({error.strerror})"
    sentence = OSError(f"cannot write '{path}': {reason}")
    sentence.errno = error.errno
    return sentence
