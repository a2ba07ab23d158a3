"""Shards on disk: written whole or not at all."""

import hashlib
import io
import os
import secrets
import shutil
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from deepdrr._atomic import atomic_path

__all__ = ["Files", "digest", "read_shard", "shard_name", "write_shard"]

# A sample's number and the bytes of its files, by what follows the number in their names.
Files = tuple[int, dict[str, bytes]]

_BLOCK = 2**20


def shard_name(shard: int, split: str, writer: str) -> str:
    """Name of a shard: `train-000003.tar`, or `train-000003` for a folder."""
    return f"{split}-{shard:06d}{'.tar' if writer == 'webdataset' else ''}"


def write_shard(path: Path, samples: Iterable[Files]) -> None:
    """Write samples into a tar file, or into a folder if the name does not end in .tar, whole or not at all.

    Names are those of WebDataset: the sample's number, a dot, and what is in the file. Owners, times and modes are the
    same for all, so that the same samples give the same bytes.

    Args:
        path: the shard; its folder must exist. A shard that is there already is replaced.
        samples: in order; they may be made while they are written.

    Raises:
        OSError: if it cannot be written; nothing is left behind.
    """
    if path.suffix == ".tar":
        with atomic_path(path) as temporary, tarfile.open(temporary, "w", format=tarfile.USTAR_FORMAT) as tar:
            for name, content in _named(samples):
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
        return
    temporary = path.with_name(f".{secrets.token_hex(8)}")
    try:
        temporary.mkdir()
        for name, content in _named(samples):
            (temporary / name).write_bytes(content)
        shutil.rmtree(path, ignore_errors=True)
        temporary.rename(path)
    except OSError as error:
        raise OSError(
            error.errno, f"cannot write '{path}': {error.strerror or error}; nothing was left behind"
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def read_shard(path: Path) -> Iterator[tuple[str, bytes]]:
    """Names and contents of the files of a shard, in order.

    Raises:
        OSError: if it cannot be read.
        ValueError: if a tar file is damaged.
    """
    if path.suffix != ".tar":
        for file in sorted(path.iterdir()):
            yield file.name, file.read_bytes()
        return
    try:
        with tarfile.open(path, "r:") as tar:
            for entry in tar:
                stream = tar.extractfile(entry)
                assert stream is not None  # a regular file: nothing else is written
                yield entry.name, stream.read()
    except tarfile.TarError as error:
        raise ValueError(f"'{path}' must be a tar file, but it is damaged: {error}") from error


def digest(path: Path) -> dict[str, Any]:
    """SHA-256 and size of a shard, a file or a folder; of a folder that of all names and contents in order.

    Raises:
        OSError: if it cannot be read.
    """
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    if not files:
        raise FileNotFoundError(f"there is no file '{path}'")
    found, size = hashlib.sha256(), 0
    for file in files:
        if file != path:
            found.update(os.fsencode(file.relative_to(path).as_posix()) + b"\0")
        with file.open("rb") as stream:
            while block := stream.read(_BLOCK):
                found.update(block)
                size += len(block)
    return {"sha256": found.hexdigest(), "bytes": size}


def _named(samples: Iterable[Files]) -> Iterator[tuple[str, bytes]]:
    for index, files in samples:
        for kind, content in files.items():
            yield f"{index:08d}.{kind}", content
