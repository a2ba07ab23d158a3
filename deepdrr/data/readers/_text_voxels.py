"""Voxels that are written out as text."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from deepdrr.data._checks import empty_voxels
from deepdrr.data.readers._unpack import Part, open_part

__all__ = ["read_text_voxels"]

# A float64 takes 24 characters at the most, and a separator or a line's end.
_LONGEST_NUMBER = 26


def read_text_voxels(
    parts: Sequence[Part],
    shape: tuple[int, int, int],
    dtype: np.dtype[Any],
    file: Path,
    encoding: Literal["ascii", "hex"],
    scale: tuple[float, float] = (1.0, 0.0),
) -> NDArray[np.float32]:
    """Read voxels from numbers between blanks, or from pairs of hexadecimal digits.

    Args:
        parts: where they lie, i running fastest.
        shape: [I, J, K].
        dtype: the type that the header states.
        file: the file that the caller knows, for errors.
        encoding: how they are written.
        scale: slope and intercept.

    Returns:
        The scaled voxels, float32 [I, J, K].

    Raises:
        ValueError: if there are fewer or more, or one is no number.
        MemoryError: if they do not fit into memory.
    """
    count = math.prod(shape)
    longest = count * (_LONGEST_NUMBER if encoding == "ascii" else 2 * dtype.itemsize + 1)
    out = empty_voxels(shape, file)
    text = b" ".join(_read(part, longest, file) for part in parts)
    try:
        values = _hex(text, dtype) if encoding == "hex" else np.array(text.split(), dtype=np.float64)
    except (ValueError, OverflowError):
        raise ValueError(f"'{file}' is damaged: its voxels must be {encoding} numbers, and one is none") from None
    if len(values) != count:
        raise ValueError(f"'{file}' is truncated or damaged: it states {count} voxels and holds {len(values)}")
    if encoding == "ascii" and dtype.kind in "iu" and not _fit(values, dtype):
        raise ValueError(f"'{file}' is damaged: its voxels must be numbers of the type {dtype}, and one is none")
    with np.errstate(over="ignore", invalid="ignore"):
        out[...] = (values.astype(np.float64) * scale[0] + scale[1]).reshape(shape, order="F")
    return out


def _read(part: Part, longest: int, file: Path) -> bytes:
    with open_part(part) as stream:
        text = stream.read(longest + 1)
    if len(text) > longest:
        raise ValueError(f"'{file}' is damaged: it holds more than the voxels that its header states")
    return text


def _hex(text: bytes, dtype: np.dtype[Any]) -> NDArray[Any]:
    return np.frombuffer(bytes.fromhex(text.decode("ascii")), dtype)


def _fit(values: NDArray[np.float64], dtype: np.dtype[Any]) -> bool:
    limits = np.iinfo(dtype)
    return bool(((values >= limits.min) & (values <= limits.max) & (values == np.rint(values))).all())
