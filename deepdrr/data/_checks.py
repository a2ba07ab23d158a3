"""What is refused before a volume exists: files that cannot be read, numbers that are not Hounsfield units."""

import math
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deepdrr._memory import available_memory
from deepdrr.data._doubts import Assume, air_at_border, warn_of_clipping, warn_of_filling
from deepdrr.data._scan import Scan
from deepdrr.geometry import ArrayLike, check_affine

__all__ = [
    "AIR_HU",
    "CheckHU",
    "check_choice",
    "checked_scan",
    "empty_voxels",
    "float32_array",
    "given_affine",
    "warn_of_size",
]

CheckHU = Literal["refuse", "warn", "off"]

AIR_HU = -1000.0
"""Hounsfield's definition: air is −1000, water 0."""

# The scale ends at −1024 on 12-bit scanners; −2000, −2048, −3024 and the like mark what was not measured.
_PADDING_HU = -1500.0
# Any CT of a patient holds air, lung or bowel gas; fat, the next lighter, is at −120 to −50.
_GAS_HU = -200.0
# DICOM's extended CT scale ends at 30,710; 64,512 is −1024 read as unsigned.
_HIGHEST_HU = 35000.0
# Tungsten just above its K edge attenuates a thousand times as much as water, and so has a million HU.
_NO_MATTER_HU = 1e7
# The longest edge of a scan: a metre in metres is 1, a mouse in micrometres 30,000. Whole bodies are 2 m.
_SMALLEST_MM, _LARGEST_MM = 2.0, 10000.0
# Bytes: asking the system takes longer than allocating this much.
_ALWAYS_FITS = 2**24


def check_choice(value: str, choices: object, name: str) -> None:
    """Check that a word is one of those of a `Literal`.

    Raises:
        ValueError: names the accepted words.
    """
    if value not in get_args(choices):
        raise ValueError(f"{name} must be one of {', '.join(map(repr, get_args(choices)))}, got {value!r}")


def given_affine(given: ArrayLike | None, file: Path, lack: str) -> Tensor | None:
    """The caller's affine for a file that has none; it never replaces a file's own.

    Args:
        given: anatomical_from_ijk [4, 4] as given by the caller, or None.
        file: the file.
        lack: what the header lacks, "" if it says how the patient lies.

    Returns:
        The caller's, float64 [4, 4], or None where the file has its own.

    Raises:
        ValueError: if there are both or none.
    """
    if lack and given is None:
        raise ValueError(
            f"'{file}' does not say how the patient lies in the grid ({lack}): "
            "give anatomical_from_ijk, the affine from voxel indices to RAS mm"
        )
    if given is not None and not lack:
        raise ValueError(f"anatomical_from_ijk is for files without an affine, but '{file}' has its own")
    return None if given is None else check_affine(given, "anatomical_from_ijk")


def empty_voxels(shape: tuple[int, ...], file: Path) -> NDArray[np.float32]:
    """Room for the voxels of a file.

    Raises:
        MemoryError: names the file and the bytes.
    """
    count = 4 * math.prod(shape)
    available = available_memory() if count > _ALWAYS_FITS else None
    try:
        if available is not None and count > available:
            raise MemoryError
        return np.empty(shape, dtype=np.float32)
    except (MemoryError, ValueError):  # NumPy raises a ValueError for more than 2⁶³ bytes
        size = "×".join(map(str, shape))
        raise MemoryError(f"'{file}' must fit in memory, got {size} voxels that take {count} bytes") from None


def warn_of_size(shape: tuple[int, ...], anatomical_from_ijk: Tensor, file: Path) -> None:
    """Warn of a scan whose size is no patient's in mm, as with a header in metres or micrometres that says mm."""
    edges = anatomical_from_ijk[:3, :3].norm(dim=0) * torch.tensor(shape[:3], dtype=torch.float64)
    longest = float(edges.max())
    if not _SMALLEST_MM <= longest <= _LARGEST_MM:
        warnings.warn(
            f"'{file}' must be in mm, got a scan of {' × '.join(f'{edge:.3g}' for edge in edges.tolist())} mm: "
            "are the lengths in its header of another unit?",
            UserWarning,
            stacklevel=2,
        )


def float32_array(hu: Tensor | NDArray[Any]) -> NDArray[np.float32]:
    """A copy of the caller's numbers as float32.

    Raises:
        TypeError: if they are not integers or floats.
    """
    if isinstance(hu, Tensor):
        hu = hu.detach().cpu()
        hu = hu.float().numpy() if hu.dtype == torch.bfloat16 else hu.numpy()  # NumPy knows no bfloat16
    values = np.asarray(hu)
    if values.dtype.kind not in "iuf":
        raise TypeError(f"hu must be an array of integers or floats, got dtype {values.dtype}")
    return np.array(values, dtype=np.float32, order="C")


def checked_scan(scan: Scan, check_hu: CheckHU, assume: Assume | None = None) -> Scan:
    """Turn padding into air and check that the rest can be Hounsfield units.

    Args:
        scan: as read; its array is changed in place.
        check_hu: what to do with numbers that do not look like HU.
        assume: what voxels in doubt are: `"air"` makes blocks of one value at the border air, `"tissue"` leaves all as
            it is; None warns. Without `check_hu` nothing is in doubt.

    Returns:
        The scan, with the voxels that became air counted in its source.

    Raises:
        ValueError: for NaN or infinite voxels, for a volume of padding only, and, with `"refuse"`, for numbers that
            do not look like HU.
    """
    check_choice(check_hu, CheckHU, "check_hu")
    if assume is not None:
        check_choice(assume, Assume, "assume")
    hu, name = scan.hu, "hu" if scan.source.path is None else f"'{scan.source.path}'"
    _check_finite(hu, name)
    padding = hu <= _PADDING_HU if float(hu.min()) <= _PADDING_HU else None
    count = 0 if padding is None else int(np.count_nonzero(padding))
    if count == hu.size:
        raise ValueError(f"{name} must hold a CT, got padding only: all {count} voxels are at or below −1500 HU")
    if check_hu != "off":
        lowest = float(hu.min() if padding is None else hu.min(where=~padding, initial=np.inf))
        _judge(name, lowest, float(hu.max()), check_hu)
    if padding is not None:
        hu[padding] = AIR_HU
    if assume == "air":
        count += air_at_border(hu, AIR_HU)
    if assume is None and check_hu != "off":
        warn_of_filling(hu, name)
        warn_of_clipping(hu, name)
    return replace(scan, source=replace(scan.source, padding_voxels=scan.source.padding_voxels + count))


def _check_finite(hu: NDArray[np.float32], name: str) -> None:
    if np.isfinite(hu.min()) and np.isfinite(hu.max()):
        if float(hu.max()) > _NO_MATTER_HU:
            raise ValueError(f"{name} must hold Hounsfield units, got {float(hu.max()):g}, which no matter has")
        return
    bad = ~np.isfinite(hu)
    where = tuple(int(n) for n in np.argwhere(bad)[0])
    raise ValueError(
        f"{name} must be finite, got {int(np.count_nonzero(bad))} NaN or infinite voxels, "
        f"the first at [i, j, k] = {where}"
    )


def _judge(name: str, lowest: float, highest: float, check_hu: CheckHU) -> None:
    if highest > _HIGHEST_HU:
        seen = f"values up to {highest:g}, beyond any CT scale (HU read as unsigned?)"
    elif lowest >= 0.0:
        seen = f"values from {lowest:g} to {highest:g}, none negative (no rescale intercept, normalised, or not a CT?)"
    elif lowest > _GAS_HU:
        seen = f"values from {lowest:g} to {highest:g}, none below {_GAS_HU:.0f} (normalised, or a crop without air?)"
    else:
        return
    sentence = f"{name} must hold Hounsfield units (air −1000, water 0), got {seen}"
    if check_hu == "refuse":
        raise ValueError(f"{sentence}; if they are HU nevertheless, pass check_hu='off'")
    warnings.warn(sentence, UserWarning, stacklevel=2)
