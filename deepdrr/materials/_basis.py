"""The basis of the continuous decomposition, and its error.

Three materials represent every tissue between lung and cortical bone: fat (ICRU-46 adipose tissue 3), soft tissue and
cortical bone. A tissue's µ/ρ (E) is written as Σₘ bₘ (µ/ρ)ₘ(E), with the bₘ ≥ 0 that minimise the squared relative
error over 20 to 150 keV. Attenuation in this range is nearly two-dimensional (photoelectric, Compton); the third
material keeps all coefficients non-negative.

`python scripts/report_materials.py` prints the error of every tissue.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray

from deepdrr.materials._cross_sections import attenuation_matrix
from deepdrr.materials._material import Material
from deepdrr.materials._registry import material
from deepdrr.resources import resource_path

__all__ = ["basis_error", "basis_materials", "basis_weights", "fit_basis"]

_Array = NDArray[np.float64]

FIT_ENERGIES_KEV = torch.arange(20.0, 150.5, 1.0, dtype=torch.float64)


def basis_materials() -> tuple[Material, ...]:
    """Fat, soft tissue and cortical bone."""
    return material("adipose 3"), material("soft tissue"), material("cortical bone")


def fit_basis(tissue: Material, basis: Sequence[Material]) -> _Array:
    """Non-negative coefficients [M] whose sum over the basis reproduces the tissue's µ/ρ from 20 to 150 keV."""
    from scipy.optimize import nnls

    target = attenuation_matrix([tissue], FIT_ENERGIES_KEV).numpy()[0]
    relative = attenuation_matrix(basis, FIT_ENERGIES_KEV).numpy() / target  # [M, E]
    weights: _Array = nnls(relative.T, np.ones(len(target)))[0]
    return weights


def basis_error(tissue: Material, basis: Sequence[Material]) -> float:
    """Largest relative error of the tissue's µ/ρ in this basis over 20 to 150 keV."""
    fitted = fit_basis(tissue, basis) @ attenuation_matrix(basis, FIT_ENERGIES_KEV).numpy()
    target = attenuation_matrix([tissue], FIT_ENERGIES_KEV).numpy()[0]
    return float(np.abs(fitted / target - 1).max())


@cache
def basis_weights() -> _Array:
    """Coefficients of the tissues of `_schneider.rows` in `basis_materials`, [R, M].

    They are those of `fit_basis`, from a file: to fit them in every process would import scipy.optimize, half a second.
    """
    table: _Array = np.loadtxt(resource_path("data/tissue_basis.csv"), delimiter=",", skiprows=3)
    return table[:, 1:]
