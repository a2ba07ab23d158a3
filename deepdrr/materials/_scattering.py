"""How the electrons of a material scatter photons by angle: form factor and incoherent scattering function."""

from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deepdrr.materials._elements import ATOMIC_WEIGHTS, SYMBOLS, atomic_number
from deepdrr.materials._material import Material
from deepdrr.materials._registry import as_material
from deepdrr.resources import resource_path

__all__ = ["HC_KEV_ANGSTROM", "coherent_intensity", "electrons_per_gram", "incoherent_intensity"]

_Array = NDArray[np.float64]

HC_KEV_ANGSTROM = 12.398419843320026  # h c, exact in the SI of 2019
_AVOGADRO = 6.02214076e23


def coherent_intensity(material: Material | str, x_per_angstrom: Tensor) -> Tensor:
    r"""Squared form factor per gram, \( \sum_i w_i F_i^2(x) N_A / A_i \), of independent atoms.

    Times the Thomson cross section per electron, it is the differential cross section of Rayleigh scattering.

    Args:
        material: a material or the name of a registered one.
        x_per_angstrom: x = sin(θ/2) / λ, any shape, 1/Å, 0 to 16.5.

    Returns:
        float64, 1/g, the shape of `x_per_angstrom`. Log-log interpolation of `scripts/make_scatter_tables.py`.

    Raises:
        ValueError: if the material is unknown or an x is out of the table.

    Example:
        >>> round(float(coherent_intensity("water", torch.tensor(0.0)) / electrons_per_gram("water")), 2)  # (2 + 64)/10
        6.6
    """
    return _sum(material, x_per_angstrom, "form", 2)


def incoherent_intensity(material: Material | str, x_per_angstrom: Tensor) -> Tensor:
    r"""Electrons per gram that scatter a photon with loss, \( \sum_i w_i S_i(x) N_A / A_i \).

    Times the Klein-Nishina cross section per electron, it is the differential cross section of Compton scattering.

    Args:
        material: a material or the name of a registered one.
        x_per_angstrom: x = sin(θ/2) / λ, any shape, 1/Å, 0 to 16.5.

    Returns:
        float64, 1/g, the shape of `x_per_angstrom`; 0 at x = 0.

    Raises:
        ValueError: if the material is unknown or an x is out of the table.
    """
    return _sum(material, x_per_angstrom, "incoherent", 1)


def electrons_per_gram(material: Material | str) -> float:
    """Electrons in a gram of a material, 1/g.

    Example:
        >>> f"{electrons_per_gram('water'):.4g}"
        '3.343e+23'
    """
    return sum(atomic_number(symbol) * count for symbol, count in _atoms(as_material(material)).items())


def _sum(material: Material | str, x: Tensor, function: str, power: int) -> Tensor:
    at = torch.as_tensor(x, dtype=torch.float64).numpy()
    table = _table()
    if not (at >= 0).all() or not (at <= table["x"][-1]).all():
        raise ValueError(f"x_per_angstrom must be 0 to {table['x'][-1]:g}, got {at.min():g} to {at.max():g}")
    total = np.zeros(at.shape)
    for symbol, count in _atoms(as_material(material)).items():
        total += count * _element(atomic_number(symbol), at, function) ** power
    return torch.from_numpy(np.asarray(total))


def _atoms(material: Material) -> dict[str, float]:
    """Atoms per gram by element."""
    return {symbol: fraction * _AVOGADRO / ATOMIC_WEIGHTS[symbol] for symbol, fraction in material.composition.items()}


def _element(z: int, x: _Array, function: str) -> _Array:
    """F or S of an element; below the table F is constant and S falls as x²."""
    table = _table()
    lowest = table["x"][0]
    log_x = np.log(np.maximum(x, lowest))
    found: _Array = np.exp(np.interp(log_x, np.log(table["x"]), np.log(table[function][z - 1])))
    return found if function == "form" else found * np.minimum(x / lowest, 1.0) ** 2


@cache
def _table() -> dict[str, _Array]:
    """x [N], and F and S [92, N]."""
    rows = np.loadtxt(resource_path("data/scattering_functions.csv"), delimiter=",", skiprows=4)
    count = len(SYMBOLS)
    return {"x": rows[:, 0], "form": rows[:, 1 : 1 + count].T, "incoherent": rows[:, 1 + count :].T}
