"""Beer and Lambert over a spectrum: area densities → what reaches the detector.

For weights wₖₑ and aₘ the area densities of a pixel, the sum over the bins is exact:

    Sₖ = Σₑ wₖₑ exp(−Σₘ aₘ (µ/ρ)ₘₑ)

The pixels are taken in pieces and the transmissions are computed again on the way back, so neither
direction ever holds a [pixels, E] array of the whole picture.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from deepdrr.materials import Material, attenuation_matrix
from deepdrr.spectrum._spectrum import Spectrum

__all__ = ["PrimaryBeam", "attenuate", "open_beam", "spectral_sums"]

_CHUNK = 1 << 15  # pixels: [32768, 75] float32 is 10 MB; fewer pieces, fewer waits where threads compete
_NEGLIGIBLE = 1e-10  # of all photons, per bin: 150 such bins stay below float32's resolution
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
    energies, photons = _lit(spectrum, area_densities)
    mu = attenuation_matrix(materials, energies).to(area_densities.dtype)
    weights = torch.stack([photons, photons * energies, photons * energies**2]).to(area_densities.dtype)
    sums = spectral_sums(area_densities, mu, weights)
    return PrimaryBeam(*(sum_k * fluence for sum_k in sums.unbind(-3)))


def open_beam(spectrum: Spectrum) -> PrimaryBeam:
    """The moments with nothing in the beam: three scalars, float64."""
    photons, energies = spectrum.photons, spectrum.energies_kev
    return PrimaryBeam(photons.sum(), (photons * energies).sum(), (photons * energies**2).sum())


def spectral_sums(area_densities: Tensor, mu: Tensor, weights: Tensor) -> Tensor:
    """Weighted sums of the transmission over energy bins; the operator under `attenuate`.

    Args:
        area_densities: [..., M, H, W] in g/cm².
        mu: [M, E] mass attenuation in cm²/g, same dtype and device.
        weights: [K, E], same dtype and device: e.g. photons times energy times a detector's response.

    Returns:
        [..., K, H, W]. Differentiable once in all three.
    """
    batch, (m, height, width) = area_densities.shape[:-3], area_densities.shape[-3:]
    flat = area_densities.reshape(-1, m, height * width)
    sums: Tensor = _SpectralSums.apply(flat, mu, weights)  # type: ignore[no-untyped-call]
    return sums.reshape(*batch, weights.shape[0], height, width)


class _SpectralSums(torch.autograd.Function):
    """[B, M, N], [M, E], [K, E] → [B, K, N]."""

    @staticmethod
    def forward(ctx: Any, areas: Tensor, mu: Tensor, weights: Tensor) -> Tensor:
        ctx.save_for_backward(areas, mu, weights)
        sums = areas.new_empty(areas.shape[0], weights.shape[0], areas.shape[2])
        for b, piece in _pieces(areas):
            torch.mm(weights, _transmission(areas[b, :, piece], mu), out=sums[b, :, piece])
        return sums

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (grad,) = grads
        areas, mu, weights = ctx.saved_tensors
        wanted = ctx.needs_input_grad
        grad_areas = torch.empty_like(areas) if wanted[0] else None
        grad_mu = torch.zeros_like(mu) if wanted[1] else None
        grad_weights = torch.zeros_like(weights) if wanted[2] else None
        for b, piece in _pieces(areas):
            transmission = _transmission(areas[b, :, piece], mu)  # [E, n]
            out = grad[b, :, piece]
            if grad_weights is not None:
                grad_weights += out @ transmission.T
            exponent = transmission.mul_(weights.T @ out).neg_()  # dL/d(Σ a µ), [E, n]
            if grad_mu is not None:
                grad_mu += areas[b, :, piece] @ exponent.T
            if grad_areas is not None:
                grad_areas[b, :, piece] = mu @ exponent
        return grad_areas, grad_mu, grad_weights


def _transmission(areas: Tensor, mu: Tensor) -> Tensor:
    """[M, n], [M, E] → [E, n]."""
    return torch.mm(mu.T, areas).neg_().exp_()


def _pieces(areas: Tensor) -> list[tuple[int, slice]]:
    """Every picture of the batch in pieces of at most `_CHUNK` pixels."""
    starts = range(0, areas.shape[2], _CHUNK)
    return [(b, slice(start, start + _CHUNK)) for b in range(areas.shape[0]) for start in starts]


def _lit(spectrum: Spectrum, like: Tensor) -> tuple[Tensor, Tensor]:
    """Energies and photons of the bins that hold photons, on the device of `like`."""
    share = (spectrum.photons / spectrum.photons.sum()).detach()
    lit = share > _NEGLIGIBLE
    return spectrum.energies_kev[lit].to(like.device), spectrum.photons[lit].to(like.device)


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
