"""What photons look up on their way: cross sections over energy, angular shapes over x = sin(θ/2) / λ.

Probabilities come from the cross sections, angles from form factors and incoherent scattering functions: the scales in
the table divide the one by the integral of the other, so that both hold. The nodes are those of `photon_tables.h`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from deepdrr.materials import (
    HC_KEV_ANGSTROM,
    Material,
    coherent_intensity,
    electrons_per_gram,
    incoherent_intensity,
    mass_attenuation,
)

__all__ = ["MOST_MATERIALS", "PhotonTables", "klein_nishina", "photon_tables"]

_Floats = NDArray[np.float32]
_Array = NDArray[np.float64]

MOST_MATERIALS = 16
_HIGHEST_KEV = 200.0  # where the cross sections end; the nodes above repeat them
_HIGHEST_X = 16.5
_ELECTRON_KEV = 510.99895  # CODATA 2018
_PER_MM = 0.1  # cm²/g → 1/mm per g/cm³
_COSINES, _WEIGHTS = np.polynomial.legendre.leggauss(256)


@dataclass(frozen=True, eq=False)
class PhotonTables:
    """The tables of S materials, padded with empty ones to 4 or 16.

    Attributes:
        energy: [1025, 5, S] per g/cm³ and mm: total, Compton, Rayleigh, and the scales of the two angular shapes.
        angle: [481, 2, S]: electrons that scatter with loss, as a share of all, and the squared form factor.
        coherent: [S, 481]: the integral of the squared form factor over x².
    """

    energy: _Floats
    angle: _Floats
    coherent: _Floats


def photon_tables(materials: Sequence[Material]) -> PhotonTables:
    """The tables of up to 16 materials.

    Raises:
        ValueError: if there are none, or more than 16.
    """
    if not 1 <= len(materials) <= MOST_MATERIALS:
        raise ValueError(f"materials must be 1 to {MOST_MATERIALS} for photon transport, got {len(materials)}")
    padded = 4 if len(materials) <= 4 else MOST_MATERIALS
    energies, xs = _octaves(0, 8, 7), _octaves(-10, 5, 5)
    energy = np.zeros((len(energies), 5, padded), dtype=np.float32)
    angle = np.zeros((len(xs), 2, padded), dtype=np.float32)
    coherent = np.zeros((padded, len(xs)), dtype=np.float32)
    for s, material in enumerate(materials):
        incoherent_s, coherent_s = _shapes(material, xs)
        angle[:, 0, s], angle[:, 1, s] = incoherent_s, coherent_s
        coherent[s] = _running_integral(coherent_s, xs)
        energy[:, :, s] = _by_energy(material, np.minimum(energies, _HIGHEST_KEV), (xs, incoherent_s, coherent_s)).T
    return PhotonTables(energy, angle, coherent)


def _octaves(first: int, last: int, parts: int) -> _Array:
    """Nodes that divide each octave from 2^first to 2^last into 2^parts equal parts."""
    steps = 1.0 + np.arange(2**parts) / 2**parts
    found: _Array = np.append(np.concatenate([2.0**octave * steps for octave in range(first, last)]), 2.0**last)
    return found


def _shapes(material: Material, xs: _Array) -> tuple[_Array, _Array]:
    """S(x) per electron, and F²(x) relative to x = 0."""
    x = torch.from_numpy(np.minimum(xs, _HIGHEST_X))
    zero = coherent_intensity(material, torch.zeros((), dtype=torch.float64))
    return (
        (incoherent_intensity(material, x) / electrons_per_gram(material)).numpy(),
        (coherent_intensity(material, x) / zero).numpy(),
    )


def _running_integral(coherent: _Array, xs: _Array) -> _Array:
    """∫ F² d(x²) from 0 to each node; below the first F is constant."""
    squares = xs**2
    steps = 0.5 * (coherent[1:] + coherent[:-1]) * np.diff(squares)
    found: _Array = squares[0] * coherent[0] + np.concatenate([[0.0], np.cumsum(steps)])
    return found


def klein_nishina(energies_kev: _Array, cosines: _Array) -> _Array:
    """Klein and Nishina's cross section relative to forward scattering [E, C]."""
    ratio = 1 / (1 + energies_kev[:, None] / _ELECTRON_KEV * (1 - cosines))
    found: _Array = 0.5 * ratio**2 * (ratio + 1 / ratio - 1 + cosines**2)
    return found


def _by_energy(material: Material, energies: _Array, shapes: tuple[_Array, _Array, _Array]) -> _Array:
    """The five columns [5, E]."""
    xs, incoherent, coherent = shapes
    at = torch.from_numpy(energies)
    total, compton, rayleigh = (
        _PER_MM * mass_attenuation(material, at, process=process).numpy()
        for process in ("total", "compton", "rayleigh")
    )
    x = np.sqrt((1 - _COSINES) / 2) * energies[:, None] / HC_KEV_ANGSTROM
    bound = klein_nishina(energies, _COSINES) * np.interp(x, xs, incoherent)
    in_phase = 0.5 * (1 + _COSINES**2) * np.interp(x, xs, coherent)
    solid = 2 * math.pi * _WEIGHTS
    return np.stack([total, compton, rayleigh, compton / (bound @ solid), rayleigh / (in_phase @ solid)])
