"""Weighted sums over a beam behind an object: from a spectrum to `spectral_sums`."""

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from deepdrr._numbers import plain
from deepdrr._snapshot import lasting
from deepdrr.materials import Material, as_material, attenuation_matrix
from deepdrr.spectrum._quadrature import SpectralQuadrature, fit_quadrature
from deepdrr.spectrum._spectrum import Spectrum
from deepdrr.spectrum.sums._operator import spectral_sums

__all__ = ["weighted_sums"]

_NEGLIGIBLE = 1e-10  # fraction of all photons, per bin: 150 such bins stay below the resolution of float32
_STEPS_PER_OCTAVE = 2  # steps of the ranges that quadratures are fitted to, so that the next frame can use the same
_LEAST_RANGE_G_CM2 = 0.01
_ROUNDING_G_CM2 = 1e-3  # values below zero by no more than this (0.01 mm of water) count as zero


def weighted_sums(
    area_densities: Tensor,
    spectrum: Spectrum,
    materials: Sequence[Material | str],
    per_photon: Tensor,
    *,
    tolerance: float | None = None,
) -> Tensor:
    """Σ n(E) w(E) T(E) behind an object, for several weights at once.

    Args:
        area_densities: [..., M, H, W] in g/cm², float32 or float64; differentiable.
        spectrum: the open beam, n(E); differentiable in its `photons`.
        materials: the M materials.
        per_photon: [K, E] weight of a photon of each bin, not negative: 1, its energy, or a detector's response.
        tolerance: None sums over every bin. A number replaces them by a few energies, with at most this relative error
            (see `fit_quadrature`; 1e-4 is usual). These are fitted to the range of the area densities, which takes 20
            to 40 ms for a new range. A spectrum that requires a gradient is always summed in full.

    Returns:
        [..., K, H, W], dtype of `area_densities`.

    Example:
        >>> from deepdrr.spectrum import tungsten_spectrum
        >>> beam = tungsten_spectrum(80.0)
        >>> weighted_sums(torch.full((1, 4, 4), 20.0), beam, ["water"], beam.energies_kev[None]).shape
        torch.Size([1, 4, 4])
    """
    found = tuple(as_material(m) for m in materials)
    tolerance = plain(tolerance)
    if tolerance is None or spectrum.photons.requires_grad or not area_densities.numel():
        mu, weights = _every_bin(spectrum, found, per_photon)
    else:
        few = _quadrature(area_densities.detach(), spectrum, found, per_photon, tolerance)
        mu, weights = few.mu, few.weights
    device = area_densities.device
    return spectral_sums(area_densities, mu.to(device), weights.to(device))


def _every_bin(spectrum: Spectrum, materials: tuple[Material, ...], per_photon: Tensor) -> tuple[Tensor, Tensor]:
    """µ [M, E] and weights [K, E] of the bins that hold photons."""
    share = (spectrum.photons / spectrum.photons.sum()).detach()
    lit = share > _NEGLIGIBLE
    return attenuation_matrix(materials, spectrum.energies_kev[lit]), (per_photon * spectrum.photons)[:, lit]


def _quadrature(
    area_densities: Tensor, spectrum: Spectrum, materials: tuple[Material, ...], per_photon: Tensor, tolerance: float
) -> SpectralQuadrature:
    ends = torch.aminmax(area_densities.movedim(-3, 0).reshape(len(materials), -1), dim=1)
    lowest, highest = (end.tolist() for end in ends)
    low = tuple(-_outwards(-value) if value < -_ROUNDING_G_CM2 else 0.0 for value in lowest)
    high = tuple(_outwards(max(value, 0.0)) for value in highest)
    beam = torch.stack([spectrum.energies_kev, spectrum.photons]).cpu().numpy()
    weights = (per_photon * spectrum.photons).detach().cpu().double().numpy()
    return _fitted(beam.tobytes(), weights.tobytes(), len(weights), materials, (low, high), tolerance)


def _outwards(value: float) -> float:
    """Round up to a power of √2, at least 0.01."""
    steps = math.ceil(math.log2(max(value, _LEAST_RANGE_G_CM2)) * _STEPS_PER_OCTAVE - 1e-9)
    rung: float = 2.0 ** (steps / _STEPS_PER_OCTAVE)
    return rung


@lru_cache(maxsize=32)
@lasting()
def _fitted(
    beam: bytes,
    weights: bytes,
    rows: int,
    materials: tuple[Material, ...],
    ends: tuple[tuple[float, ...], tuple[float, ...]],
    tolerance: float,
) -> SpectralQuadrature:
    """Cached by value: the same beam, weights and range give the same record for every caller."""
    energies, photons = torch.from_numpy(np.frombuffer(beam).reshape(2, -1).copy())
    table = torch.from_numpy(np.frombuffer(weights).reshape(rows, -1).copy())
    low, high = ends
    spectrum = Spectrum(energies, photons)
    return fit_quadrature(spectrum, materials, high, min_area_densities=low, weights=table, tolerance=tolerance)
