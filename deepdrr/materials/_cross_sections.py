"""Photon cross sections: the shipped table and its log-log interpolation."""

from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deepdrr._numbers import plain
from deepdrr.materials._elements import SYMBOLS, atomic_number
from deepdrr.materials._material import EnergyScaled, Material
from deepdrr.materials._registry import as_material
from deepdrr.resources import resource_path

__all__ = ["ENERGY_RANGE_KEV", "attenuation_matrix", "linear_attenuation", "mass_attenuation", "mass_energy_absorption"]

Process = Literal["total", "photo", "compton", "rayleigh"]
_Array = NDArray[np.float64]

ENERGY_RANGE_KEV = (1.0, 200.0)
_COLUMNS = {"photo": (0,), "compton": (1,), "rayleigh": (2,), "total": (0, 1, 2), "transfer": (3,)}


def mass_attenuation(
    material: Material | str, energies_kev: Tensor | Sequence[float] | float, *, process: Process = "total"
) -> Tensor:
    """Mass attenuation coefficient µ/ρ of a material.

    Log-log interpolation of a table made from xraylib (`scripts/make_cross_sections.py`), never across an
    absorption edge; within 0.21 % of NIST's tables from 10 to 150 keV. At the energy of an edge, the value above the
    edge is returned.

    Args:
        material: a material or the name of a registered one.
        energies_kev: photon energies in keV, any shape, 1 to 200 keV.
        process: `"total"` (photoelectric + Compton + Rayleigh) or one of the three.

    Returns:
        µ/ρ in cm²/g, float64, the shape of `energies_kev`.

    Raises:
        ValueError: if an energy lies outside the table, the material or the process is unknown.

    Example:
        >>> f"{float(mass_attenuation('water', 60.0)):.4f}"
        '0.2059'
    """
    if process not in ("total", "photo", "compton", "rayleigh"):
        raise ValueError(f"process must be 'total', 'photo', 'compton' or 'rayleigh', got {process!r}")
    found = as_material(material)
    attenuation = _weighted(found, energies_kev, process)
    if isinstance(found, EnergyScaled):
        attenuation = attenuation * (torch.as_tensor(energies_kev, dtype=torch.float64) / 100.0) ** found.power
    return attenuation


def mass_energy_absorption(material: Material | str, energies_kev: Tensor | Sequence[float] | float) -> Tensor:
    """Mass energy-absorption coefficient µ_en/ρ, taken equal to the mass energy-transfer coefficient µ_tr/ρ.

    Photoelectric absorption minus K and L fluorescence, plus Compton scattering times the mean energy of the recoil
    electron. Agrees with NIST's µ_en/ρ from 10 to 150 keV within 0.2 % for air, water and tissue, 0.6 % up to calcium,
    about 2 % for copper, iodine and caesium, and 6 % around the L edges of tungsten and lead.

    Args:
        material: a material or the name of a registered one.
        energies_kev: photon energies in keV, any shape, 1 to 200 keV.

    Returns:
        µ_en/ρ in cm²/g, float64, the shape of `energies_kev`.

    Raises:
        ValueError: if an energy lies outside the table or the material is unknown.
    """
    return _weighted(as_material(material), energies_kev, "transfer")


def linear_attenuation(material: Material | str, energies_kev: Tensor | Sequence[float] | float) -> Tensor:
    """Linear attenuation coefficient µ at the material's own density.

    Args:
        material: a material or the name of a registered one.
        energies_kev: photon energies in keV, any shape, 1 to 200 keV.

    Returns:
        µ in 1/mm, float64, the shape of `energies_kev`.

    Raises:
        ValueError: if an energy lies outside the table or the material is unknown.

    Example:
        >>> f"{float(linear_attenuation('water', 60.0)):.5f}"
        '0.02059'
    """
    found = as_material(material)
    return mass_attenuation(found, energies_kev) * (found.density_g_cm3 / 10)  # 1/cm → 1/mm


def attenuation_matrix(materials: Sequence[Material | str], energies_kev: Tensor) -> Tensor:
    """µ/ρ of several materials, [M, E] in cm²/g.

    Args:
        materials: M materials or names of registered ones.
        energies_kev: [E] energies in keV.

    Returns:
        [M, E] float64 in cm²/g.

    Raises:
        ValueError: if an energy lies outside the table or a material is unknown.
    """
    return torch.stack([mass_attenuation(material, energies_kev) for material in materials])


def _weighted(material: Material, energies_kev: Tensor | Sequence[float] | float, column: str) -> Tensor:
    energies = torch.as_tensor(plain(energies_kev), dtype=torch.float64)
    at = energies.detach().cpu().numpy()
    _check_range(at)
    total = np.frombuffer(_mixture(tuple(material.composition.items()), at.tobytes(), column))
    return torch.from_numpy(total.reshape(at.shape).copy()).to(energies.device)


@lru_cache(maxsize=64)
def _mixture(composition: tuple[tuple[str, float], ...], energies: bytes, column: str) -> bytes:
    """The fractions of the elements times what they have; by value, since every image of a beam asks for the same."""
    at = np.frombuffer(energies)
    total = np.zeros(at.shape)
    for symbol, fraction in composition:
        total += fraction * _element(atomic_number(symbol), at, column)
    return total.tobytes()


def _check_range(energies: _Array) -> None:
    low, high = ENERGY_RANGE_KEV
    outside = energies[~((energies >= low) & (energies <= high))]
    if outside.size:
        raise ValueError(
            f"energies_kev must be {low:g} to {high:g} keV, which the cross sections cover, got {outside.flat[0]:g} keV"
        )


def _element(z: int, energies: _Array, column: str) -> _Array:
    """Interpolate one element; searching from the right puts the energy of an edge into the segment above it."""
    log_energy, log_values = _table()[z]
    x = np.log(energies)
    i = np.clip(np.searchsorted(log_energy, x, side="right") - 1, 0, len(log_energy) - 2)
    t = (x - log_energy[i]) / (log_energy[i + 1] - log_energy[i])
    value = np.zeros(energies.shape)
    for j in _COLUMNS[column]:
        value += np.exp((1 - t) * log_values[i, j] + t * log_values[i + 1, j])
    return value


@cache
def _table() -> dict[int, tuple[_Array, _Array]]:
    """For each atomic number: log energies [N], and the logs of photo, Compton, Rayleigh and transfer [N, 4]."""
    rows = np.loadtxt(resource_path("data/cross_sections.csv"), delimiter=",", skiprows=4)
    table = {}
    for z in range(1, len(SYMBOLS) + 1):
        own = rows[rows[:, 0] == z]
        table[z] = (np.log(own[:, 1]), np.log(own[:, 2:]))
    return table
