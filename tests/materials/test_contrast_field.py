"""Contrast media as a concentration per voxel."""

import pytest
import torch

from deepdrr.materials import (
    attenuation_matrix,
    barium_contrast,
    decompose,
    iodine_contrast,
    linear_attenuation,
    material,
    with_contrast,
)

ENERGIES = torch.tensor([25.0, 33.1, 33.3, 37.3, 37.6, 60.0, 90.0])


def linear(found: object, voxel: int) -> torch.Tensor:
    """µ of one voxel in 1/mm."""
    mu = attenuation_matrix(found.materials, ENERGIES)  # type: ignore[attr-defined]
    return 0.1 * (found.values[:, voxel].double()[:, None] * mu).sum(dim=0)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("agent", "amount", "mixed"),
    [("iodine", 15.0, iodine_contrast(15.0, base="blood")), ("barium", 300.0, barium_contrast(300.0, base="blood"))],
)
def test_a_vessel_is_the_mixture_of_the_registry(agent: str, amount: float, mixed: object) -> None:
    """Blood by label and a concentration: the same attenuation as the ready mixture, on both sides of the K edges."""
    hu, labels = torch.tensor([40.0, 40.0]), torch.tensor([0, 1])
    patient = decompose(hu, labels=labels, label_materials={1: "blood"})
    filled = with_contrast(patient, torch.tensor([0.0, amount]), agent=agent)  # type: ignore[arg-type]
    expected = linear_attenuation(mixed, ENERGIES)  # type: ignore[arg-type]
    torch.testing.assert_close(linear(filled, 1), expected, rtol=1e-6, atol=0)  # densities are float32
    torch.testing.assert_close(linear(filled, 0), linear(patient, 0), rtol=0, atol=0)


def test_both_agents_and_the_mass() -> None:
    patient = decompose(torch.tensor([40.0]))
    both = with_contrast(with_contrast(patient, torch.tensor([10.0])), torch.tensor([200.0]), agent="barium")
    assert [m.name for m in both.materials[-2:]] == ["iohexol", "barium sulfate"]
    assert float(both.of("barium sulfate")) == pytest.approx(0.2)
    more = with_contrast(both, torch.tensor([5.0]))
    assert len(more.materials) == len(both.materials)
    iodine = float(more.values[-2]) * more.materials[-2].composition["I"]
    assert iodine == pytest.approx(
        0.010 * (1 - 0.2 / material("barium sulfate").density_g_cm3) * (1 - 0.005 / 0.464 * 0.461) + 0.005, rel=1e-3
    )


def test_concentration_has_a_gradient() -> None:
    patient = decompose(torch.tensor([40.0, 60.0]))
    amount = torch.tensor([5.0, 8.0], dtype=torch.float64, requires_grad=True)
    mu = attenuation_matrix(with_contrast(patient, amount).materials, torch.tensor([50.0]))[:, 0]

    def total(mg_per_ml: torch.Tensor) -> torch.Tensor:
        return (mu[:, None] * with_contrast(patient, mg_per_ml).values.double()).sum()

    (slope,) = torch.autograd.grad(total(amount), amount)
    with torch.no_grad():
        expected = [(total(amount + step) - total(amount - step)) / 2 for step in torch.eye(2)]
    torch.testing.assert_close(slope, torch.stack(expected), rtol=1e-4, atol=0)  # linear; float32 densities


@pytest.mark.parametrize(
    ("amount", "agent", "message"),
    [
        (torch.tensor([-1.0]), "iodine", "mg_per_ml must be from 0 to below"),
        (torch.tensor([float("nan")]), "iodine", "mg_per_ml must be from 0 to below"),
        (torch.tensor([2000.0]), "iodine", "mg_per_ml must be from 0 to below 1006"),
        (torch.tensor([1.0, 2.0]), "iodine", r"shape of the voxels, \(1,\), got \(2,\)"),
        (torch.tensor([1.0]), "gadolinium", "agent must be one of iodine, barium, got 'gadolinium'"),
    ],
)
def test_bad_input(amount: torch.Tensor, agent: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        with_contrast(decompose(torch.tensor([40.0])), amount, agent=agent)  # type: ignore[arg-type]
