"""Distributions of quantum and electronic noise."""

import math

import pytest
import torch
from torch import Tensor

from deepdrr.detector import electronic_noise, quantum_noise

PIXELS = 1_000_000
KEV = 50.0


def draw(photons: float, generator: torch.Generator, spread: float = 1.2) -> tuple[Tensor, float, float]:
    """Many pixels of a mean number of photons; `spread` is <E²>/<E>², 1 for a single energy."""
    mean, variance = photons * KEV, photons * KEV**2 * spread
    signal = torch.full((PIXELS,), mean, dtype=torch.float64)
    return quantum_noise(signal, torch.full_like(signal, variance), generator=generator), mean, variance


@pytest.mark.parametrize("photons", [0.05, 0.7, 3.0, 23.0, 57.0, 2839.0, 1e6])
def test_mean_and_variance_at_every_level(photons: float, generator: torch.Generator) -> None:
    drawn, mean, variance = draw(photons, generator)
    # Five standard errors of the mean; the draw is unbiased, also far below one photon.
    assert float(drawn.mean()) == pytest.approx(mean, abs=5 * math.sqrt(variance / PIXELS))
    # 2 %: the acceptance limit. The standard error of the variance is sqrt((2 + 1.2 / photons) / PIXELS) < 0.6 %.
    assert float(drawn.var()) == pytest.approx(variance, rel=0.02)
    assert float(drawn.min()) >= 0.0


def test_counts_of_one_energy_are_poisson(generator: torch.Generator) -> None:
    drawn, _, _ = draw(5.0, generator, spread=1.0)
    counts = (drawn / KEV).round()
    torch.testing.assert_close(counts * KEV, drawn)  # whole photons
    k = torch.arange(15, dtype=torch.float64)
    expected = PIXELS * torch.exp(k * math.log(5.0) - 5.0 - torch.lgamma(k + 1))
    observed = torch.bincount(counts.long(), minlength=15)[:15]
    chi_squared = float(((observed - expected) ** 2 / expected).sum())
    assert abs(chi_squared - 15) < 5 * math.sqrt(2 * 15)  # five standard deviations of χ² with 15 degrees of freedom


def test_neighbors_are_independent(generator: torch.Generator) -> None:
    drawn, mean, variance = draw(23.0, generator)
    correlation = float(((drawn[1:] - mean) * (drawn[:-1] - mean)).mean()) / variance
    assert abs(correlation) < 5 / math.sqrt(PIXELS)


def test_no_photons_give_no_signal(generator: torch.Generator) -> None:
    signal = torch.tensor([0.0, 1e-300, 1e-30])
    assert quantum_noise(signal, signal * KEV, generator=generator).tolist() == [0.0, 0.0, 0.0]


def test_a_seed_is_an_image() -> None:
    signal = torch.linspace(0.0, 3000.0, 1000)

    def drawn(seed: int) -> Tensor:
        seeded = torch.Generator().manual_seed(seed)
        image = quantum_noise(signal, signal * KEV, generator=seeded)
        return electronic_noise(image, 45.0, generator=seeded)

    assert torch.equal(drawn(7), drawn(7))
    assert not torch.equal(drawn(7), drawn(8))


def test_the_global_generator_is_left_alone(generator: torch.Generator) -> None:
    before = torch.get_rng_state()
    draw(3.0, generator)
    electronic_noise(torch.zeros(10), 1.0, generator=generator)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_gradient_is_that_of_the_mean(generator: torch.Generator) -> None:
    mean = torch.tensor([100.0, 5000.0], requires_grad=True)
    quantum_noise(mean, mean.detach() * KEV, generator=generator).sum().backward()
    assert mean.grad is not None
    assert mean.grad.tolist() == [1.0, 1.0]


def test_electronic_noise_is_gaussian(generator: torch.Generator) -> None:
    drawn = electronic_noise(torch.full((PIXELS,), 10.0), 45.0, generator=generator)
    assert float(drawn.mean()) == pytest.approx(10.0, abs=5 * 45.0 / math.sqrt(PIXELS))
    # Standard error of a Gaussian's variance: sqrt(2 / PIXELS) = 0.14 %; five of them.
    assert float(drawn.var()) == pytest.approx(45.0**2, rel=0.007)
    assert float((drawn < 10.0 - 45.0).double().mean()) == pytest.approx(0.15866, abs=0.002)


@pytest.mark.parametrize("value", [-1.0, math.nan, math.inf])
def test_moments_that_cannot_be(value: float, generator: torch.Generator) -> None:
    good, bad = torch.ones(3), torch.tensor([1.0, value, 1.0])
    with pytest.raises(ValueError, match=f"mean_kev must be finite and not negative, got {value} in 1 pixels"):
        quantum_noise(bad, good, generator=generator)
    with pytest.raises(ValueError, match=f"variance_kev2 must be finite and not negative, got {value}"):
        quantum_noise(good, bad, generator=generator)
    with pytest.raises(ValueError, match="rms_kev must be a finite number of keV"):
        electronic_noise(good, value, generator=generator)


def test_shapes_that_differ(generator: torch.Generator) -> None:
    with pytest.raises(ValueError, match=r"same shape, got \(3,\) and \(4,\)"):
        quantum_noise(torch.ones(3), torch.ones(4), generator=generator)


def test_a_draw_needs_a_generator() -> None:
    with pytest.raises(TypeError, match=r"generator must be a torch.Generator: noise has no global state, got 7"):
        quantum_noise(torch.ones(3), torch.ones(3), generator=7)  # type: ignore[arg-type]


def test_more_photons_than_64_bits_count_are_refused() -> None:
    """torch.poisson wraps around there: an image of negative energies."""
    mean = torch.full((2, 2), 50.0 * 1e19, dtype=torch.float64)
    with pytest.raises(ValueError, match=r"fewer than 1e\+18 photons per pixel, got 1e\+19"):
        quantum_noise(mean, mean * 50.0, generator=torch.Generator())
