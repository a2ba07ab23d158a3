"""Readout: from keV to the numbers that a panel's electronics give (ADU, analogue-to-digital units)."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from deepdrr._numbers import as_count, plain_fields

__all__ = ["Readout", "digitize"]


@dataclass(frozen=True, kw_only=True)
class Readout:
    """Gain, offset and depth of the analogue-to-digital converter.

    Attributes:
        adu_per_kev: gain.
        offset_adu: level of a dark pixel; enough of it keeps electronic noise above zero.
        bits: depth; values go from 0 to 2**bits − 1.
        saturation: `"raise"`: refuse an image that goes beyond, or `"clip"`: as a panel does, the open beam
            beside a patient is often saturated.
    """

    adu_per_kev: float
    offset_adu: float = 100.0
    bits: int = 16
    saturation: Literal["raise", "clip"] = "raise"

    def __post_init__(self) -> None:
        plain_fields(self)
        if not 0.0 < self.adu_per_kev < math.inf:
            raise ValueError(f"adu_per_kev must be positive and finite, got {self.adu_per_kev}")
        if isinstance(self.bits, bool) or not isinstance(self.bits, int) or not 1 <= self.bits <= 24:
            raise ValueError(f"bits must be a whole number from 1 to 24, got {self.bits}")
        if not 0.0 <= self.offset_adu < self.top_adu:
            raise ValueError(f"offset_adu must be from 0 to less than {self.top_adu}, got {self.offset_adu}")
        if self.saturation not in ("raise", "clip"):
            raise ValueError(f"saturation must be 'raise' or 'clip', got {self.saturation!r}")

    @classmethod
    def for_signal(cls, brightest_kev: float, *, bits: int = 16, offset_adu: float = 100.0) -> "Readout":
        """The gain that puts a signal at nine tenths of the scale.

        Args:
            brightest_kev: the largest mean signal that must be held, keV per pixel.
            bits: depth.
            offset_adu: level of a dark pixel.

        Raises:
            ValueError: if the signal is not positive, or the offset leaves no room for it.
        """
        bits = as_count(bits, "bits")
        if not 0.0 < brightest_kev < math.inf:
            raise ValueError(f"brightest_kev must be positive and finite, got {brightest_kev}")
        room = 0.9 * ((1 << bits) - 1) - offset_adu
        if room <= 0.0:
            raise ValueError(f"bits must hold the offset of {offset_adu:g} ADU and a signal, got {bits}")
        return cls(adu_per_kev=room / brightest_kev, bits=bits, offset_adu=offset_adu)

    @property
    def top_adu(self) -> int:
        """The largest value, that of a saturated pixel."""
        return (1 << self.bits) - 1


def digitize(signal_kev: Tensor, readout: Readout, *, rounded: bool = True) -> Tensor:
    """The panel's numbers: gain, offset, saturation, rounding.

    Args:
        signal_kev: [...], keV per pixel.
        readout: the converter.
        rounded: to whole ADU; False for the mean of many frames.

    Returns:
        [...], ADU, in floating point of the type of `signal_kev` (float32 holds whole numbers up to 2**24). The
        gradient is that of the unrounded value, zero where saturated.

    Raises:
        ValueError: if the depth cannot hold the signal and the readout may not clip.

    Example:
        >>> digitize(torch.tensor([10.0, 99.9]), Readout(adu_per_kev=2.0, offset_adu=5.0, bits=8))
        tensor([ 25., 205.])
    """
    value = signal_kev * readout.adu_per_kev + readout.offset_adu
    low, high = (float(end) for end in torch.aminmax(value.detach()))
    if readout.saturation == "raise" and not -0.5 <= low <= high <= readout.top_adu + 0.5:
        raise ValueError(
            f"bits must hold the signal: {readout.bits} bits hold 0 to {readout.top_adu} ADU, got {low:.6g} to "
            f"{high:.6g}; take more bits, a lower adu_per_kev, another offset_adu, or saturation='clip'"
        )
    held = value.clamp(0.0, readout.top_adu)
    return held + (held.round() - held).detach() if rounded else held
