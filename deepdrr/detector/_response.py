"""What a detector makes of photons of each energy, and the mean and variance of the signal that follows.

Photons arrive as a Poisson process, so with n(E) photons in a pixel, transmitted with T(E), each of
which leaves a signal of mean w₁(E) and mean square w₂(E),

    S = Σ n T w₁        V = Σ n T w₂

are the mean and the variance of the pixel's signal (compound Poisson).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from deepdrr.detector._grid import Grid
from deepdrr.materials import Material, attenuation_matrix
from deepdrr.spectrum import Spectrum, spectral_sums

__all__ = ["Detector", "QuantumSignal", "Response", "absorb"]

_NEGLIGIBLE = 1e-10  # of all photons, per bin


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
) -> QuantumSignal:
    """The signal that the primary beam leaves in a detector behind an object, before grid, blur and noise.

    Args:
        area_densities: [..., M, H, W] in g/cm², float32 or float64; differentiable.
        spectrum: the open beam; differentiable in its `photons`.
        materials: the M materials.
        detector: whose response is summed.
        fluence: factor on the spectrum's photons, a number or [..., H, W], see `fluence_scale`.

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
    lit = (spectrum.photons / spectrum.photons.sum()).detach() > _NEGLIGIBLE
    energies, photons = spectrum.energies_kev[lit], spectrum.photons[lit]
    response = detector.response(energies)
    per_photon = torch.cat([torch.atleast_2d(response.mean), torch.atleast_2d(response.mean_square)])  # [2 K, E]
    like = {"dtype": area_densities.dtype, "device": area_densities.device}
    mu = attenuation_matrix(materials, energies).to(**like)  # type: ignore[call-overload]
    sums = spectral_sums(area_densities, mu, (per_photon * photons).to(**like))  # type: ignore[call-overload]
    mean, variance = sums.chunk(2, dim=-3)
    if response.mean.ndim == 1:
        mean, variance = mean.squeeze(-3), variance.squeeze(-3)
    elif isinstance(fluence, Tensor):
        fluence = fluence.unsqueeze(-3)  # one factor for all bins
    return QuantumSignal(mean, variance).scaled(fluence)
