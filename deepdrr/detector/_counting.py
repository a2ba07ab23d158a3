"""Photon counting: ideal, and with thresholds on the height of a pulse.

The pulse of a photon in a cadmium-telluride sensor is not its energy: the electronics smear it, a K photon may carry
part of it out of the pixel, and near a pixel's border the charge is shared with a neighbour, which counts it as a
second, smaller photon. The response matrix holds the mean number of counts per photon in each window between
thresholds.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from deepdrr._numbers import plain_fields
from deepdrr.detector._grid import Grid
from deepdrr.detector._noise import quantum_noise
from deepdrr.detector._panel import needed
from deepdrr.detector._response import QuantumSignal, Response
from deepdrr.materials import compound, linear_attenuation

__all__ = ["IdealCounter", "PhotonCounter"]

_CDTE = compound("CdTe", 5.85)
# K edge, mean K line (keV) and share of photoelectric events that send it out: vacancies × yield × mass share of the
# photoelectric section, near the edge.
_K_LINES = ((26.71, 23.6, 0.32), (31.81, 28.0, 0.38))
_SHARED_PULSES = 40


@dataclass(frozen=True, kw_only=True)
class _Counter:
    """What counters share: Poisson counts without blur."""

    quantum_noise: bool = True
    grid: Grid | None = None

    @property
    def unit(self) -> str:
        """`"counts"` per pixel, and per window of a `PhotonCounter`."""
        return "counts"

    @property
    def draws(self) -> bool:
        """Whether the counts are drawn."""
        return self.quantum_noise

    def expected(self, signal: QuantumSignal, pixel_mm: tuple[float, float] | None = None) -> Tensor:
        """Mean counts per pixel [..., H, W], and per window [..., K, H, W] of a `PhotonCounter`."""
        return signal.mean

    def image(
        self, signal: QuantumSignal, pixel_mm: tuple[float, float] | None, generator: torch.Generator | None
    ) -> Tensor:
        """Counts of one frame, Poisson."""
        if not self.quantum_noise:
            return signal.mean
        return quantum_noise(signal.mean, signal.variance, generator=needed(generator))


@dataclass(frozen=True, kw_only=True)
class IdealCounter(_Counter):
    """Counts every photon once.

    Attributes:
        quantum_noise: draw the counts; else their mean.
        grid: the anti-scatter grid in front, or None.
    """

    def response(self, energies_kev: Tensor) -> Response:
        """One count per photon."""
        return Response(torch.ones_like(energies_kev), torch.ones_like(energies_kev))


@dataclass(frozen=True, kw_only=True)
class PhotonCounter(_Counter):
    """Counts pulses between thresholds; its images have one channel per window [..., K, H, W], the last one open.

    The axis K stays where there is one threshold, so that no shape depends on their number.

    Attributes:
        thresholds_kev: K rising thresholds, keV.
        thickness_mm: of the CdTe sensor.
        fill_factor: share of the pixel's area that is sensitive.
        resolution_fwhm_kev: width of a pulse height, keV.
        shared: chance that a pulse is split with a neighbouring pixel, at random between the two.
        escape: chance that a K photon leaves the pixel.
        quantum_noise: draw the counts; else their mean.
        grid: the anti-scatter grid in front, or None.

    The defaults are the thresholds, thickness and fill factor of XCIST's photon-counting scanner; width, sharing and
    escape are plain numbers for pixels of some 0.3 mm, to be replaced by those of a sensor at hand.
    """

    thresholds_kev: tuple[float, ...] = (24.0, 30.0, 40.0, 60.0, 80.0, 100.0)
    thickness_mm: float = 1.6
    fill_factor: float = 0.88
    resolution_fwhm_kev: float = 6.0
    shared: float = 0.2
    escape: float = 0.3

    def __post_init__(self) -> None:
        plain_fields(self)
        levels = (0.0, *self.thresholds_kev, math.inf)
        if not self.thresholds_kev or not all(low < high for low, high in pairwise(levels)):
            raise ValueError(f"thresholds_kev must be positive, finite and rise, got {self.thresholds_kev}")
        for name in ("thickness_mm", "resolution_fwhm_kev"):
            if not 0.0 < (value := getattr(self, name)) < math.inf:
                raise ValueError(f"{name} must be positive and finite, got {value}")
        if not 0.0 < self.fill_factor <= 1.0:
            raise ValueError(f"fill_factor must be in (0, 1], got {self.fill_factor}")
        for name in ("shared", "escape"):
            if not 0.0 <= (value := getattr(self, name)) <= 1.0:
                raise ValueError(f"{name} must be a probability, got {value}")

    def response(self, energies_kev: Tensor) -> Response:
        """The response matrix: mean counts per photon that reaches the pixel, [K, E].

        A window counts a photon at most once, and what a split sends next door comes in from there as often, so the
        counts of a window are Poisson. That neighbours and windows then share photons is not drawn.
        """
        energy = energies_kev.detach().double().cpu()
        absorbed = self.fill_factor * (1 - torch.exp(-linear_attenuation(_CDTE, energy) * self.thickness_mm))
        counts = absorbed * self._pulses_in_windows(energy)
        return Response(counts.to(energies_kev), counts.to(energies_kev))

    def _pulses_in_windows(self, energy: Tensor) -> Tensor:
        """Mean pulses per absorbed photon in each window, [K, E]."""
        lost = [(line, torch.where(energy > edge, self.escape * share, 0.0)) for edge, line, share in _K_LINES]
        whole = torch.ones_like(energy) - torch.stack([share for _, share in lost]).sum(dim=0)
        pulses = (1 - self.shared) * whole * self._in_windows(energy)
        for line, share in lost:
            pulses = pulses + (1 - self.shared) * share * self._in_windows((energy - line).clamp(min=0.0))
        parts = (torch.arange(_SHARED_PULSES, dtype=torch.float64) + 0.5) / _SHARED_PULSES
        split = torch.stack([self._in_windows(energy * part) for part in parts]).mean(dim=0)
        return pulses + 2 * self.shared * split  # two pulses, each of any height up to E

    def _in_windows(self, pulse_kev: Tensor) -> Tensor:
        """Chance that a pulse of mean height [E] falls in each window, [K, E]."""
        width = self.resolution_fwhm_kev / (2 * math.sqrt(2 * math.log(2))) * math.sqrt(2)
        above = [0.5 * torch.erfc((level - pulse_kev) / width) for level in self.thresholds_kev]
        return torch.stack([low - high for low, high in pairwise([*above, torch.zeros_like(pulse_kev)])])
