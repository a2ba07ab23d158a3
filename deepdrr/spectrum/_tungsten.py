"""Spectra of a tungsten tube, from a table made with SpekPy (`scripts/make_spectra.py`).

The table has steps of 2 kV and of 2° of anode angle. Between voltages V, bremsstrahlung is interpolated as
N(E, V) / (V − E), which stays finite at the end point, so every spectrum ends exactly at its kVp while the
absorption edges of the anode stay where they are. The K lines are interpolated as N / (V − 69.5)^1.63, the
way their excitation grows. Both go through the voltages of the table as a cubic whose slope is continuous (Catmull and
Rom), so that a gradient with respect to the voltage has no steps. Between angles θ both are linear in cot θ, the depth
that photons cross inside the anode.
"""

import math
from collections.abc import Sequence
from functools import cache
from numbers import Real

import numpy as np
import torch
from torch import Tensor

from deepdrr._numbers import plain
from deepdrr.materials import Material
from deepdrr.resources import resource_path
from deepdrr.spectrum._quality import filtered
from deepdrr.spectrum._spectrum import Spectrum

__all__ = ["ANODE_ANGLE_RANGE_DEG", "C_ARM_FILTERS", "KVP_RANGE", "tungsten_spectrum"]

Filters = Sequence[tuple[Material | str, float]]

KVP_RANGE = (40.0, 150.0)
ANODE_ANGLE_RANGE_DEG = (6.0, 20.0)
C_ARM_FILTERS: Filters = (("aluminium", 3.0), ("copper", 0.1))
_KVP_STEP, _ANGLE_STEP = 2, 2
_BINS = 150
_K_EDGE_KEV, _K_EXCITATION = 69.525, 1.63
_FIRST_K_BIN = 50


def tungsten_spectrum(
    kvp: float | Tensor, *, anode_angle_deg: float = 10.0, filters: Filters = C_ARM_FILTERS
) -> Spectrum:
    """The beam of a tungsten tube on its central ray.

    The default is a mobile C-arm: 10° anode behind 3 mm aluminium and 0.1 mm copper. `filters=()` is the bare anode.

    Args:
        kvp: tube voltage in kV, 40 to 150. A scalar tensor that asks for a gradient gets one.
        anode_angle_deg: 6 to 20 degrees.
        filters: (material, thickness in mm) in the beam, each with the density of the material.

    Returns:
        Photons per mm² per mAs at 1 m from the focal spot, without air, in bins of 1 keV.

    Raises:
        ValueError: if the voltage or the angle is outside the table, a filter is unknown or its thickness negative.

    Example:
        >>> tungsten_spectrum(80.0)
        Spectrum(tungsten 10°, 3 mm aluminium, 0.1 mm copper: 80 kVp, mean 48.59 keV)
    """
    volts = _scalar(kvp)
    _check_range("kvp", float(volts.detach()), KVP_RANGE, "kV")
    _check_range("anode_angle_deg", anode_angle_deg, ANODE_ANGLE_RANGE_DEG, "degrees")
    photons = _at_angle(volts, anode_angle_deg)
    energies = torch.arange(_BINS, dtype=torch.float64) + 0.5
    lit = (photons > 0).detach()
    voltage = volts if volts.requires_grad else None
    spectrum = Spectrum(energies[lit], photons[lit], float(volts.detach()), f"tungsten {anode_angle_deg:g}°", voltage)
    for material, thickness_mm in _pairs(filters):
        spectrum = filtered(spectrum, material, thickness_mm)
    return spectrum


def _scalar(kvp: object) -> Tensor:
    kvp = plain(kvp)
    if isinstance(kvp, bool) or not isinstance(kvp, Tensor | Real):
        raise TypeError(f"kvp must be a number or a scalar tensor, in kV, got {kvp!r}")
    volts = torch.as_tensor(kvp, dtype=torch.float64)
    if volts.numel() != 1:
        raise ValueError(f"kvp must be one voltage, got shape {tuple(volts.shape)}")
    return volts.reshape(())


def _pairs(filters: Filters) -> Filters:
    for filter_ in filters:
        if isinstance(filter_, str) or len(filter_) != 2:
            raise ValueError(
                f"filters must be pairs of a material and mm, such as [('aluminium', 3.0)], got {filters!r}"
            )
    return filters


def _check_range(name: str, value: float, accepted: tuple[float, float], unit: str) -> None:
    low, high = accepted
    if not low <= value <= high:
        raise ValueError(f"{name} must be {low:g} to {high:g} {unit}, which the spectrum table covers, got {value:g}")


def _at_angle(volts: Tensor, angle_deg: float) -> Tensor:
    """[150] photons at any angle of the range."""
    below = min(int(angle_deg // _ANGLE_STEP) * _ANGLE_STEP, int(ANODE_ANGLE_RANGE_DEG[1]) - _ANGLE_STEP)
    above = below + _ANGLE_STEP
    cot, cot_below, cot_above = (1 / math.tan(math.radians(a)) for a in (angle_deg, below, above))
    share = (cot - cot_below) / (cot_above - cot_below)
    if share == 0:
        return _at_voltage(volts, below)
    return (1 - share) * _at_voltage(volts, below) + share * _at_voltage(volts, above)


def _at_voltage(volts: Tensor, angle_deg: int) -> Tensor:
    """[150] photons at any voltage of the range and an angle of the table."""
    continuum, lines = _table(angle_deg)
    kvps = _kvps()
    k = min(int((float(volts.detach()) - KVP_RANGE[0]) // _KVP_STEP), len(kvps) - 2)
    share = (volts - kvps[k]) / _KVP_STEP
    continuum_now, lines_now = (_through(table, k, share) for table in (continuum, lines))
    return (continuum_now * _end_shape(volts) + lines_now * _excitation(volts)).clamp(min=0)


def _through(table: Tensor, k: int, share: Tensor) -> Tensor:
    """[150] between rows k and k + 1 of a table [K, 150]: Catmull and Rom's cubic, straight beyond the table's ends."""
    low, high = table[k], table[k + 1]
    before = table[k - 1] if k > 0 else 2 * low - high
    after = table[k + 2] if k + 2 < len(table) else 2 * high - low
    slope_low, slope_high = (high - before) / 2, (after - low) / 2
    bend = share * (1 - share)
    return (
        low + share * (high - low) + bend * ((1 - share) * (slope_low - high + low) - share * (slope_high - high + low))
    )


def _end_shape(volts: Tensor) -> Tensor:
    """How bremsstrahlung rises below the end point, up to a factor that varies slowly, [..., 150].

    The mean of max(V − E, 0) over each 1 keV bin, times the excess of the last bins in the table over that ramp
    (fitted: +30 %, 12 %, 7 % in the last three). Its slope in V is continuous.
    """
    low = torch.arange(_BINS, dtype=torch.float64)
    volts = volts[..., None]
    mean: Tensor = ((volts - low).clamp(min=0) ** 2 - (volts - low - 1).clamp(min=0) ** 2) / 2
    return mean * (1 + 0.2 / (mean + 0.167))


def _excitation(volts: Tensor) -> Tensor:
    """(V − K edge)^1.63 in the bins of the K lines and one in those of the L lines, [..., 150]."""
    growth = (volts[..., None] - _K_EDGE_KEV).clamp(min=1e-9) ** _K_EXCITATION
    is_k = torch.arange(_BINS) >= _FIRST_K_BIN
    return torch.where(is_k, torch.where(volts[..., None] > _K_EDGE_KEV, growth, 0.0), 1.0)


def _kvps() -> Tensor:
    return torch.arange(KVP_RANGE[0], KVP_RANGE[1] + 1, _KVP_STEP, dtype=torch.float64)


@cache
def _table(angle_deg: int) -> tuple[Tensor, Tensor]:
    """[K, 150] continuum / end shape and lines / excitation at the voltages of the table."""
    rows = np.loadtxt(resource_path(f"data/spectra/tungsten_{angle_deg:02d}deg.csv"), delimiter=",", skiprows=3)
    kvps = _kvps()
    values = torch.zeros(2, len(kvps), _BINS, dtype=torch.float64)
    k = torch.from_numpy(((rows[:, 0] - KVP_RANGE[0]) / _KVP_STEP).astype(np.int64))
    values[:, k, torch.from_numpy(rows[:, 1].astype(np.int64))] = torch.from_numpy(rows[:, 2:].T.copy())
    continuum = _continue_down(values[0], _end_shape(kvps))
    lines = _continue_down(values[1], _excitation(kvps) * (kvps[:, None] > _K_EDGE_KEV + 1))
    lines[:, :_FIRST_K_BIN] = values[1, :, :_FIRST_K_BIN]
    return continuum, lines


def _continue_down(photons: Tensor, growth: Tensor) -> Tensor:
    """photons / growth, [K, 150]; where growth is zero (bin out of reach), continued from the two voltages above."""
    ratio = torch.where(growth > 0, photons / growth.clamp(min=1e-300), 0.0)
    for k in range(len(ratio) - 2, -1, -1):
        further = ratio[k + 2] if k + 2 < len(ratio) else ratio[k + 1]
        reachable = growth[min(k + 2, len(ratio) - 1)] > 0
        line = torch.where(reachable, 2 * ratio[k + 1] - further, ratio[k + 1])
        ratio[k] = torch.where(growth[k] > 0, ratio[k], line.clamp(min=0))
    return ratio
