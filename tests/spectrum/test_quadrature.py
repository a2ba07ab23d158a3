"""A few energies instead of all: the guaranteed error, against the sum over every bin."""

import pytest
import torch
from torch import Tensor

from deepdrr.materials import Material, attenuation_matrix, compound, mass_attenuation
from deepdrr.spectrum import (
    Spectrum,
    attenuate,
    fit_quadrature,
    monochromatic,
    photon_moments,
    spectral_sums,
    tungsten_spectrum,
    weighted_sums,
)

IODINE = compound("I", 4.93, "iodine")
TISSUES = ("adipose 3", "soft tissue", "cortical bone")
RANGES: list[tuple[tuple[Material | str, ...], list[float]]] = [
    (TISSUES, [40.0, 40.0, 15.0]),
    (("soft tissue", "cortical bone", IODINE), [40.0, 8.0, 0.1]),
    (("soft tissue", "cortical bone", IODINE, "copper"), [40.0, 6.0, 0.1, 1.8]),
    (("soft tissue", "lead"), [30.0, 1.0]),
]


def dense(highest: list[float], generator: torch.Generator) -> Tensor:
    """[M, 1, N]: every combination of a few values per material, and points between them; not the sample of the fit."""
    axes = [torch.linspace(0, 1, 6, dtype=torch.float64) ** 2] * len(highest)
    grid = torch.cartesian_prod(*axes).reshape(-1, len(highest))
    between = torch.rand(20000, len(highest), generator=generator, dtype=torch.float64)
    return (torch.cat([grid, between]) * torch.tensor(highest, dtype=torch.float64)).T[:, None]


@pytest.mark.parametrize("kvp", [50.0, 80.0, 120.0])
@pytest.mark.parametrize(("materials", "highest"), RANGES)
def test_the_stated_error_holds_on_the_whole_range(
    kvp: float, materials: tuple[Material | str, ...], highest: list[float], generator: torch.Generator
) -> None:
    beam = tungsten_spectrum(kvp)
    few = fit_quadrature(beam, materials, highest)
    areas = dense(highest, generator)
    exact = spectral_sums(areas, attenuation_matrix(materials, beam.energies_kev), photon_moments(beam))
    error = float((spectral_sums(areas, few.mu, few.weights) / exact - 1).abs().max())
    assert error <= 1e-4
    # The statement is a maximum over 8000 points; between them it is exceeded by little.
    assert error <= 1.2 * few.max_relative_error
    assert len(few) <= 20
    assert bool((few.weights >= 0).all())


def test_any_response_has_its_own_weights() -> None:
    """Thresholds and an absorption edge, as a photon counter or CsI have them, next to the moments."""
    beam = tungsten_spectrum(100.0)
    energies = beam.energies_kev
    response = torch.stack(
        [(energies > 40.0).double(), (energies > 65.0).double(), mass_attenuation("caesium iodide", energies)]
    )
    few = fit_quadrature(beam, TISSUES, [10.0, 30.0, 8.0], weights=response * beam.photons)
    assert few.weights.shape == (3, len(few))
    assert few.max_relative_error <= 1e-4
    assert len(few) <= 25


def test_nodes_stay_off_the_far_side_of_an_absorption_edge() -> None:
    """µ of a node is that of its energy, so a contrast medium keeps its K edge at 33.17 keV."""
    few = fit_quadrature(tungsten_spectrum(80.0), ["soft tissue", IODINE], [30.0, 0.1])
    torch.testing.assert_close(few.mu, attenuation_matrix(["soft tissue", IODINE], few.energies_kev))
    assert bool((few.energies_kev < 33.17).any() & (few.energies_kev > 33.17).any())


def test_attenuate_to_a_tolerance(generator: torch.Generator) -> None:
    beam = tungsten_spectrum(80.0)
    areas = torch.rand(2, 3, 20, 30, generator=generator) * torch.tensor([10.0, 30.0, 8.0])[:, None, None]
    exact, few = attenuate(areas, beam, TISSUES), attenuate(areas, beam, TISSUES, tolerance=1e-4)
    for name in ("photons", "energy_kev", "energy_sq_kev2"):
        torch.testing.assert_close(getattr(few, name), getattr(exact, name), rtol=1.1e-4, atol=0)  # and float32's 1e-5


def test_gradients_of_the_patient_follow(generator: torch.Generator) -> None:
    beam = tungsten_spectrum(80.0)
    shape = (3, 8, 8)
    areas = torch.rand(shape, generator=generator, dtype=torch.float64) * torch.tensor([10.0, 30.0, 8.0])[:, None, None]
    areas.requires_grad_()
    slopes = [
        torch.autograd.grad(attenuate(areas, beam, TISSUES, tolerance=choice).energy_kev.log().sum(), areas)[0]
        for choice in (None, 1e-4)
    ]
    # The slope of log S is a mean µ; a relative error of S of 1e-4 that waves over some g/cm² bends it by about 1e-3.
    torch.testing.assert_close(slopes[1], slopes[0], rtol=2e-3, atol=0)


def test_a_spectrum_to_be_learned_is_summed_in_full() -> None:
    kvp = torch.tensor(80.0, dtype=torch.float64, requires_grad=True)
    areas = torch.full((1, 1, 1), 20.0, dtype=torch.float64)
    slopes = [
        torch.autograd.grad(attenuate(areas, tungsten_spectrum(kvp), ["water"], tolerance=t).energy_kev.sum(), kvp)[0]
        for t in (None, 1e-4)
    ]
    assert torch.equal(*slopes)


def test_where_nothing_smaller_does_all_bins_stay() -> None:
    pair = Spectrum.from_arrays([30.0, 60.0], [1.0, 1.0])
    few = fit_quadrature(pair, ["water"], [40.0])
    assert few.energies_kev.tolist() == [30.0, 60.0]
    assert few.max_relative_error == 0.0
    assert "all bins" in few.reason
    assert len(fit_quadrature(monochromatic(60.0), ["lead"], [200.0])) == 1


def test_nothing_passes() -> None:
    """400 g/cm² of lead: exp(−2000) is below any number, so no relative error could be stated."""
    few = fit_quadrature(tungsten_spectrum(80.0), ["lead"], [400.0])
    assert "nothing measurable" in few.reason


def test_a_range_below_zero(generator: torch.Generator) -> None:
    """A heel map is tungsten relative to the central ray: less of it toward the cathode."""
    beam = tungsten_spectrum(80.0)
    areas = torch.rand(2, 10, 10, generator=generator, dtype=torch.float64)
    areas = areas * torch.tensor([30.0, 0.02])[:, None, None] - torch.tensor([0.0, 0.005])[:, None, None]
    exact, few = (
        weighted_sums(areas, beam, ["soft tissue", "tungsten"], beam.energies_kev[None], tolerance=t)
        for t in (None, 1e-4)
    )
    torch.testing.assert_close(few, exact, rtol=1e-4, atol=0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"max_area_densities": [1.0]}, "max_area_densities must hold 2 finite numbers"),
        ({"max_area_densities": [1.0, float("nan")]}, "max_area_densities must hold 2 finite"),
        ({"min_area_densities": [2.0, 0.0]}, "must not be below min_area_densities"),
        ({"weights": torch.ones(1, 3)}, r"weights must be \[K, 1\]"),
        ({"weights": -torch.ones(1, 1)}, "weights must be finite and not negative"),
        ({"tolerance": 0.0}, "tolerance must be between"),
        ({"materials": ["water", "unobtainium"]}, "unobtainium"),
    ],
)
def test_bad_input(change: dict[str, object], message: str) -> None:
    given = {"materials": ["water", "bone"], "max_area_densities": [1.0, 1.0], **change}
    with pytest.raises(ValueError, match=message):
        fit_quadrature(monochromatic(60.0), **given)  # type: ignore[arg-type]
