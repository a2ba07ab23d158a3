"""Mass attenuation against NIST (XAAMDI tables, Hubbell and Seltzer 1995: values typed in by hand)."""

import pytest
import torch

from deepdrr.materials import (
    attenuation_matrix,
    compound,
    iodine_contrast,
    linear_attenuation,
    mass_attenuation,
    mass_energy_absorption,
    material,
)

ELEMENTS = [  # element, keV, µ/ρ in cm²/g
    ("H", 10, 0.3854), ("H", 60, 0.3260), ("H", 150, 0.2651), ("C", 10, 2.373), ("C", 60, 0.1753), ("N", 30, 0.3066),
    ("O", 20, 0.8651), ("O", 100, 0.1551), ("Al", 10, 26.23), ("Al", 30, 1.128), ("Al", 60, 0.2778),
    ("Al", 150, 0.1378), ("Ca", 20, 13.06), ("Ca", 60, 0.6578), ("Ti", 20, 15.85), ("Ti", 60, 0.7661),
    ("Ti", 100, 0.2721), ("Fe", 10, 170.6), ("Fe", 60, 1.205), ("Cu", 10, 215.9), ("Cu", 60, 1.593),
    ("Cu", 100, 0.4584), ("Ag", 20, 18.36), ("I", 20, 25.43), ("I", 30, 8.561), ("I", 40, 22.10), ("I", 60, 7.579),
    ("I", 100, 1.942), ("Cs", 30, 9.507), ("Cs", 40, 23.81), ("Ba", 40, 24.57), ("Gd", 50, 3.859), ("Gd", 60, 11.75),
    ("W", 60, 3.713), ("W", 80, 7.810), ("W", 150, 1.581), ("Au", 60, 4.528), ("Au", 100, 5.158), ("Pb", 60, 5.021),
    ("Pb", 80, 2.419), ("Pb", 100, 5.549), ("Pb", 150, 2.014), ("U", 100, 1.954),
]  # fmt: skip

MATERIALS = [
    ("water", 20, 0.8096), ("water", 60, 0.2059), ("water", 100, 0.1707),
    ("cortical bone", 20, 4.001), ("cortical bone", 60, 0.3148), ("cortical bone", 100, 0.1855),
]  # fmt: skip

AIR_MU_EN = [
    (10, 4.742), (15, 1.334), (20, 0.5389), (30, 0.1537), (40, 0.06833), (50, 0.04098), (60, 0.03041), (80, 0.02407),
    (100, 0.02325), (150, 0.02496),
]  # fmt: skip


@pytest.mark.parametrize(("symbol", "energy_kev", "expected"), ELEMENTS)
def test_elements_against_nist(symbol: str, energy_kev: float, expected: float) -> None:
    found = float(mass_attenuation(compound(symbol, 1.0), energy_kev))
    assert found == pytest.approx(expected, rel=0.002)  # 0.03 % of rounding and 0.15 % between the tables


@pytest.mark.parametrize(("name", "energy_kev", "expected"), MATERIALS)
def test_materials_against_nist(name: str, energy_kev: float, expected: float) -> None:
    assert float(mass_attenuation(name, energy_kev)) == pytest.approx(expected, rel=0.001)  # NIST prints 4 digits


@pytest.mark.parametrize(("energy_kev", "expected"), AIR_MU_EN)
def test_air_energy_absorption_against_nist(energy_kev: float, expected: float) -> None:
    assert float(mass_energy_absorption("air", energy_kev)) == pytest.approx(expected, rel=0.002)  # µ_tr for µ_en


K_EDGES = [  # element, keV, ratio of µ/ρ above and below
    ("I", 33.1694, 5.466), ("Cs", 35.9846, 5.361), ("Ba", 37.4406, 5.309), ("Gd", 50.2391, 4.890), ("W", 69.525, 4.400),
    ("Pb", 88.0045, 4.023),
]  # fmt: skip


@pytest.mark.parametrize(("symbol", "edge_kev", "jump"), K_EDGES)
def test_k_edges_are_sharp(symbol: str, edge_kev: float, jump: float) -> None:
    below, above = mass_attenuation(compound(symbol, 1.0), [edge_kev - 0.01, edge_kev + 0.01])
    assert float(above / below) == pytest.approx(jump, rel=0.005)  # µ falls by 0.2 % within these 20 eV


def test_total_is_the_sum_of_the_processes() -> None:
    energies = torch.linspace(10, 150, 50)
    parts = [mass_attenuation("bone", energies, process=p) for p in ("photo", "compton", "rayleigh")]
    torch.testing.assert_close(sum(parts), mass_attenuation("bone", energies))


def test_shapes_and_units() -> None:
    energies = torch.tensor([[30.0, 60.0], [90.0, 120.0]])
    assert mass_attenuation("water", energies).shape == (2, 2)
    assert attenuation_matrix(["water", "bone", iodine_contrast(300)], torch.tensor([40.0, 60.0])).shape == (3, 2)
    per_mm = linear_attenuation("aluminium", 60.0)  # 0.2778 cm²/g × 2.699 g/cm³ / 10
    assert float(per_mm) == pytest.approx(0.07498, rel=1e-3)  # rounding of the NIST value


@pytest.mark.parametrize("energy_kev", [0.5, 201.0, -5.0, float("nan")])
def test_energies_outside_the_table_are_named(energy_kev: float) -> None:
    with pytest.raises(ValueError, match=f"must be 1 to 200 keV, .* got {energy_kev:g} keV"):
        mass_attenuation("water", [60.0, energy_kev])


def test_wrong_arguments() -> None:
    with pytest.raises(ValueError, match=r"process must be .* got 'pair'"):
        mass_attenuation("water", 60.0, process="pair")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="Material or a name, got int"):
        mass_attenuation(13, 60.0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="unknown material 'watr'; did you mean 'water'"):
        mass_attenuation("watr", 60.0)


def test_every_material_has_cross_sections() -> None:
    low, high = mass_attenuation(material("lead glass"), [20.0, 150.0])
    assert float(low) > float(high) > 0
