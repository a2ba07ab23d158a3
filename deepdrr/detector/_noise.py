"""The two noises of a flat panel, each a draw from a generator."""

import math

import torch
from torch import Tensor

from deepdrr.detector.draws._draws import draw_electrons, draw_quanta, seed_from

__all__ = ["electronic_noise", "quantum_noise"]

# Far beyond any exposure: 1 Gy of diagnostic X-rays is 3e10 photons per mm². Double precision holds 1e18 to 128.
_MOST_PHOTONS = 1e18


def quantum_noise(mean_kev: Tensor, variance_kev2: Tensor, *, generator: torch.Generator) -> Tensor:
    """Draw the energy absorbed in each pixel, given its mean and variance over the photons' number and energy.

    The energy brought by a Poisson number of photons of many energies is compound Poisson, with mean S = Σ n E and
    variance V = Σ n E². It is drawn as k V/S with k ~ Poisson(S²/V): mean and variance are exactly S and V at any
    level, also below one photon per pixel, and the draw is never negative. The gradient is that of the mean.

    Args:
        mean_kev: S [...], keV.
        variance_kev2: V [...], keV².
        generator: source of the draw's seed, on any device; the same state gives the same noise, to the last bit, on
            any number of threads, on the CPU and by the kernels for NVIDIA GPUs.

    Returns:
        [...], keV, of the type of `mean_kev`.

    Raises:
        TypeError: if `generator` is None.
        ValueError: if shapes or devices differ, a value is negative, infinite or NaN, or there are too many photons
            for any exposure.

    Example:
        >>> draw = quantum_noise(torch.zeros(2), torch.zeros(2), generator=torch.Generator())
        >>> draw.tolist()
        [0.0, 0.0]
    """
    _check_generator(generator)
    _check_moment(mean_kev, "mean_kev")
    _check_moment(variance_kev2, "variance_kev2")
    if mean_kev.shape != variance_kev2.shape:
        shapes = f"{tuple(mean_kev.shape)} and {tuple(variance_kev2.shape)}"
        raise ValueError(f"mean_kev and variance_kev2 must have the same shape, got {shapes}")
    _check_countable(mean_kev.detach().double(), variance_kev2.detach().double())
    return _with_gradient_of(draw_quanta(mean_kev, variance_kev2, seed_from(generator)), mean_kev)


def electronic_noise(signal_kev: Tensor, rms_kev: float, *, generator: torch.Generator) -> Tensor:
    """Add the noise of the readout: Gaussian, independent in each pixel. The result may be negative.

    Args:
        signal_kev: [...], keV.
        rms_kev: standard deviation, keV: electrons rms over electrons per keV.
        generator: source of the draw's seed, as for `quantum_noise`.

    Returns:
        [...], keV.

    Raises:
        TypeError: if `generator` is None.
        ValueError: if `rms_kev` is negative or not finite.
    """
    _check_generator(generator)
    if not 0.0 <= rms_kev < math.inf:
        raise ValueError(f"rms_kev must be a finite number of keV, 0 or more, got {rms_kev}")
    return signal_kev + draw_electrons(signal_kev, rms_kev, seed_from(generator))


def _with_gradient_of(drawn: Tensor, mean: Tensor) -> Tensor:
    """The drawn values, with the gradient of their mean where one is asked for."""
    return mean + (drawn - mean).detach() if mean.requires_grad else drawn


def _check_generator(generator: torch.Generator) -> None:
    if not isinstance(generator, torch.Generator):
        raise TypeError(f"generator must be a torch.Generator: noise has no global state, got {generator!r}")


def _check_countable(mean: Tensor, variance: Tensor) -> None:
    """Refuse more photons than any exposure brings: a unit must be wrong."""
    most = float(torch.where(variance > 0, mean * (mean / variance), 0.0).amax()) if mean.numel() else 0.0
    if not most < _MOST_PHOTONS:
        raise ValueError(f"mean_kev must be that of fewer than {_MOST_PHOTONS:.0e} photons per pixel, got {most:.3g}")


def _check_moment(values: Tensor, name: str) -> None:
    wrong = values.detach()
    wrong = wrong[~(torch.isfinite(wrong) & (wrong >= 0))]
    if wrong.numel():
        raise ValueError(f"{name} must be finite and not negative, got {float(wrong[0])} in {wrong.numel()} pixels")
