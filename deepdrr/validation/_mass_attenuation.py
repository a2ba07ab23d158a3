"""Mass attenuation of every registered material against NIST."""

from functools import cache

import torch

from deepdrr.materials import Material, compound, mass_attenuation, mass_energy_absorption, material, materials
from deepdrr.validation._check import Check, Curve, Figure, Group, worst
from deepdrr.validation._references import reference_rows

__all__ = ["mass_attenuation_group", "nist_checks", "nist_mass_attenuation"]

_NIST = "NIST XAAMDI (Hubbell, Seltzer)"
_LIMIT = 0.005
_DRAWN = ("adipose", "water", "cortical bone", "titanium", "caesium iodide", "lead")


def mass_attenuation_group(short: bool) -> Group:
    """Check each material at its worst energy, the K edges, and air's energy absorption."""
    rows = [worst(nist_checks(material(name))) for name in materials()]
    return Group(
        title="Mass attenuation",
        text=(
            "µ/ρ with coherent scattering of every registered material, at 10, 15, 20, 30, 40, 50, 60, 80, 100 and 150 "
            "keV, against the NIST element tables mixed by weight. Each row is the material's worst energy. Then the "
            "jump of µ/ρ at K edges, 10 eV beside them, and air's µ_en/ρ, which air kerma is made with."
        ),
        checks=(*rows, *_edge_checks(), worst(_air_checks())),
        figures=(_figure(),),
    )


def nist_mass_attenuation(of: Material, column: str = "mu_rho_cm2_g") -> dict[float, float]:
    """Energy in keV → µ/ρ in cm²/g (or µ_en/ρ) of the elements' NIST values, mixed by weight."""
    table = _elements(column)
    parts = of.composition.items()
    energies = [energy for energy in table["H"] if all(energy in table[symbol] for symbol in of.composition)]
    return {energy: sum(share * table[symbol][energy] for symbol, share in parts) for energy in energies}


def nist_checks(of: Material) -> list[Check]:
    """One check per energy."""
    expected = nist_mass_attenuation(of)
    return _compared(of.name, expected, mass_attenuation(of, list(expected)).tolist())


def _air_checks() -> list[Check]:
    expected = nist_mass_attenuation(material("air"), "mu_en_rho_cm2_g")
    return _compared("air, µ_en/ρ", expected, mass_energy_absorption("air", list(expected)).tolist())


def _compared(what: str, expected: dict[float, float], found: list[float]) -> list[Check]:
    checks = []
    for (energy, reference), value in zip(expected.items(), found, strict=True):
        name = f"{what}, {energy:g} keV"
        checks.append(Check(name=name, value=value, reference=reference, unit="cm²/g", source=_NIST, limit=_LIMIT))
    return checks


def _edge_checks() -> list[Check]:
    checks = []
    for row in reference_rows("nist_k_edges"):
        edge = float(row["edge_kev"])
        below, above = mass_attenuation(compound(row["element"], 1.0), [edge - 0.01, edge + 0.01]).tolist()
        jump = float(row["mu_rho_above_cm2_g"]) / float(row["mu_rho_below_cm2_g"])
        name = f"{row['element']}, jump at its K edge, {edge:g} keV"
        # µ falls by 0.2 % within these 20 eV.
        checks.append(Check(name=name, value=above / below, reference=jump, source=_NIST, limit=_LIMIT))
    return checks


def _figure() -> Figure:
    energies = torch.logspace(1, 2.176, 300, dtype=torch.float64)
    curves = []
    for name in _DRAWN:
        nist = nist_mass_attenuation(material(name))
        curves.append(Curve(name, tuple(energies.tolist()), tuple(mass_attenuation(name, energies).tolist())))
        curves.append(Curve("", tuple(nist), tuple(nist.values()), dots=True))
    return Figure(
        title="Mass attenuation: lines ours, dots NIST",
        x_label="photon energy, keV",
        y_label="µ/ρ, cm²/g",
        curves=tuple(curves),
        log_x=True,
        log_y=True,
    )


@cache
def _elements(column: str) -> dict[str, dict[float, float]]:
    """Symbol → energy → value."""
    table: dict[str, dict[float, float]] = {}
    for row in reference_rows("nist_attenuation"):
        table.setdefault(row["element"], {})[float(row["energy_kev"])] = float(row[column])
    return table
