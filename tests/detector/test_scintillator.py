"""The CsI scintillator: absorption, K escape and Swank noise."""

import math

import pytest
import torch

from deepdrr.detector import (
    EnergyIntegratingDetector,
    FlatPanel,
    Response,
    Scintillator,
    absorb,
    absorbed_moments,
    detect,
)
from deepdrr.materials import mass_attenuation
from deepdrr.spectrum import standard_quality, tungsten_spectrum
from deepdrr.validation._references import reference_rows

# A slab Monte Carlo of 600 µm CsI at 0.203 g/cm² with K fluorescence, escape and Compton scattering: interacting
# photons, energy that stays, Swank factor of it.
TABLE = {
    float(row["energy_kev"]): tuple(float(row[column]) for column in ("interacting", "absorbed", "swank"))
    for row in reference_rows("csi_absorption")
}
RQA5 = standard_quality("RQA 5")


def dqe_zero(response: Response, photons: torch.Tensor) -> float:
    return float((photons * response.mean).sum() ** 2 / (photons.sum() * (photons * response.mean_square).sum()))


def test_absorption_agrees_with_a_monte_carlo() -> None:
    energy = torch.tensor(list(TABLE), dtype=torch.float64)
    interacting, absorbed, swank = torch.tensor(list(TABLE.values()), dtype=torch.float64).T
    found = absorbed_moments(energy)
    # The table has three digits.
    torch.testing.assert_close(found.interacting, interacting, rtol=0, atol=0.0006)
    # The model lets K photons leave in one flight and coherent scattering pass.
    torch.testing.assert_close(found.mean_kev / energy, absorbed, rtol=0.016, atol=0)
    torch.testing.assert_close(found.swank, swank, rtol=0, atol=0.007)


def test_the_k_edges_are_sharp() -> None:
    just_below, just_above = (absorbed_moments(torch.tensor([33.169 + d, 35.985 + d])) for d in (-0.01, 0.01))
    assert bool((just_above.absorbing > just_below.absorbing).all())
    # Above an edge more photons interact, and fewer of them leave all their energy.
    assert bool((just_above.swank < just_below.swank - 0.02).all())


def test_what_stays_is_between_nothing_and_all() -> None:
    found = absorbed_moments(torch.linspace(5.0, 150.0, 291))
    energy = torch.linspace(5.0, 150.0, 291, dtype=torch.float64)
    assert bool(((found.mean_kev > 0) & (found.mean_kev <= energy * found.absorbing * (1 + 1e-12))).all())
    assert bool((found.absorbing <= found.interacting).all())
    assert bool(((found.swank > 0.8) & (found.swank <= 1 + 1e-12)).all())


def test_dqe_at_rqa5() -> None:
    """0.70: published DQE(0) of such a panel, and 0.711 from the Monte Carlo's table; 0.03 is the acceptance limit."""
    response = FlatPanel().response(RQA5.energies_kev)
    assert dqe_zero(response, RQA5.photons) == pytest.approx(0.70, abs=0.03)
    without_light_noise = Scintillator(optical_swank=1.0).response(RQA5.energies_kev)
    assert dqe_zero(without_light_noise, RQA5.photons) * 0.9 == pytest.approx(dqe_zero(response, RQA5.photons))
    ideal = EnergyIntegratingDetector().response(RQA5.energies_kev)
    assert dqe_zero(ideal, RQA5.photons) > 0.95


@pytest.mark.parametrize(("quality", "dqe"), [("RQA 3", 0.75), ("RQA 7", 0.61), ("RQA 9", 0.47)])
def test_dqe_at_the_other_qualities(quality: str, dqe: float) -> None:
    """The figures in docs/concepts/detector.md."""
    beam = standard_quality(quality)
    assert dqe_zero(FlatPanel().response(beam.energies_kev), beam.photons) == pytest.approx(dqe, abs=0.006)


def test_variance_grows_with_the_mean_as_the_response_says(generator: torch.Generator) -> None:
    response = FlatPanel().response(RQA5.energies_kev)
    expected = float((RQA5.photons * response.mean_square).sum() / (RQA5.photons * response.mean).sum())
    panel = FlatPanel(blur=None, electronic_noise_electrons=0.0)
    means, variances = [], []
    for photons in (20.0, 60.0, 200.0, 600.0, 2000.0):
        scale = photons / float(RQA5.photons.sum())
        signal = absorb(torch.zeros(1, 400, 400), RQA5, ["water"], panel, fluence=scale)
        image = detect(signal, panel, generator=generator).double()
        means.append(float(image.mean()))
        variances.append(float(image.var()))
    x, y = torch.tensor(means), torch.tensor(variances)
    slope = float((x / x**2 * y).sum() / len(x))  # each level weighs alike, its variance is proportional to its mean
    assert slope == pytest.approx(expected, rel=0.02)  # the acceptance limit; 160 000 pixels each have 0.35 %


def test_absorb_is_the_sum_over_all_energies() -> None:
    depth = torch.tensor([[[0.0, 3.0, 20.0]]], dtype=torch.float64)
    found = absorb(depth, RQA5, ["water"], FlatPanel(), fluence=torch.tensor([[1.0, 2.0, 3.0]]))
    response = FlatPanel().response(RQA5.energies_kev)
    transmitted = torch.exp(-depth[0, 0, :, None] * mass_attenuation("water", RQA5.energies_kev)) * RQA5.photons
    scale = torch.tensor([1.0, 2.0, 3.0])
    torch.testing.assert_close(found.mean[0], (transmitted * response.mean).sum(-1) * scale)
    torch.testing.assert_close(found.variance[0], (transmitted * response.mean_square).sum(-1) * scale)


def test_the_signal_is_differentiable_in_tube_and_object() -> None:
    def mean(kvp: torch.Tensor, copper_mm: torch.Tensor, depth: torch.Tensor) -> torch.Tensor:
        beam = tungsten_spectrum(kvp, filters=[("copper", copper_mm)])  # type: ignore[list-item]
        return absorb(depth.expand(1, 2, 2), beam, ["water"], FlatPanel()).mean.mean()

    point = [torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (81.3, 0.1, 12.0)]
    analytic = torch.autograd.grad(mean(*point), point)
    for i, step in enumerate((1e-3, 1e-5, 1e-4)):
        ends = []
        for sign in (1, -1):
            moved = [p.detach().clone() for p in point]
            moved[i] += sign * step
            ends.append(float(mean(*moved)))
        # Central differences: error of the order of the step squared.
        assert float(analytic[i]) == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-5)


@pytest.mark.parametrize("value", [0.0, -0.1, math.nan, math.inf])
def test_a_layer_that_cannot_be(value: float) -> None:
    with pytest.raises(ValueError, match=f"areal_density_g_cm2 must be positive and finite, got {value}"):
        Scintillator(areal_density_g_cm2=value)


@pytest.mark.parametrize("value", [0.0, 1.1, math.nan])
def test_a_swank_factor_is_at_most_one(value: float) -> None:
    with pytest.raises(ValueError, match=rf"optical_swank must be in \(0, 1\], got {value}"):
        Scintillator(optical_swank=value)
