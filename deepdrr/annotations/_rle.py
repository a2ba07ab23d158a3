"""COCO's run lengths of a mask, as text."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["mask_of", "run_lengths"]

# Groups of five bits, lowest first; the sixth says that more follow; characters from "0" on.
_BITS, _MORE, _FIRST = 0x1F, 0x20, 48


def run_lengths(mask: NDArray[np.bool_]) -> dict[str, Any]:
    """The run-length code of a mask: COCO's `{"size": [H, W], "counts": "…"}`.

    Runs go down the columns, those outside and inside the mask in turn, outside first. From the fourth on each count is
    the difference from the one before the last, and each is written in groups of five bits (Lin et al., Microsoft COCO,
    2014; `maskApi.c` of its API).

    Args:
        mask: bool [H, W].

    Example:
        >>> mask = np.zeros((3, 4), dtype=np.bool_)
        >>> mask[1:, 2] = True
        >>> run_lengths(mask)
        {'size': [3, 4], 'counts': '723'}
    """
    flat = mask.T.reshape(-1)
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    ends = np.concatenate([[0], changes, [flat.size]])
    counts = np.diff(ends).tolist()
    if flat.size and flat[0]:
        counts = [0, *counts]
    steps = [count - counts[n - 2] if n > 2 else count for n, count in enumerate(counts)]
    return {"size": [int(n) for n in mask.shape], "counts": "".join(map(_written, steps))}


def _written(number: int) -> str:
    letters = []
    while True:
        group = number & _BITS
        number >>= 5
        done = number == (-1 if group & 0x10 else 0)
        letters.append(chr(_FIRST + (group if done else group | _MORE)))
        if done:
            return "".join(letters)


def mask_of(code: dict[str, Any]) -> NDArray[np.bool_]:
    """The mask [H, W] of a run-length code of `run_lengths`."""
    height, width = code["size"]
    counts: list[int] = []
    number = shift = 0
    for letter in str(code["counts"]):
        group = ord(letter) - _FIRST
        number |= (group & _BITS) << shift
        shift += 5
        if group & _MORE:
            continue
        if group & 0x10:
            number -= 1 << shift
        counts.append(number + (counts[-2] if len(counts) > 2 else 0))
        number = shift = 0
    inside = np.arange(len(counts)) % 2 == 1
    return np.repeat(inside, counts).reshape(width, height).T
