"""Form factors and incoherent scattering functions against closed forms and independent fits."""

import math

import numpy as np
import pytest
import torch

from deepdrr.materials import (
    HC_KEV_ANGSTROM,
    coherent_intensity,
    compound,
    electrons_per_gram,
    incoherent_intensity,
    mass_attenuation,
    material,
)
from deepdrr.materials._elements import ATOMIC_WEIGHTS

AVOGADRO = 6.02214076e23
THOMSON_CM2 = 2.8179403e-13**2  # square of the classical electron radius
ELECTRON_KEV = 510.99895

# Cromer and Mann 1968, coefficients of the International Tables: F = c + Σ a exp(−b x²), for x up to 2 / Å.
CROMER_MANN = {
    "C": ((2.3100, 1.0200, 1.5886, 0.8650), (20.8439, 10.2075, 0.5687, 51.6512), 0.2156),
    "O": ((3.0485, 2.2868, 1.5463, 0.8670), (13.2771, 5.7011, 0.3239, 32.9089), 0.2508),
    "Ca": ((8.6266, 7.3873, 1.5899, 1.0211), (10.4421, 0.6599, 85.7484, 178.437), 1.3751),
}


def form_factor(symbol: str, x: float) -> float:
    found = coherent_intensity(compound(symbol, 1.0), torch.tensor(x))
    return math.sqrt(float(found) * ATOMIC_WEIGHTS[symbol] / AVOGADRO)


@pytest.mark.parametrize("x", [0.0, 0.02, 0.1, 0.3, 0.6, 1.0])
def test_hydrogen_is_that_of_its_wave_function(x: float) -> None:
    """F = 1 / (1 + (2π a₀ x)²)² with Bohr's radius, S = 1 − F²: one electron, exactly."""
    exact = 1 / (1 + (2 * math.pi * 0.529177 * x) ** 2) ** 2
    assert form_factor("H", x) == pytest.approx(exact, rel=0.003, abs=2e-4)  # interpolation; 4 digits
    bound = float(incoherent_intensity(compound("H", 1.0), torch.tensor(x))) * ATOMIC_WEIGHTS["H"] / AVOGADRO
    assert bound == pytest.approx(1 - exact**2, rel=0.01, abs=1e-4)


@pytest.mark.parametrize("symbol", CROMER_MANN)
@pytest.mark.parametrize("x", [0.05, 0.15, 0.3, 0.6, 1.2])
def test_form_factors_against_cromer_and_mann(symbol: str, x: float) -> None:
    a, b, c = CROMER_MANN[symbol]
    expected = c + sum(ai * math.exp(-bi * x * x) for ai, bi in zip(a, b, strict=True))
    assert form_factor(symbol, x) == pytest.approx(expected, rel=0.015)  # other wave functions; the fit is good to 1 %


def scattered_per_gram(name: str, energy_kev: float) -> tuple[float, float]:
    """Compton and Rayleigh cross sections per gram, from the angular distributions alone, cm²/g."""
    cosine, weight = (torch.from_numpy(a) for a in np.polynomial.legendre.leggauss(400))
    x = torch.sqrt((1 - cosine) / 2) * energy_kev / HC_KEV_ANGSTROM
    ratio = 1 / (1 + energy_kev / ELECTRON_KEV * (1 - cosine))
    klein_nishina = 0.5 * ratio**2 * (ratio + 1 / ratio - 1 + cosine**2)
    solid = 2 * math.pi * THOMSON_CM2 * weight
    compton = float((solid * klein_nishina * incoherent_intensity(name, x)).sum())
    rayleigh = float((solid * 0.5 * (1 + cosine**2) * coherent_intensity(name, x)).sum())
    return compton, rayleigh


@pytest.mark.parametrize("name", ["water", "adipose", "soft tissue", "cortical bone", "pmma"])
@pytest.mark.parametrize("energy_kev", [20.0, 60.0, 120.0])
def test_angles_integrate_to_the_cross_sections(name: str, energy_kev: float) -> None:
    """Two tables of different origin; physics.md finds 0.4 % and 0.7 % (Ca) between them."""
    compton, rayleigh = scattered_per_gram(name, energy_kev)
    assert compton == pytest.approx(float(mass_attenuation(name, energy_kev, process="compton")), rel=0.006)
    assert rayleigh == pytest.approx(float(mass_attenuation(name, energy_kev, process="rayleigh")), rel=0.01)


def test_all_electrons_scatter_in_phase_forward_and_each_alone_backward() -> None:
    water = material("water")
    forward = float(coherent_intensity(water, torch.tensor(0.0)))
    per_molecule = AVOGADRO / (2 * ATOMIC_WEIGHTS["H"] + ATOMIC_WEIGHTS["O"])
    assert forward == pytest.approx((2 * 1 + 64) * per_molecule, rel=1e-3)  # 4 digits
    assert float(incoherent_intensity(water, torch.tensor(0.0))) == 0.0
    assert float(incoherent_intensity(water, torch.tensor(16.0))) == pytest.approx(electrons_per_gram(water), rel=2e-3)


def test_bad_input_is_told() -> None:
    with pytest.raises(ValueError, match=r"x_per_angstrom must be 0 to 16\.5, got 17 to 17"):
        coherent_intensity("water", torch.tensor(17.0))
    with pytest.raises(ValueError, match="unobtainium"):
        incoherent_intensity("unobtainium", torch.tensor(1.0))
