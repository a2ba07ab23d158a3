"""Photon-counting detectors with energy thresholds."""

import pytest
import torch

from deepdrr.detector import IdealCounter, PhotonCounter, absorb, detect, expected_signal
from deepdrr.spectrum import attenuate, monochromatic, tungsten_spectrum

BEAM = tungsten_spectrum(120.0)
SIMPLE = PhotonCounter(thresholds_kev=(20.0, 50.0, 80.0), shared=0.0, escape=0.0, resolution_fwhm_kev=0.5)


def test_the_ideal_counter_counts_photons(generator: torch.Generator) -> None:
    depth = torch.full((1, 200, 200), 10.0)
    fluence = 1000.0 / float(BEAM.photons.sum())
    counter = IdealCounter()
    counts = absorb(depth, BEAM, ["water"], counter, fluence=fluence)
    torch.testing.assert_close(counts.mean, attenuate(depth, BEAM, ["water"], fluence=fluence).photons)
    image = detect(counts, counter, generator=generator)
    assert torch.equal(image, image.round())
    mean = float(counts.mean[0, 0])
    assert float(image.mean()) == pytest.approx(mean, abs=5 * (mean / 40_000) ** 0.5)
    assert float(image.var()) == pytest.approx(mean, rel=0.04)  # five standard errors


def test_windows_part_the_spectrum() -> None:
    counts = absorb(torch.zeros(1, 2, 3), BEAM, ["water"], SIMPLE)
    assert counts.mean.shape == (3, 2, 3)
    absorbed = SIMPLE.response(BEAM.energies_kev).mean.sum(dim=0)
    edges = ((20, 50), (50, 80), (80, 120))
    for found, (low, high) in zip(counts.mean[:, 0, 0], edges, strict=True):
        inside = (BEAM.energies_kev > low) & (BEAM.energies_kev < high)
        # The narrow pulse width moves the photons of one bin of 1 keV at each threshold.
        assert float(found) == pytest.approx(float((BEAM.photons * absorbed)[inside].sum()), rel=0.01)


def test_a_window_behind_water_is_the_sum_over_its_energies() -> None:
    depth = torch.tensor([[[0.0, 10.0]]], dtype=torch.float64)
    one = monochromatic(60.0, 1e4)
    counts = absorb(depth, one, ["water"], SIMPLE, fluence=torch.tensor([[1.0, 2.0]]))
    beam = attenuate(depth, one, ["water"], fluence=torch.tensor([[1.0, 2.0]]))
    share = float(SIMPLE.response(one.energies_kev).mean[1])
    torch.testing.assert_close(counts.mean[1], beam.photons * share)


def test_absorption_and_fill_factor_bound_the_counts() -> None:
    energies = torch.tensor([30.0, 60.0, 100.0])
    total = SIMPLE.response(energies).mean.sum(dim=0)
    assert float(total[0]) == pytest.approx(0.88, abs=1e-3)  # 30 keV photons are all absorbed
    assert bool((total.diff() < 0).all())  # harder ones less
    assert float(total[2]) > 0.6


def test_sharing_and_escape_move_counts_to_lower_windows() -> None:
    energies = torch.tensor([70.0])
    clean, shared, escaping = (
        PhotonCounter(thresholds_kev=(20.0, 35.0, 60.0), shared=s, escape=k).response(energies).mean[:, 0]
        for s, k in ((0.0, 0.0), (0.3, 0.0), (0.0, 0.5))
    )
    assert float(shared[2]) < float(clean[2])
    assert float(shared[0]) > float(clean[0])
    assert float(shared.sum()) > float(clean.sum())  # one photon counted twice
    assert float(escaping[1]) > float(clean[1]) + 0.05  # 70 keV less a K photon of 24 or 28
    torch.testing.assert_close(escaping.sum(), clean.sum(), rtol=1e-3, atol=0)


def test_counts_of_a_window_are_poisson(generator: torch.Generator) -> None:
    counter = PhotonCounter()
    counts = absorb(torch.zeros(1, 150, 150), BEAM, ["water"], counter, fluence=300.0 / float(BEAM.photons.sum()))
    image = detect(counts, counter, generator=generator).double()
    ratio = image.var(dim=(-2, -1)) / counts.mean.double()[:, 0, 0]
    torch.testing.assert_close(ratio, torch.ones(6).double(), rtol=0, atol=0.05)  # five standard errors of 22 500
    quiet = PhotonCounter(quantum_noise=False)
    assert torch.equal(detect(counts, quiet), expected_signal(counts, counter))


@pytest.mark.parametrize("thresholds", [(), (30.0, 20.0), (0.0, 20.0), (20.0, float("inf"))])
def test_thresholds_rise(thresholds: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="thresholds_kev must be positive, finite and rise"):
        PhotonCounter(thresholds_kev=thresholds)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"fill_factor": 1.2}, r"fill_factor must be in \(0, 1\], got 1.2"),
        ({"shared": -0.1}, "shared must be a probability, got -0.1"),
        ({"thickness_mm": 0.0}, "thickness_mm must be positive and finite, got 0.0"),
    ],
)
def test_counters_that_cannot_be(given: dict[str, float], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        PhotonCounter(**given)  # type: ignore[arg-type]
