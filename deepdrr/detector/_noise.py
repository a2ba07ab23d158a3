"""The two noises of a flat panel, each a draw from a generator."""

import math

import torch
from torch import Tensor

__all__ = ["electronic_noise", "quantum_noise"]

# A tenth of what 64 bits hold, far beyond any exposure: 1 Gy of diagnostic X-rays is 3e10 photons per mm².
_MOST_PHOTONS = 1e18


def quantum_noise(mean_kev: Tensor, variance_kev2: Tensor, *, generator: torch.Generator) -> Tensor:
    """Draw the energy absorbed in each pixel, given its mean and variance over the photons' number and energy.

    The energy brought by a Poisson number of photons of many energies is compound Poisson, with mean S = Σ n E and
    variance V = Σ n E². It is drawn as k V/S with k ~ Poisson(S²/V): mean and variance are exactly S and V at any
    level, also below one photon per pixel, and the draw is never negative. The gradient is that of the mean.

    Args:
        mean_kev: S [...], keV.
        variance_kev2: V [...], keV².
        generator: source of the draw, on the tensors' device; the same state gives the same noise on any number of
            threads.

    Returns:
        [...], keV, of the type of `mean_kev`.

    Raises:
        TypeError: if `generator` is none.
        ValueError: if shapes or devices differ, a value is negative, infinite or NaN, or there are too many photons
            to be counted in 64 bits.

    Example:
        >>> draw = quantum_noise(torch.zeros(2), torch.zeros(2), generator=torch.Generator())
        >>> draw.tolist()
        [0.0, 0.0]
    """
    _check_generator(generator, mean_kev)
    _check_moment(mean_kev, "mean_kev")
    _check_moment(variance_kev2, "variance_kev2")
    if mean_kev.shape != variance_kev2.shape:
        shapes = f"{tuple(mean_kev.shape)} and {tuple(variance_kev2.shape)}"
        raise ValueError(f"mean_kev and variance_kev2 must have the same shape, got {shapes}")
    mean, variance = mean_kev.detach().double(), variance_kev2.detach().double()
    _check_countable(mean, variance)
    lit = (mean > 0) & (variance > 0)
    kev_per_count = torch.where(lit, variance / mean, 1.0)
    counts = torch.poisson(torch.where(lit, mean / kev_per_count, 0.0), generator=generator)
    return _with_gradient_of((counts * kev_per_count).to(mean_kev.dtype), mean_kev)


def electronic_noise(signal_kev: Tensor, rms_kev: float, *, generator: torch.Generator) -> Tensor:
    """Add the noise of the readout: Gaussian, independent in each pixel. The result may be negative.

    Args:
        signal_kev: [...], keV.
        rms_kev: standard deviation, keV: electrons rms over electrons per keV.
        generator: source of the draw, on the tensor's device.

    Returns:
        [...], keV.

    Raises:
        TypeError: if `generator` is none.
        ValueError: if `rms_kev` is negative or not finite.
    """
    _check_generator(generator, signal_kev)
    if not 0.0 <= rms_kev < math.inf:
        raise ValueError(f"rms_kev must be a finite number of keV, 0 or more, got {rms_kev}")
    unit = torch.randn(signal_kev.shape, generator=generator, dtype=signal_kev.dtype, device=signal_kev.device)
    return signal_kev + rms_kev * unit


def _with_gradient_of(drawn: Tensor, mean: Tensor) -> Tensor:
    """The drawn values, with the gradient of their mean where one is asked for."""
    return mean + (drawn - mean).detach() if mean.requires_grad else drawn


def _check_generator(generator: torch.Generator, tensor: Tensor) -> None:
    if not isinstance(generator, torch.Generator):
        raise TypeError(f"generator must be a torch.Generator: noise has no global state, got {generator!r}")
    if generator.device.type != tensor.device.type:
        raise ValueError(f"generator must be on the tensor's device {tensor.device}, got {generator.device}")


def _check_countable(mean: Tensor, variance: Tensor) -> None:
    """torch counts in 64-bit integers, which wrap around without a word."""
    most = float(torch.where(variance > 0, mean * (mean / variance), 0.0).amax()) if mean.numel() else 0.0
    if not most < _MOST_PHOTONS:
        raise ValueError(f"mean_kev must be that of fewer than {_MOST_PHOTONS:.0e} photons per pixel, got {most:.3g}")


def _check_moment(values: Tensor, name: str) -> None:
    wrong = values.detach()
    wrong = wrong[~(torch.isfinite(wrong) & (wrong >= 0))]
    if wrong.numel():
        raise ValueError(f"{name} must be finite and not negative, got {float(wrong[0])} in {wrong.numel()} pixels")
