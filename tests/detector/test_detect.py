"""`detect`: mean and noise of the raw signal of every detector."""

import math

import pytest
import torch

from deepdrr.detector import (
    Blur,
    Detector,
    EnergyIntegratingDetector,
    FlatPanel,
    QuantumSignal,
    absorb,
    detect,
    expected_signal,
)
from deepdrr.spectrum import attenuate, tungsten_spectrum

SPECTRUM = tungsten_spectrum(80.0)
PANEL = FlatPanel(blur=Blur(light_spread_mm=0.02, glare=None))
QUIET = EnergyIntegratingDetector(quantum_noise=False, electronic_noise_electrons=0.0)
QUANTUM_ONLY = EnergyIntegratingDetector(electronic_noise_electrons=0.0)
FLUENCE = 1 / float(SPECTRUM.photons.sum())


def beam_behind_water(depth_cm: float, photons: float, pixels: int = 1000) -> QuantumSignal:
    area_densities = torch.full((1, pixels, pixels), depth_cm)
    return absorb(area_densities, SPECTRUM, ["water"], QUIET, fluence=photons * FLUENCE)


def test_the_ideal_detector_keeps_the_moments_of_the_beam() -> None:
    area_densities = torch.full((1, 2, 2), 12.0)
    beam = attenuate(area_densities, SPECTRUM, ["water"], fluence=100 * FLUENCE)
    found = beam_behind_water(12.0, 100.0, pixels=2)
    torch.testing.assert_close(found.mean, beam.energy_kev)
    torch.testing.assert_close(found.variance, beam.energy_sq_kev2)


@pytest.mark.parametrize(("depth_cm", "photons"), [(0.0, 20.0), (10.0, 2839.0), (30.0, 2839.0), (30.0, 57.0)])
def test_noise_of_a_hardened_beam(depth_cm: float, photons: float, generator: torch.Generator) -> None:
    beam = beam_behind_water(depth_cm, photons)
    image = detect(beam, QUANTUM_ONLY, generator=generator).double()
    variance = float(beam.variance[0, 0])
    assert float(image.mean()) == pytest.approx(float(beam.mean[0, 0]), abs=5 * math.sqrt(variance / 1e6))
    # 2 %: the acceptance limit; the standard error is 0.3 % for the least, 0.15 photons per pixel.
    assert float(image.var()) == pytest.approx(variance, rel=0.02)


def test_moments_agree_with_drawing_every_energy_by_itself(generator: torch.Generator) -> None:
    """The energies of all photons drawn one bin at a time: the compound Poisson law that the moments stand for."""
    lit = SPECTRUM.photons > 0
    photons_per_bin = 8.0 * SPECTRUM.photons[lit] / SPECTRUM.photons.sum()
    counts = torch.poisson(photons_per_bin.expand(100_000, -1), generator=generator)
    exact = counts @ SPECTRUM.energies_kev[lit]
    drawn = detect(beam_behind_water(0.0, 8.0, pixels=316), QUANTUM_ONLY, generator=generator).double()
    # Standard error of either mean 0.12 % and variance 0.5 %: limits of five times their difference's.
    assert float(drawn.mean()) == pytest.approx(float(exact.mean()), rel=0.009)
    assert float(drawn.var()) == pytest.approx(float(exact.var()), rel=0.035)


def test_electronic_noise_adds_its_variance(generator: torch.Generator) -> None:
    beam = beam_behind_water(0.0, 23.0)
    image = detect(beam, EnergyIntegratingDetector(), generator=generator).double()
    expected = float(beam.variance[0, 0]) + (1500.0 / 33.0) ** 2
    assert float(image.var()) == pytest.approx(expected, rel=0.02)


def test_without_noise_it_is_the_mean_and_needs_no_generator() -> None:
    beam = beam_behind_water(5.0, 100.0, pixels=4)
    assert torch.equal(detect(beam, QUIET), expected_signal(beam, QUIET))
    assert torch.equal(expected_signal(beam, QUIET), beam.mean)


def test_the_same_seed_is_the_same_image() -> None:
    beam = beam_behind_water(10.0, 57.0, pixels=64)
    first, again, other = (
        detect(beam, QUANTUM_ONLY, generator=torch.Generator().manual_seed(seed)) for seed in (3, 3, 4)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("detector", [QUIET, QUANTUM_ONLY, EnergyIntegratingDetector(), PANEL])
def test_the_gradient_is_that_of_the_mean(detector: Detector, generator: torch.Generator) -> None:
    depth = torch.full((1, 2, 3), 4.0, dtype=torch.float64, requires_grad=True)

    def mean(x: torch.Tensor) -> torch.Tensor:
        beam = absorb(x, SPECTRUM, ["water"], detector, fluence=500 * FLUENCE)
        return expected_signal(beam, detector, pixel_mm=(0.2, 0.2))

    beam = absorb(depth, SPECTRUM, ["water"], detector, fluence=500 * FLUENCE)
    noisy = detect(beam, detector, pixel_mm=(0.2, 0.2), generator=generator)
    torch.testing.assert_close(*(torch.autograd.grad(i.sum(), depth)[0] for i in (noisy, mean(depth))))
    torch.autograd.gradcheck(mean, depth)


def test_noise_without_a_generator_is_refused() -> None:
    with pytest.raises(TypeError, match=r"generator must be a torch.Generator for a detector with noise, got None"):
        detect(beam_behind_water(0.0, 10.0, pixels=2))


@pytest.mark.parametrize("value", [-1.0, math.nan, math.inf])
@pytest.mark.parametrize("name", ["electronic_noise_electrons", "gain_electrons_per_kev"])
def test_a_detector_that_cannot_be(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name} must be finite and not negative, got {value}"):
        EnergyIntegratingDetector(**{name: value})  # type: ignore[arg-type]


def test_a_detector_without_gain() -> None:
    with pytest.raises(ValueError, match=r"gain_electrons_per_kev must be positive, got 0\.0"):
        EnergyIntegratingDetector(gain_electrons_per_kev=0.0)
