"""HU → densities: the round trip, continuity, labels, and the refusal to guess."""

import numpy as np
import pytest
import torch

from deepdrr.materials import (
    Densities,
    MatchHU,
    attenuation_matrix,
    decompose,
    density_from_hu,
    effective_mass_attenuation,
    hu_from_density,
    linear_attenuation,
    material,
)
from deepdrr.materials import _decompose as implementation
from deepdrr.materials._basis import basis_error, basis_materials, basis_weights, fit_basis
from deepdrr.materials._schneider import rows

HU = torch.tensor([-999.0, -950.0, -741.5, -400.0, -110.0, -50.0, 0.0, 40.3, 90.0, 150.0, 350.0, 800.0, 1550.0, 3071.0])


def hu_of(densities: Densities, ct_kvp: float = 120.0) -> torch.Tensor:
    """HU of the mixture in the CT's beam."""
    attenuation = torch.tensor([effective_mass_attenuation(m, ct_kvp) for m in densities.materials])
    return 1000 * (attenuation @ densities.values / effective_mass_attenuation("water", ct_kvp) - 1)


@pytest.mark.parametrize("ct_kvp", [70.0, 80.0, 104.0, 120.0, 140.0, 150.0])
def test_hu_round_trip(ct_kvp: float) -> None:
    found = hu_of(decompose(HU, ct_kvp=ct_kvp), ct_kvp)
    torch.testing.assert_close(found, HU, rtol=0, atol=1e-3)  # float32: 4000 HU · 6e-8 · a few sums


def test_every_tissue_fits_the_basis() -> None:
    worst = max(basis_error(tissue, basis_materials()) for tissue in rows())
    assert worst < 0.001  # 0.092 % (air), the figure in docs/concepts/materials.md


def test_the_shipped_basis_is_the_fit() -> None:
    fitted = np.stack([fit_basis(tissue, basis_materials()) for tissue in rows()])
    np.testing.assert_allclose(basis_weights(), fitted, rtol=0, atol=1e-9)  # another solver's rounding


def test_densities_are_never_negative_and_never_jump() -> None:
    values = decompose(torch.arange(-1100.0, 3000.0, 0.5)).values
    assert bool((values >= 0).all())
    assert float(values.diff(dim=1).abs().max()) < 0.01  # g/cm³ per 0.5 HU; a threshold would jump by 1


def test_mass_density_is_that_of_the_tissue() -> None:
    hu = torch.tensor([-500.0, 0.0, 50.0, 1000.0])
    total = decompose(hu).values.sum(0)
    expected = torch.tensor([0.50, 1.02, 1.06, 1.54])  # Schneider's curve with bone 5 % lighter, see the concept page
    torch.testing.assert_close(total, expected, rtol=0.02, atol=0)


@pytest.mark.parametrize("hu", [-1000.0, -1024.0, -2048.0, -30000.0])
def test_air_and_padding_are_nothing(hu: float) -> None:
    assert float(decompose(torch.tensor([hu])).values.sum()) == 0.0


@pytest.mark.parametrize(
    ("name", "limit"),
    [
        ("adipose", 0.005),
        ("muscle", 0.02),
        ("soft tissue", 0.015),
        ("cortical bone", 0.001),
        ("trabecular bone", 0.001),
    ],
)
def test_known_tissues_are_recognized_by_their_hu(name: str, limit: float) -> None:
    """Limits: the composition guessed from the HU alone, 30 to 120 keV; ``scripts/report_materials.py`` prints it."""
    energies = torch.tensor([30.0, 45.0, 60.0, 90.0, 120.0], dtype=torch.float64)
    found = decompose(torch.tensor([hu_from_density(name, material(name).density_g_cm3)]))
    attenuation = found.values[:, 0].double() @ attenuation_matrix(found.materials, energies) / 10
    torch.testing.assert_close(attenuation, linear_attenuation(name, energies), rtol=limit, atol=0)


def test_metal_is_never_guessed() -> None:
    found = decompose(torch.tensor([8000.0, 30000.0]))
    assert [m.name for m in found.materials] == ["adipose 3", "soft tissue", "cortical bone"]
    expected = density_from_hu("cortical bone", torch.tensor([8000.0, 30000.0]))
    torch.testing.assert_close(found.values[2], expected, rtol=1e-3, atol=0)  # the table's last step, float32, goes on


def test_shape_dtype_and_large_volumes_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(implementation, "_CHUNK", 1000)
    hu = torch.linspace(-1000, 1500, 20 * 30 * 40).reshape(20, 30, 40)  # 24 pieces
    found = decompose(hu)
    assert found.values.shape == (3, 20, 30, 40)
    assert found.values.dtype == torch.float32
    torch.testing.assert_close(
        hu_of(Densities(found.materials, found.values.reshape(3, -1))), hu.reshape(-1), rtol=0, atol=1e-3
    )
    whole = hu.round().to(torch.int16)
    torch.testing.assert_close(decompose(whole).values, decompose(whole.float()).values, rtol=0, atol=0)
    torch.testing.assert_close(decompose(hu.permute(2, 0, 1)).values, found.values.permute(0, 3, 1, 2))


@pytest.mark.parametrize("method", ["continuous", "three_class"])
def test_differentiable_in_hu(method: str) -> None:
    hu = torch.tensor([-700.3, -40.2, 60.4, 700.6], dtype=torch.float64, requires_grad=True)
    found = decompose(hu, method=method)  # type: ignore[arg-type]
    torch.testing.assert_close(found.values.detach(), decompose(hu.detach(), method=method).values)  # type: ignore[arg-type]
    found.values.sum().backward()
    assert hu.grad is not None
    step = 0.01
    up, down = (decompose(hu.detach() + s, method=method).values.sum(0) for s in (step, -step))  # type: ignore[arg-type]
    torch.testing.assert_close(hu.grad.float(), (up - down) / (2 * step), rtol=0.02, atol=1e-5)  # float32 difference


def test_three_classes() -> None:
    found = decompose(torch.tensor([-1200.0, -800.0, -799.0, 350.0, 351.0]), method="three_class")
    assert [m.name for m in found.materials] == ["air", "soft tissue", "cortical bone"]
    expected = torch.tensor([[0, 0.2068, 0, 0, 0], [0, 0, 0.207829, 1.23601, 0], [0, 0, 0, 0, 1.2365986]])
    torch.testing.assert_close(found.values, expected, rtol=1e-4, atol=1e-6)  # the published formula, rounded


def test_labels_override_hu() -> None:
    hu = torch.tensor([3071.0, 50.0, 700.0, 40.0])
    labels = torch.tensor([1, 0, 2, 7], dtype=torch.uint8)
    found = decompose(hu, labels=labels, label_materials={1: "titanium", 2: MatchHU("trabecular bone")})
    assert [m.name for m in found.materials][3:] == ["titanium", "trabecular bone"]
    torch.testing.assert_close(found.of("titanium"), torch.tensor([4.54, 0.0, 0.0, 0.0]))
    torch.testing.assert_close(hu_of(found)[1:], hu[1:], rtol=0, atol=1e-3)  # float32
    assert float(found.values[:3, [0, 2]].abs().sum()) == 0.0
    torch.testing.assert_close(found.values[:3, 3], decompose(hu).values[:, 3])


def test_label_material_of_the_basis_shares_its_channel() -> None:
    found = decompose(torch.zeros(2), labels=torch.tensor([1, 0]), label_materials={1: "cortical bone"})
    assert len(found.materials) == 3
    assert float(found.of("bone")[0]) == pytest.approx(1.92)


def test_bad_input() -> None:
    hu = torch.zeros(2, 2)
    with pytest.raises(ValueError, match="hu must be finite, got 1 or more voxels that are NaN"):
        decompose(torch.tensor([0.0, float("nan")]))
    with pytest.raises(ValueError, match="NaN or infinite"):
        decompose(torch.tensor([float("inf")], requires_grad=True))
    with pytest.raises(TypeError, match=r"torch.Tensor, got list"):
        decompose([0.0])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"method must be .* got 'magic'"):
        decompose(hu, method="magic")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"ct_kvp must be 70 to 150 kV.* got 30"):
        decompose(hu, ct_kvp=30.0)
    with pytest.raises(ValueError, match="needs labels"):
        decompose(hu, label_materials={1: "gold"})
    with pytest.raises(ValueError, match=r"the shape of hu, \(2, 2\), got \(3,\)"):
        decompose(hu, labels=torch.zeros(3), label_materials={1: "gold"})
    with pytest.raises(ValueError, match=r"must be one of .* got 'gold'"):
        decompose(hu).of("gold")
