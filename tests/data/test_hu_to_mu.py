"""Hounsfield units to attenuation by two straight lines."""

import math

import pytest
import torch
from torch.testing import assert_close

from deepdrr.data.preprocess import HU_BONE, MU_BONE, MU_WATER, hu_basis, hu_to_mu, mu_weights
from deepdrr.materials import linear_attenuation


def test_the_fixed_points() -> None:
    """Air, water, bone; nothing is less than air, and bone goes on."""
    hu = torch.tensor([-3000.0, -1000.0, -500.0, 0.0, 500.0, HU_BONE, 2000.0], dtype=torch.float64)
    bone = MU_BONE - MU_WATER
    expected = [0, 0, MU_WATER / 2, MU_WATER, MU_WATER + bone / 2, MU_BONE, MU_BONE + bone]
    assert_close(hu_to_mu(hu).tolist(), [float(e) for e in expected])


def test_the_constants_are_those_of_the_materials() -> None:
    """Water at 70 keV within 1 %, and cortical bone at 62 keV (XCOM in this package: 0.0577/mm)."""
    assert float(linear_attenuation("water", 70.0)) == pytest.approx(MU_WATER, rel=0.01)
    assert float(linear_attenuation("cortical bone", 62.0)) == pytest.approx(MU_BONE, rel=0.02)


def test_it_is_linear_in_two_numbers_of_the_voxel(generator: torch.Generator) -> None:
    hu = torch.rand(1000, generator=generator, dtype=torch.float64) * 4000 - 1500
    water, excess = hu_basis(hu)
    a, b = mu_weights(0.02, 0.05, 1300.0)
    assert_close(a * water + b * excess, hu_to_mu(hu, 0.02, 0.05, 1300.0))


def test_bone_lighter_than_water_never_becomes_negative() -> None:
    assert hu_to_mu(torch.tensor([500.0, 3000.0]), mu_bone=0.0).tolist() == pytest.approx([MU_WATER / 2, 0.0])


def test_integers_and_shapes() -> None:
    volume = torch.zeros(1, 1, 2, 3, 4, dtype=torch.int16)
    assert hu_to_mu(volume).shape == volume.shape
    assert hu_to_mu(volume).dtype == torch.float32


def test_gradients(generator: torch.Generator) -> None:
    hu = (torch.rand(20, generator=generator, dtype=torch.float64) * 2400 - 900).requires_grad_()
    parameters = [torch.tensor(p, dtype=torch.float64, requires_grad=True) for p in (MU_WATER, MU_BONE, HU_BONE)]
    assert torch.autograd.gradcheck(hu_to_mu, (hu, *parameters))


@pytest.mark.parametrize(
    ("parameters", "complaint"),
    [
        ({"mu_water": -0.01}, "mu_water must be an attenuation of 0/mm or more, got -0.01"),
        ({"mu_bone": math.nan}, "mu_bone .* got nan"),
        ({"mu_bone": torch.tensor([0.05, math.inf])}, r"mu_bone .* got tensor\(\[0\.0500,\s+inf\]\)"),
        ({"hu_bone": 0.0}, r"hu_bone must be positive Hounsfield units, got 0\.0"),
    ],
)
def test_refusals(parameters: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        hu_to_mu(torch.zeros(3), **parameters)  # type: ignore[arg-type]


def test_what_is_no_volume() -> None:
    with pytest.raises(TypeError, match=r"data must be a tensor of Hounsfield units, got torch\.bool"):
        hu_to_mu(torch.zeros(3, dtype=torch.bool))
