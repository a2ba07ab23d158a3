"""Numbers that are Hounsfield units by their range, and are not what they seem: fillings and clipped scales.

A histogram at the door. Noise makes neighbours of a measured scan differ. Where a block of voxels at the border of the
volume has one value to the last digit, a tool has filled it in, with 0 as registration and resampling tools do by
default: air around the patient then attenuates like water.
"""

import warnings
from itertools import product
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["Assume", "air_at_border", "at_border", "is_doubtful", "warn_of_clipping", "warn_of_filling"]

Assume = Literal["air", "tissue"]
"""What voxels in doubt are: air, or what their number says."""

Values = NDArray[np.float32]

# Lung of a patient is above −950 HU and never one value; scanners' air is from −1024 to −976.
_AIR_HU = -900.0
# Of the border's voxels: a wedge left by a turn of one degree is 0.5 %.
_LEAST_SHARE = 0.002
_LEAST_VOXELS = 25
# Metal and what the scanner itself ends at (3071 of 12 bits) is another matter.
_METAL_HU = 2900.0
_LEAST_CLIPPED = 100
# Of a scale that ends by itself, the last 50 HU hold at least as many voxels as its highest value.
_TAIL_HU = 50.0


def warn_of_filling(hu: Values, name: str) -> None:
    """Warn of blocks of one value, denser than air, at the border of the volume."""
    value, share = _filling(hu)
    if value is None:
        return
    warnings.warn(
        f"{name} must hold air around the patient, got exactly {value:g} HU in blocks that are {share:.1%} of its "
        "border, as tools fill in that resample or clip: rays gain the attenuation of that number; assume='air' makes "
        "what is connected with the border air, assume='tissue' says that the numbers are right",
        UserWarning,
        stacklevel=2,
    )


def air_at_border(hu: Values, air_hu: float) -> int:
    """Make the blocks of which `warn_of_filling` warns air, as far as they are connected with the border.

    Args:
        hu: the voxels, changed in place.
        air_hu: the value of air.

    Returns:
        How many voxels became air.
    """
    count = 0
    while (value := _filling(hu)[0]) is not None:
        filled = at_border(hu == value)
        hu[filled] = air_hu
        count += int(np.count_nonzero(filled))
    return count


def at_border(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The parts of a mask, connected by faces of voxels, that reach its border."""
    from scipy import ndimage

    parts, count = ndimage.label(mask)
    faces = [np.take(parts, end, axis=axis) for axis in range(mask.ndim) for end in (0, -1)]
    reaches = np.zeros(count + 1, dtype=bool)
    for face in faces:
        reaches[np.unique(face)] = True
    reaches[0] = False
    found: NDArray[np.bool_] = reaches[parts]
    return found


def is_doubtful(hu: float) -> bool:
    """Whether a number that marks what was not measured is that of matter."""
    return hu > _AIR_HU


def warn_of_clipping(hu: Values, name: str) -> None:
    """Warn of a scale that was cut off below metal: many voxels at the highest value, where there should be few."""
    highest = float(hu.max())
    if highest >= _METAL_HU:
        return
    at_top = int(np.count_nonzero(hu == highest))
    if at_top < _LEAST_CLIPPED:
        return
    below = int(np.count_nonzero(hu >= highest - _TAIL_HU)) - at_top
    # Of a phantom's one dense value there is nothing just below it.
    if below < at_top / 20 or at_top < below / 2:
        return
    warnings.warn(
        f"{name} must hold Hounsfield units up to the densest bone, got {at_top} voxels of exactly {highest:g} HU, its "
        "highest value: it looks clipped, and what is clipped is denser than it says; assume='tissue' says that the "
        "numbers are right",
        UserWarning,
        stacklevel=2,
    )


def _filling(hu: Values) -> tuple[float | None, float]:
    """The value that fills a corner and blocks of the border, None if none does, and the share of the border's voxels.

    What a resampling or a mask leaves over reaches a corner of the volume, where no patient is; phantoms without noise,
    which run through its faces, do not.
    """
    corners = {value for value in _corner_values(hu) if value > _AIR_HU}
    if not corners:
        return None, 0.0
    faces = [np.take(hu, end, axis=axis) for axis in range(3) for end in (0, -1)]
    even = np.concatenate([_even(face) for face in faces if min(face.shape) >= 3] or [np.empty(0, np.float32)])
    counts = {value: int(np.count_nonzero(even == value)) for value in corners}
    most = max(counts, key=lambda value: counts[value])
    share = counts[most] / sum(face.size for face in faces)
    return (most, share) if counts[most] >= _LEAST_VOXELS and share >= _LEAST_SHARE else (None, 0.0)


def _corner_values(hu: Values) -> list[float]:
    """The values of the corners whose three by three by three voxels have one."""
    ends = [(slice(None, 3), slice(-3, None))] * 3
    blocks = [hu[corner] for corner in product(*ends)]
    return [float(block.flat[0]) for block in blocks if bool((block == block.flat[0]).all())]


def _even(face: Values) -> Values:
    """The values of a face that all their four neighbours share."""
    middle = face[1:-1, 1:-1]
    same = (face[:-2, 1:-1] == middle) & (face[2:, 1:-1] == middle)
    same &= (face[1:-1, :-2] == middle) & (face[1:-1, 2:] == middle)
    return np.asarray(middle[same])
