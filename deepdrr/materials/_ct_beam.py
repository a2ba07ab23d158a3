"""The beam of the CT scanner, and the HU it gives a material.

    HU = 1000 (µ̄ / µ̄_water − 1),    µ̄ = Σ_E w(E) µ(E)

with w the energy-weighted spectrum behind 6 mm aluminium and 20 cm water (`data/spectra/ct_beams.csv`, made by
`scripts/make_spectra.py`). So −1000 HU is vacuum: a projection holds the attenuation of the patient beyond that of the
room air. The picture of a real machine shows the same difference, since the air is there with and without the
patient.
"""

from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deepdrr.materials._cross_sections import mass_attenuation
from deepdrr.materials._material import Material
from deepdrr.materials._registry import as_material
from deepdrr.resources import resource_path

__all__ = ["CT_KVP_RANGE", "check_ct_kvp", "density_from_hu", "effective_mass_attenuation", "hu_from_density"]

CT_KVP_RANGE = (70.0, 150.0)


def effective_mass_attenuation(material: Material | str, ct_kvp: float = 120.0) -> float:
    """Mean µ/ρ in cm²/g of a material in the CT's beam.

    Args:
        material: a material or its name.
        ct_kvp: tube voltage of the CT scan, 70 to 150 kV.

    Raises:
        ValueError: if the voltage is outside the range or the material unknown.
    """
    check_ct_kvp(ct_kvp)
    table = _beams()
    kvps = sorted(table)
    above = next(kvp for kvp in kvps if kvp >= ct_kvp)
    below = max(kvp for kvp in kvps if kvp <= ct_kvp)
    t = 0.0 if above == below else (ct_kvp - below) / (above - below)
    return sum(share * _mean(as_material(material), table[kvp]) for kvp, share in ((below, 1 - t), (above, t)))


def density_from_hu(material: Material | str, hu: Tensor, *, ct_kvp: float = 120.0) -> Tensor:
    """Density at which a material shows a given HU.

    Args:
        material: a material or its name.
        hu: any shape.
        ct_kvp: tube voltage of the CT scan, 70 to 150 kV.

    Returns:
        Density in g/cm³, in the shape of `hu`; 0 at and below −1000 HU.

    Raises:
        ValueError: if the voltage is outside the range or the material unknown.
    """
    ratio = effective_mass_attenuation("water", ct_kvp) / effective_mass_attenuation(material, ct_kvp)
    return ((1 + hu / 1000) * ratio).clamp(min=0)


def hu_from_density(material: Material | str, density_g_cm3: float, *, ct_kvp: float = 120.0) -> float:
    """HU that a material of this density shows in the CT.

    Args:
        material: a material or its name.
        density_g_cm3: its density in g/cm³.
        ct_kvp: tube voltage of the CT scan, 70 to 150 kV.

    Raises:
        ValueError: if the voltage is outside the range or the material unknown.

    Example:
        >>> round(hu_from_density("water", 1.0))
        0
    """
    ratio = effective_mass_attenuation(material, ct_kvp) / effective_mass_attenuation("water", ct_kvp)
    return 1000 * (ratio * density_g_cm3 - 1)


def check_ct_kvp(ct_kvp: float) -> None:
    """Refuse a tube voltage for which no CT beam is tabulated."""
    low, high = CT_KVP_RANGE
    if not low <= ct_kvp <= high:
        raise ValueError(f"ct_kvp must be {low:g} to {high:g} kV, where CT beams are known, got {ct_kvp}")


def _mean(material: Material, beam: NDArray[np.float64]) -> float:
    attenuation = mass_attenuation(material, torch.from_numpy(beam[:, 0].copy())).numpy()
    return float(np.sum(beam[:, 1] * attenuation) / np.sum(beam[:, 1]))


@cache
def _beams() -> dict[float, NDArray[np.float64]]:
    """Tube voltage → rows of (energy in keV, weight)."""
    rows = np.loadtxt(resource_path("data/spectra/ct_beams.csv"), delimiter=",", skiprows=3)
    return {float(kvp): rows[rows[:, 0] == kvp, 1:] for kvp in np.unique(rows[:, 0])}
