"""Masks as PNG: one number per pixel, or a bit per structure."""

import io
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepdrr._atomic import atomic_path
from deepdrr._door import check_file
from deepdrr.annotations._colors import COLORS

__all__ = ["mask_planes", "read_mask_planes", "write_mask_index", "write_mask_planes"]

_PLANES = 16  # bits of a pixel of a grey PNG
_KEY = "structures"  # of the text in the PNG that holds the names


def write_mask_index(path: str | os.PathLike[str], masks: NDArray[np.bool_], names: Sequence[str]) -> None:
    """Write masks as one PNG with a palette: pixel 0 for none, n for the n-th structure.

    Where structures overlap the pixel is the later one's; `write_mask_planes` keeps all of them. The names are in the
    PNG's text `structures`, a JSON object from numbers to names.

    Args:
        path: the file, .png.
        masks: bool [L, H, W], at most 255.
        names: of the L structures.

    Raises:
        OSError: if it cannot be written.
        ValueError: if there are more than 255 structures, as many names as masks are not given, or for another ending.
    """
    from PIL import Image

    _check(masks, names)
    if len(masks) > 255:
        raise ValueError(f"masks must be at most 255 for one number per pixel of 8 bits, got {len(masks)}")
    index = np.zeros(masks.shape[1:], dtype=np.uint8)
    for number, mask in enumerate(masks, start=1):
        index[mask] = number
    picture = Image.fromarray(index).convert("P")
    picture.putpalette(bytes([0, 0, 0] + [part for n in range(255) for part in COLORS[n % len(COLORS)]]))
    picture.putdata(index.reshape(-1).tolist())
    with atomic_path(_png_path(path)) as temporary:
        temporary.write_bytes(_png(picture, dict(enumerate(names, start=1))))


def write_mask_planes(path: str | os.PathLike[str], masks: NDArray[np.bool_], names: Sequence[str]) -> list[Path]:
    """Write masks as grey PNGs of 16 bits in which bit l is structure l, so that masks may overlap.

    Up to 16 structures go into one file; from 17 on the files are called NAME-1.png, NAME-2.png …, 16 in each. The
    names are in the PNG's text `structures`, a JSON object from bits to names.

    Args:
        path: the file, .png.
        masks: bool [L, H, W].
        names: of the L structures.

    Returns:
        The files, in order.

    Raises:
        OSError: if one cannot be written.
        ValueError: if as many names as masks are not given, or for another ending.
    """
    target, planes = _png_path(path), mask_planes(masks, names)
    one = len(planes) == 1
    files = [target if one else target.with_name(f"{target.stem}-{n + 1}{target.suffix}") for n in range(len(planes))]
    for file, plane in zip(files, planes, strict=True):
        with atomic_path(file) as temporary:
            temporary.write_bytes(plane)
    return files


def mask_planes(masks: NDArray[np.bool_], names: Sequence[str]) -> list[bytes]:
    """The contents of the files that `write_mask_planes` writes.

    Raises:
        ValueError: if as many names as masks are not given.
    """
    from PIL import Image

    _check(masks, names)
    found = []
    for first in range(0, max(len(masks), 1), _PLANES):
        bits = np.zeros(masks.shape[1:], dtype=np.uint16)
        for bit, mask in enumerate(masks[first : first + _PLANES]):
            bits |= mask.astype(np.uint16) << np.uint16(bit)
        found.append(_png(Image.fromarray(bits), dict(enumerate(names[first : first + _PLANES]))))
    return found


def read_mask_planes(paths: Sequence[str | os.PathLike[str]]) -> tuple[tuple[str, ...], NDArray[np.bool_]]:
    """Read the files that `write_mask_planes` wrote.

    Returns:
        The names of the L structures, and their masks, bool [L, H, W].

    Raises:
        OSError: if a file cannot be read.
        TypeError: for one path that is not in a list.
        ValueError: if it has no names, or was written by `write_mask_index`.
    """
    from PIL import Image

    if isinstance(paths, str | os.PathLike):
        raise TypeError(f"paths must be a list of files, got {paths!r}")
    names: list[str] = []
    masks = []
    for path in paths:
        with Image.open(check_file(path)) as picture:
            text = getattr(picture, "text", {}).get(_KEY)
            if text is None:
                raise ValueError(f"'{path}' must be a PNG of write_mask_planes: it names no structures")
            if picture.mode == "P":
                raise ValueError(f"'{path}' must be a PNG of write_mask_planes, got one of write_mask_index")
            bits = np.asarray(picture).astype(np.uint16)
        found = json.loads(text)
        names += found.values()
        masks += [(bits >> np.uint16(bit)) & 1 != 0 for bit in map(int, found)]
    return tuple(names), np.stack(masks) if masks else np.zeros((0, 0, 0), dtype=np.bool_)


def _png(picture: Any, names: dict[int, str]) -> bytes:
    from PIL.PngImagePlugin import PngInfo

    text, stream = PngInfo(), io.BytesIO()
    text.add_itxt(_KEY, json.dumps(names, ensure_ascii=False))
    picture.save(stream, format="PNG", pnginfo=text)
    return stream.getvalue()


def _png_path(path: str | os.PathLike[str]) -> Path:
    if Path(path).suffix.lower() != ".png":
        raise ValueError(f"path must end in .png, got '{path}'")
    return Path(path)


def _check(masks: NDArray[np.bool_], names: Sequence[str]) -> None:
    if masks.ndim != 3 or masks.dtype != np.bool_:
        raise ValueError(f"masks must be bool [L, H, W], got {masks.dtype} {masks.shape}")
    if len(names) != len(masks):
        raise ValueError(f"names must be {len(masks)}, one for each mask, got {len(names)}")
