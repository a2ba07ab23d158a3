"""What a detector makes of photons of each energy, and the mean and variance of the signal that follows.

Photons arrive as a Poisson process, so with n(E) photons in a pixel, transmitted with T(E), each of
which leaves a signal of mean w₁(E) and mean square w₂(E),

    S = Σ n T w₁        V = Σ n T w₂

are the mean and the variance of the pixel's signal (compound Poisson).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from deepdrr.detector._grid import Grid
from deepdrr.materials import Material
from deepdrr.spectrum import Spectrum, weighted_sums

__all__ = ["Detector", "QuantumSignal", "Response", "absorb"]


@dataclass(frozen=True, eq=False)
class Response:
    """Signal per photon that reaches the pixel, by energy.

    Attributes:
        mean: w₁ [E], or [K, E] for a detector of K energy bins; keV absorbed, or counts.
        mean_square: w₂, the same shape; keV² or counts².
    """

    mean: Tensor
    mean_square: Tensor

    @property
    def swank_dqe(self) -> Tensor:
        """DQE(0) for photons of one energy, w₁² / w₂: absorption times Swank factor; 0 where nothing is absorbed."""
        return torch.where(self.mean_square > 0, self.mean**2 / self.mean_square.clamp(min=1e-300), 0.0)


@dataclass(frozen=True, eq=False)
class QuantumSignal:
    """Mean and variance of what the X-ray quanta leave in each pixel; independent sources add.

    Attributes:
        mean: S [..., H, W], or [..., K, H, W]; keV absorbed (or counts) per pixel.
        variance: V, the same shape; keV² (or counts²) per pixel.
    """

    mean: Tensor
    variance: Tensor

    def __add__(self, other: "QuantumSignal") -> "QuantumSignal":
        return QuantumSignal(self.mean + other.mean, self.variance + other.variance)

    def scaled(self, fluence: Tensor | float) -> "QuantumSignal":
        """The signal of `fluence` times as many photons: more exposure, or a part let through."""
        return QuantumSignal(self.mean * fluence, self.variance * fluence)


@runtime_checkable
class Detector(Protocol):
    """What every detector can do. The stages before it need `response`, those after it the two images."""

    @property
    def grid(self) -> Grid | None:
        """The anti-scatter grid in front."""

    @property
    def unit(self) -> str:
        """Unit of the images: `"keV"` absorbed per pixel, `"counts"` or `"ADU"`."""

    @property
    def draws(self) -> bool:
        """Whether `image` draws noise."""

    def response(self, energies_kev: Tensor) -> Response:
        """Signal per photon at energies [E]."""

    def expected(self, signal: QuantumSignal, pixel_mm: tuple[float, float] | None) -> Tensor:
        """The image without noise, differentiable; pixel_mm is the distance between rows and between columns."""

    def image(
        self, signal: QuantumSignal, pixel_mm: tuple[float, float] | None, generator: torch.Generator | None
    ) -> Tensor:
        """One draw of the image, with the gradient of `expected`."""


def absorb(
    area_densities: Tensor,
    spectrum: Spectrum,
    materials: Sequence[Material | str],
    detector: Detector,
    *,
    fluence: Tensor | float = 1.0,
    tolerance: float | None = None,
) -> QuantumSignal:
    """The signal that the primary beam leaves in a detector behind an object, before grid, blur and noise.

    Args:
        area_densities: [..., M, H, W] in g/cm², float32 or float64; differentiable.
        spectrum: the open beam; differentiable in its `photons`.
        materials: the M materials.
        detector: whose response is summed.
        fluence: factor on the spectrum's photons, a number or [..., H, W], see `fluence_scale`.
        tolerance: None sums over every bin; else relative error that fewer energies may make, see `weighted_sums`.

    Returns:
        Mean and variance [..., H, W], or [..., K, H, W] for a detector of K bins; dtype of `area_densities`.

    Raises:
        ValueError: if the densities do not hold one channel per material.

    Example:
        >>> from deepdrr.detector import FlatPanel
        >>> from deepdrr.spectrum import monochromatic
        >>> found = absorb(torch.zeros(1, 4, 4), monochromatic(60.0, 100.0), ["water"], FlatPanel())
        >>> f"{found.mean[0, 0] / 6000:.2f}"  # of the energy of 100 photons
        '0.71'
    """
    shape = tuple(area_densities.shape)
    if len(shape) < 3 or shape[-3] != len(materials):
        raise ValueError(f"area_densities must be [..., {len(materials)}, H, W], one channel per material, got {shape}")
    lit = spectrum.photons.detach() > 0
    response = detector.response(spectrum.energies_kev[lit])
    bins = 1 if response.mean.ndim == 1 else len(response.mean)
    per_photon = torch.zeros(2 * bins, len(lit), dtype=torch.float64, device=lit.device)
    per_photon[:, lit] = torch.cat([torch.atleast_2d(response.mean), torch.atleast_2d(response.mean_square)])
    sums = weighted_sums(area_densities, spectrum, materials, per_photon, tolerance=tolerance)
    mean, variance = sums.chunk(2, dim=-3)
    if response.mean.ndim == 1:
        mean, variance = mean.squeeze(-3), variance.squeeze(-3)
    elif isinstance(fluence, Tensor):
        fluence = fluence.unsqueeze(-3)  # one factor for all bins
    return QuantumSignal(mean, variance).scaled(fluence)
