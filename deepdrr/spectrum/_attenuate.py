"""Beer–Lambert law over a spectrum: area densities → what reaches the detector."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from deepdrr.materials import Material
from deepdrr.spectrum._quadrature import photon_moments
from deepdrr.spectrum._spectrum import Spectrum
from deepdrr.spectrum.sums._weighted_sums import weighted_sums

__all__ = ["PrimaryBeam", "attenuate", "open_beam"]

_ROUNDING_G_CM2 = 1e-3  # an area density may be this far below zero from rounding (0.01 mm of water)


@dataclass(frozen=True, eq=False)
class PrimaryBeam:
    """Moments of the photons that arrive without scattering, per pixel.

    The unit is that of the spectrum's `photons` times `fluence`: photons per mm² per mAs at 1 m if nothing else
    was said.

    Attributes:
        photons: [..., H, W] number of photons, Σ n T.
        energy_kev: [..., H, W] their energy, Σ n E T.
        energy_sq_kev2: [..., H, W] sum of squared energies, Σ n E² T: the variance of the energy that arrives.
    """

    photons: Tensor
    energy_kev: Tensor
    energy_sq_kev2: Tensor


def attenuate(
    area_densities: Tensor,
    spectrum: Spectrum,
    materials: Sequence[Material | str],
    *,
    fluence: Tensor | float = 1.0,
    negative: Literal["raise", "allow"] = "raise",
    tolerance: float | None = None,
) -> PrimaryBeam:
    """The primary beam behind an object, polychromatic.

    Args:
        area_densities: [..., M, H, W] in g/cm², float32 or float64; differentiable.
        spectrum: the open beam; differentiable in its `photons`.
        materials: the M materials.
        fluence: factor on the spectrum's photons, a number or broadcastable to [..., H, W]: mAs, inverse square,
            pixel area, heel.
        negative: what to do with area densities below −0.001 g/cm²: `"raise"`, or `"allow"` (a cubic spline can
            undershoot at the skin), where transmission exceeds one.
        tolerance: None sums over every bin of the spectrum; a relative error such as 1e-4 lets a few energies stand for
            them, see `weighted_sums`.

    Returns:
        The three moments, [..., H, W] each, dtype of `area_densities`.

    Raises:
        ValueError: if the shape does not hold one channel per material, values are NaN, infinite or negative.

    Example:
        >>> from deepdrr.spectrum import monochromatic
        >>> beam = attenuate(torch.ones(1, 4, 4), monochromatic(60.0), ["water"])
        >>> f"{beam.photons[0, 0]:.4f}"  # exp(-0.2059)
        '0.8139'
    """
    _check(area_densities, materials, negative)
    energies = spectrum.energies_kev
    per_photon = torch.stack([torch.ones_like(energies), energies, energies**2])
    sums = weighted_sums(area_densities, spectrum, materials, per_photon, tolerance=tolerance)
    return PrimaryBeam(*(sum_k * fluence for sum_k in sums.unbind(-3)))


def open_beam(spectrum: Spectrum) -> PrimaryBeam:
    """The moments with nothing in the beam: three scalars, float64."""
    return PrimaryBeam(*photon_moments(spectrum).sum(dim=1))


def _check(area_densities: Tensor, materials: Sequence[Material | str], negative: str) -> None:
    shape = tuple(area_densities.shape)
    if len(shape) < 3 or shape[-3] != len(materials):
        raise ValueError(f"area_densities must be [..., {len(materials)}, H, W], one channel per material, got {shape}")
    if not area_densities.is_floating_point():
        raise ValueError(f"area_densities must be float32 or float64, got {area_densities.dtype}")
    if negative not in ("raise", "allow"):
        raise ValueError(f"negative must be 'raise' or 'allow', got {negative!r}")
    if not area_densities.numel():
        return
    low, high = torch.aminmax(area_densities.detach())
    if not bool(torch.isfinite(low) & torch.isfinite(high)):
        raise ValueError("area_densities must be finite, got NaN or infinite values")
    if negative == "raise" and float(low) < -_ROUNDING_G_CM2:
        raise ValueError(
            f"area_densities must not be negative (negative='allow' lets it pass), got {float(low):g} g/cm²"
        )
