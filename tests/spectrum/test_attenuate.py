"""Polychromatic attenuation against a direct sum, its gradients, and its refusals."""

import math

import pytest
import torch
from torch import Tensor

from deepdrr.materials import mass_attenuation
from deepdrr.spectrum import Spectrum, attenuate, monochromatic, open_beam, tungsten_spectrum


def direct_sum(beam: Spectrum, thickness_g_cm2: dict[str, float], power: int) -> float:
    """The definition, bin by bin in Python floats."""
    total = 0.0
    for energy, photons in zip(beam.energies_kev.tolist(), beam.photons.tolist(), strict=True):
        depth = sum(float(mass_attenuation(name, energy)) * amount for name, amount in thickness_g_cm2.items())
        total += photons * energy**power * math.exp(-depth)
    return total


@pytest.mark.parametrize("kvp", [60.0, 80.0, 120.0])
@pytest.mark.parametrize("water_cm", [0.0, 5.0, 20.0, 40.0])
@pytest.mark.parametrize("bone_cm", [0.0, 3.0])
def test_transmission_through_water_and_bone(kvp: float, water_cm: float, bone_cm: float) -> None:
    beam = tungsten_spectrum(kvp)
    amounts = {"water": water_cm * 1.0, "cortical bone": bone_cm * 1.92}
    areas = torch.tensor(list(amounts.values()), dtype=torch.float32)[:, None, None]
    found = attenuate(areas, beam, list(amounts))
    for power, value in enumerate((found.photons, found.energy_kev, found.energy_sq_kev2)):
        assert float(value) == pytest.approx(direct_sum(beam, amounts, power), rel=1e-5)  # float32: exp(-x), x ≤ 16


def test_float32_agrees_with_float64(generator: torch.Generator) -> None:
    beam, names = tungsten_spectrum(100.0), ["adipose", "soft tissue", "bone"]
    areas = torch.rand(2, 3, 20, 30, generator=generator) * torch.tensor([10.0, 30.0, 8.0])[:, None, None]
    single, double = attenuate(areas, beam, names), attenuate(areas.double(), beam, names)
    assert single.energy_kev.dtype == torch.float32
    torch.testing.assert_close(single.energy_kev.double(), double.energy_kev, rtol=1e-5, atol=0)  # measured 7e-7


def test_open_field_and_fluence() -> None:
    beam, nothing = tungsten_spectrum(80.0), torch.zeros(1, 2, 3, dtype=torch.float64)
    field, found = open_beam(beam), attenuate(nothing, beam, ["water"])
    for name in ("photons", "energy_kev", "energy_sq_kev2"):
        expected = getattr(field, name).expand(2, 3)
        torch.testing.assert_close(getattr(found, name), expected, rtol=1e-8, atol=0)  # bins below 1e-10 left out
    scaled = attenuate(nothing, beam, ["water"], fluence=torch.tensor([[0.5], [2.0]], dtype=torch.float64))
    torch.testing.assert_close(scaled.photons / found.photons, torch.tensor([[0.5], [2.0]]).double().expand(2, 3))


def test_gradient_reaches_the_tube_and_the_patient() -> None:
    kvp = torch.tensor(81.0, dtype=torch.float64, requires_grad=True)
    areas = torch.full((1, 1, 1), 20.0, dtype=torch.float64, requires_grad=True)
    attenuate(areas, tungsten_spectrum(kvp), ["water"]).energy_kev.sum().backward()
    assert kvp.grad is not None
    assert float(kvp.grad) > 0
    assert areas.grad is not None
    assert float(areas.grad) < 0


def test_monochromatic_is_beer_lambert() -> None:
    depth = float(mass_attenuation("bone", 60.0)) * 5.0
    found = attenuate(torch.full((1, 1, 1), 5.0, dtype=torch.float64), monochromatic(60.0, 1000.0), ["bone"])
    assert float(found.photons) == pytest.approx(1000 * math.exp(-depth))
    assert float(found.energy_sq_kev2 / found.energy_kev) == pytest.approx(60.0)


@pytest.mark.parametrize(
    ("areas", "message"),
    [
        (torch.zeros(2, 4, 4), r"must be \[..., 1, H, W\].*got \(2, 4, 4\)"),
        (torch.zeros(4, 4), "one channel per material"),
        (torch.full((1, 2, 2), float("nan")), "NaN or infinite"),
        (torch.full((1, 2, 2), -0.5), r"got -0.5 g/cm²"),
        (torch.zeros(1, 2, 2, dtype=torch.int32), "float32 or float64"),
    ],
)
def test_bad_area_densities(areas: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        attenuate(areas, monochromatic(60.0), ["water"])


def test_negative_area_densities_on_request() -> None:
    found = attenuate(torch.full((1, 1, 1), -0.5), monochromatic(60.0), ["water"], negative="allow")
    assert float(found.photons) > 1
    with pytest.raises(ValueError, match=r"negative must be .* got 'clip'"):
        attenuate(torch.zeros(1, 1, 1), monochromatic(60.0), ["water"], negative="clip")  # type: ignore[arg-type]
