"""The door for files: what a path is, and how much of it there is, is known before anything reads it."""

import os
import stat
from pathlib import Path

__all__ = ["check_file", "file_bytes", "read_text", "shown", "shown_path"]

_LONGEST_SHOWN = 80
# The largest text file that people write for this package, a mesh of landmarks or 10,000 label names, is below 1 MB.
_LARGEST_TEXT = 16 * 2**20


def check_file(path: str | os.PathLike[str], name: str = "path") -> Path:
    """Check that a file is there, is a regular file, has bytes in it and can be opened.

    Pipes and devices are never opened: opening a pipe waits for its other end, and a device has no end.

    Args:
        path: the file.
        name: the argument's name, for errors.

    Returns:
        The path.

    Raises:
        FileNotFoundError, IsADirectoryError, OSError: if it is not a regular file that can be opened.
        ValueError: if it is empty, or the path is.
    """
    file = Path(path)
    status = _status(path, file, name)
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(f"{name} must be a file, got the folder '{file}'")
    if not stat.S_ISREG(status.st_mode):
        raise OSError(f"{name} must be a regular file, got the {_kind(status.st_mode)} '{file}'")
    if status.st_size == 0:
        raise ValueError(f"'{file}' is empty")
    try:
        with file.open("rb"):
            return file
    except OSError as error:
        raise type(error)(f"cannot read '{file}': {error.strerror}") from error


def file_bytes(file: Path) -> int:
    """The length of a file that `check_file` has let through."""
    return file.stat().st_size


def read_text(path: str | os.PathLike[str], name: str = "path", most_bytes: int = _LARGEST_TEXT) -> str:
    """The text of a small UTF-8 file, with or without a byte order mark.

    Args:
        path: the file.
        name: the argument's name, for errors.
        most_bytes: the largest file that makes sense.

    Raises:
        OSError: as `check_file`.
        ValueError: if it is empty, larger, or no UTF-8 text.
    """
    file = check_file(path, name)
    with file.open("rb") as stream:
        content = stream.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise ValueError(f"'{file}' must be a text file of at most {most_bytes} bytes, got {file_bytes(file)} bytes")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(f"'{file}' must be UTF-8 text, but byte {error.start} in line {line} is none") from error
    if "\0" in text:
        raise ValueError(f"'{file}' must be UTF-8 text, but holds zero bytes")
    return text


def shown(value: object, longest: int = _LONGEST_SHOWN) -> str:
    """A value as an error shows it: its `repr`, cut in the middle where it is long.

    Example:
        >>> shown("a" * 1000, 20)
        "'aaaaaaaa…aaaaaaaaa'"
    """
    text = _short_repr(value)
    if len(text) <= longest:
        return text
    head = (longest - 1) // 2
    return f"{text[:head]}…{text[len(text) - (longest - 1 - head) :]}"


def _short_repr(value: object) -> str:
    # Neither a text of megabytes nor an integer of 5000 digits, for which Python has no text, is written out first.
    if isinstance(value, str) and len(value) > 4 * _LONGEST_SHOWN:
        value = value[: 2 * _LONGEST_SHOWN] + value[-2 * _LONGEST_SHOWN :]
    if isinstance(value, int) and value.bit_length() > 1024:
        return f"an integer of {value.bit_length()} bits"
    try:
        return repr(value)
    except (ValueError, RecursionError):
        return f"a {type(value).__name__}"


def _status(path: str | os.PathLike[str], file: Path, name: str) -> os.stat_result:
    if not os.fspath(path):
        raise ValueError(f"{name} must name a file, got an empty path: is a variable unset?")
    try:
        return file.stat()
    except FileNotFoundError as error:
        raise FileNotFoundError(f"there is no file '{file}'") from error
    except OSError as error:
        raise type(error)(f"cannot read '{shown_path(file)}': {error.strerror}") from error
    except ValueError as error:  # a zero byte within
        raise ValueError(f"{name} must name a file, got {shown(os.fspath(path))}") from error


def shown_path(file: Path) -> str:
    """A path of any sane length as it is; one that no system takes is cut."""
    text = str(file)
    return text if len(text) <= 4096 else shown(text)[1:-1]


def _kind(mode: int) -> str:
    return "pipe" if stat.S_ISFIFO(mode) else "socket" if stat.S_ISSOCK(mode) else "device"
