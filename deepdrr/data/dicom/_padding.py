"""Stored numbers of a slice to Hounsfield units, and what was not measured to air."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepdrr.data._checks import AIR_HU
from deepdrr.data._doubts import Assume, at_border, is_doubtful
from deepdrr.data.dicom._frames import DicomFrame

__all__ = ["padding_doubt", "to_hu"]

# The scale ends at −1024 on 12-bit scanners; −2000, −2048, −3024 and the like mark what was not measured.
_NOT_MEASURED_HU = -1500.0


def to_hu(
    stored: NDArray[Any], frame: DicomFrame, out: NDArray[np.float32], assume: Assume | None = None
) -> tuple[int, int]:
    """Write slope · stored + intercept into `out`; what was not measured becomes air.

    Args:
        stored: numbers [rows, columns].
        frame: the slice.
        out: Hounsfield units [rows, columns].
        assume: what pixels with a padding value that is also tissue are. None: air where they are connected with the
            border of the slice, tissue inside.

    Returns:
        How many pixels became air, and how many hold the padding value and did not.
    """
    slope, intercept = frame.rescale
    # float64 in between: 16-bit numbers times a slope of six decimals need more than the 24 bits of float32.
    hu = stored.astype(np.float64)
    hu *= slope
    hu += intercept
    outside = hu <= _NOT_MEASURED_HU
    kept = 0
    if frame.padding is not None:
        first, last = frame.padding
        padded = (stored >= first) & (stored <= last)
        if is_doubtful(max(slope * first, slope * last) + intercept):
            air = _air_of(padded, assume)
            kept = 0 if assume == "tissue" else int(np.count_nonzero(padded & ~air))
            padded = air
        outside |= padded
    hu[outside] = AIR_HU
    out[...] = hu
    return int(np.count_nonzero(outside)), kept


def _air_of(padded: NDArray[np.bool_], assume: Assume | None) -> NDArray[np.bool_]:
    if assume is None:
        return at_border(padded)
    return padded if assume == "air" else np.zeros_like(padded)


def padding_doubt(kept: int, frame: DicomFrame) -> list[str]:
    """The warning of pixels inside the picture that hold the padding value of tissue, if there are any."""
    if not kept or frame.padding is None:
        return []
    slope, intercept = frame.rescale
    values = sorted(slope * stored + intercept for stored in frame.padding)
    shown = f"{values[0]:g}" if values[0] == values[1] else f"{values[0]:g} to {values[1]:g}"
    return [
        f"the padding value of {frame.name} is also tissue ({shown} HU): it became air where it is connected with the "
        f"border of a slice, and {kept} pixels inside were kept as tissue; assume='air' makes them air, "
        "assume='tissue' keeps all of them"
    ]
