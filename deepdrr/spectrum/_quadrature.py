"""A few energies that represent a whole spectrum.

The sum Sₖ(a) = Σₑ wₖₑ exp(−a·µₑ) runs over 50 to 140 bins. For area densities a of a known range, some ten of these
bins with weights vₖ ≥ 0 of their own give the same sums,

    |Σ_q v_kq exp(−a·µ_q) / Sₖ(a) − 1| ≤ ε    for all k and all a of the range

The bins are picked one by one where the residual asks most for them, and all weights are refitted without negative
ones after each (Lawson and Hanson 1974, ch. 23, for K right sides with one common set of columns). The nodes are
energies of the spectrum, so absorption edges lie where they are. The stated error is measured afterwards, on area
densities that were not part of the fit.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deepdrr.materials import Material, as_material, attenuation_matrix
from deepdrr.spectrum._spectrum import Spectrum

__all__ = ["SpectralQuadrature", "fit_quadrature", "photon_moments"]

_Array = NDArray[np.float64]

_FIT_POINTS, _CHECK_POINTS = 400, 8000
_MARGIN = 0.8  # of the tolerance: the fit aims lower than what the check on other points must find
_EXPONENT_MAX = 600.0  # a·µ above which exp underflows float64 and no relative error can be stated


@dataclass(frozen=True, eq=False)
class SpectralQuadrature:
    """Nodes and weights for `spectral_sums`, good for a range of area densities.

    Attributes:
        materials: the M materials.
        energies_kev: [Q] the nodes' energies in keV.
        mu: [M, Q] mass attenuation at the nodes in cm²/g, float64.
        weights: [K, Q] not negative, float64; their sum over Q is that of the given weights to the tolerance.
        area_densities: [M, 2] lowest and highest area density it was fitted for, g/cm².
        max_relative_error: largest relative error of any of the K sums on a dense sample of that range.
        reason: why it has the nodes it has, for a log.
    """

    materials: tuple[Material, ...]
    energies_kev: Tensor
    mu: Tensor
    weights: Tensor
    area_densities: Tensor
    max_relative_error: float
    reason: str

    def __len__(self) -> int:
        return len(self.energies_kev)


def photon_moments(spectrum: Spectrum) -> Tensor:
    """Weights of the photons, their energy and its square, [3, E]: n, n E, n E²."""
    photons, energies = spectrum.photons, spectrum.energies_kev
    return torch.stack([photons, photons * energies, photons * energies**2])


def fit_quadrature(
    spectrum: Spectrum,
    materials: Sequence[Material | str],
    max_area_densities: Sequence[float] | Tensor,
    *,
    min_area_densities: Sequence[float] | Tensor | None = None,
    weights: Tensor | None = None,
    tolerance: float = 1e-4,
) -> SpectralQuadrature:
    """Find the few energies and weights that replace the sum over all bins.

    Args:
        spectrum: the beam. Gradients do not pass to it: use all bins where a spectrum is to be learned.
        materials: the M materials in the beam.
        max_area_densities: [M] highest area density of each, g/cm². The range is the box of all combinations.
        min_area_densities: [M] lowest; default zero. May be negative (a heel map, relative to the central ray).
        weights: [K, E] weights of the bins of each sum, not negative, such as photons times a detector's response;
            the default is `photon_moments`.
        tolerance: largest relative error of any sum at any point of the range.

    Returns:
        The quadrature. Where no smaller set reaches the tolerance it holds every bin that counts, and `reason` says
        so; its error is then zero.

    Raises:
        ValueError: if shapes do not match, a weight is negative or NaN, the range is not one, or the tolerance not
            between 1e-7 and 0.1.

    Example:
        >>> from deepdrr.spectrum import tungsten_spectrum
        >>> few = fit_quadrature(tungsten_spectrum(80.0), ["water", "bone"], [40.0, 8.0])
        >>> len(few) <= 12 and few.max_relative_error <= 1e-4
        True
    """
    found = tuple(as_material(m) for m in materials)
    box = _box(min_area_densities, max_area_densities, len(found))
    table = (photon_moments(spectrum) if weights is None else weights).detach().to("cpu", torch.float64)
    _check_arguments(spectrum, table, tolerance)
    lit = ((table > 0).any(dim=0)).nonzero()[:, 0]
    energies, table = spectrum.energies_kev.detach().cpu()[lit], table[:, lit]
    mu = attenuation_matrix(found, energies)
    columns, fitted, error, reason = _select(mu.numpy(), table.numpy(), box, tolerance)
    nodes = torch.from_numpy(columns)
    return SpectralQuadrature(
        found, energies[nodes], mu[:, nodes], torch.from_numpy(fitted), torch.from_numpy(box), error, reason
    )


def _select(mu: _Array, weights: _Array, box: _Array, tolerance: float) -> tuple[NDArray[np.int64], _Array, float, str]:
    """Columns, weights [K, Q], error and reason: the smallest set that passes the check, else all bins."""
    every = np.arange(mu.shape[1])
    if float((box.max(axis=1) @ mu).min()) > _EXPONENT_MAX:
        return every, weights, 0.0, "all bins: nothing measurable passes the largest area densities"
    fit, check = (_Problem.at(_points(box, n, seed), mu, weights) for n, seed in ((_FIT_POINTS, 1), (_CHECK_POINTS, 2)))
    for columns, fitted in _growing(fit):
        if len(columns) >= len(every):
            break
        if fit.error(columns, fitted) <= _MARGIN * tolerance and (error := check.error(columns, fitted)) <= tolerance:
            return columns, fitted, error, f"{len(columns)} of {len(every)} bins reach {tolerance:g}"
    return every, weights, 0.0, f"all bins: no smaller set reached {tolerance:g}"


@dataclass(frozen=True, eq=False)
class _Problem:
    """transmission [S, E] at S points, and the sums [K, S] that are to be found."""

    transmission: _Array
    sums: _Array

    @classmethod
    def at(cls, points: _Array, mu: _Array, weights: _Array) -> "_Problem":
        # Each point is scaled by its best bin: relative errors stay the same and nothing underflows.
        exponent = points @ mu
        transmission = np.exp(exponent.min(axis=1, keepdims=True) - exponent)
        return cls(transmission, weights @ transmission.T)

    def error(self, columns: NDArray[np.int64], weights: _Array) -> float:
        """Largest relative error."""
        return float(np.abs(weights @ self.transmission[:, columns].T / self.sums - 1).max())


def _growing(problem: _Problem) -> Iterator[tuple[NDArray[np.int64], _Array]]:
    """Column sets that grow (and shed what is no longer used) with their non-negative weights."""
    from scipy.optimize import nnls

    scaled = problem.transmission[None] / problem.sums[:, :, None]  # [K, S, E]; every sum is to become 1
    length = np.linalg.norm(scaled, axis=1)  # [K, E]
    scaled /= length[:, None, :]
    used: NDArray[np.bool_] = np.zeros(scaled.shape[2], dtype=bool)
    solution = np.zeros(length.shape)
    for _ in range(2 * len(used)):
        pull = np.einsum("ks,kse->ke", 1 - np.einsum("kse,ke->ks", scaled, solution), scaled).clip(min=0).sum(axis=0)
        pull[used] = -1.0
        best = int(pull.argmax())
        if pull[best] <= 0:
            return
        used[best] = True
        for k, matrix in enumerate(scaled):
            # Neighboring bins are nearly parallel: some fits need more than the 3 steps a column that scipy allows.
            solution[k, used] = nnls(matrix[:, used], np.ones(len(matrix)), maxiter=100 * len(used))[0]
        used = np.asarray((solution > 0).any(axis=0))
        columns = np.flatnonzero(used)
        yield columns, (solution / length)[:, columns]


def _points(box: _Array, count: int, seed: int) -> _Array:
    """[S, M] area densities: all corners, and points inside, on faces and edges, half of them drawn to the low end."""
    corners = np.array(list(product((0.0, 1.0), repeat=len(box))))
    draw = np.random.default_rng(seed)
    unit = draw.random((count, len(box)))
    unit = np.where(draw.random(unit.shape) < 0.3, np.round(unit), unit)
    unit = unit ** draw.choice([1.0, 2.0], size=(count, 1))
    points: _Array = box[:, 0] + (box[:, 1] - box[:, 0]) * np.concatenate([corners, unit])
    return points


def _box(lowest: Sequence[float] | Tensor | None, highest: Sequence[float] | Tensor, count: int) -> _Array:
    high = torch.as_tensor(highest, dtype=torch.float64).detach().cpu()
    low = torch.zeros_like(high) if lowest is None else torch.as_tensor(lowest, dtype=torch.float64).detach().cpu()
    for name, value in (("max_area_densities", high), ("min_area_densities", low)):
        if value.shape != (count,) or not bool(torch.isfinite(value).all()):
            raise ValueError(f"{name} must hold {count} finite numbers, one per material, got {value.tolist()}")
    if bool((high < low).any()):
        raise ValueError(f"max_area_densities must not be below min_area_densities {low.tolist()}, got {high.tolist()}")
    return np.stack([low.numpy(), high.numpy()], axis=1)


def _check_arguments(spectrum: Spectrum, weights: Tensor, tolerance: float) -> None:
    bins = len(spectrum.energies_kev)
    if weights.ndim != 2 or weights.shape[1] != bins:
        raise ValueError(f"weights must be [K, {bins}], one column per bin of the spectrum, got {tuple(weights.shape)}")
    if not bool((torch.isfinite(weights) & (weights >= 0)).all()) or not bool((weights > 0).any(dim=1).all()):
        raise ValueError("weights must be finite and not negative, with at least one positive bin in every row")
    if not 1e-7 <= tolerance <= 0.1:
        raise ValueError(f"tolerance must be between 1e-7 and 0.1 (1e-4 is usual), got {tolerance}")
