"""The voxels of a file that states their number and kind: all of them, and nothing else."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from deepdrr.data._checks import empty_voxels
from deepdrr.data.readers._unpack import Part, check_claim, open_part

__all__ = ["Scale", "read_voxels"]

_SLAB_BYTES = 16 * 2**20

Scale = tuple[float, float]
"""Slope and intercept of a value: slope · stored + intercept."""


def read_voxels(
    parts: Sequence[Part], shape: tuple[int, int, int], dtype: np.dtype[Any], file: Path, scale: Scale = (1.0, 0.0)
) -> NDArray[np.float32]:
    """Read voxels slab by slab, with little more memory than the result takes.

    Args:
        parts: where they lie, i running fastest. Of several, each holds the same number of whole slices.
        shape: [I, J, K].
        dtype: how a voxel is stored.
        file: the file that the caller knows, for errors.
        scale: slope and intercept.

    Returns:
        The scaled voxels, float32 [I, J, K].

    Raises:
        ValueError: if there are fewer or more, or a checksum does not fit.
        MemoryError: if they do not fit into memory.
    """
    slices = shape[2] // len(parts)
    if slices * len(parts) != shape[2]:
        raise ValueError(f"'{file}' is damaged: it states {shape[2]} slices in {len(parts)} files")
    for part in parts:
        check_claim(part, math.prod(shape[:2]) * slices * dtype.itemsize, _name(part, file))
    out = empty_voxels(shape, file)
    for number, part in enumerate(parts):
        with open_part(part) as stream:
            _read_part(stream, out[:, :, number * slices : (number + 1) * slices], dtype, _name(part, file), scale)
    return out


def _name(part: Part, file: Path) -> str:
    return f"'{file}'" if part.file == file else f"'{part.file}', of which '{file}' is the header,"


def _read_part(stream: BinaryIO, out: NDArray[np.float32], dtype: np.dtype[Any], what: str, scale: Scale) -> None:
    rows, columns, count = out.shape
    plane = rows * columns * dtype.itemsize
    at_once = max(1, _SLAB_BYTES // plane)
    for first in range(0, count, at_once):
        last = min(first + at_once, count)
        raw = stream.read(plane * (last - first))
        if len(raw) < plane * (last - first):
            raise ValueError(f"{what} is truncated: it ends within slice {first + 1} to {last} of {count}")
        slab = np.frombuffer(raw, dtype).reshape((rows, columns, last - first), order="F")
        with np.errstate(over="ignore", invalid="ignore"):  # infinite voxels are refused by name later
            out[:, :, first:last] = slab if scale == (1.0, 0.0) else slab * scale[0] + scale[1]
    _check_end(stream, min(rows * columns, rows * count, columns * count) * dtype.itemsize, what)


def _check_end(stream: BinaryIO, fewest: int, what: str) -> None:
    """Read on to the end, where checksums are compared.

    A wrong size in the header leaves at least the smallest plane of voxels over; writers that fill up the last block
    leave zeros.
    """
    rest = stream.read(fewest)
    if len(rest) == fewest or rest.strip(b"\0"):
        raise ValueError(f"{what} is damaged: it holds more bytes than the voxels that its header states")
