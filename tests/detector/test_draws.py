"""Draws as functions of a seed and a pixel's number: the generator, the distributions, the same bits by every build."""

import math
import os
import subprocess
import sys

import pytest
import torch
from torch import Tensor

from deepdrr._kernels import usable_builds
from deepdrr.detector.draws._cpu import electrons_by_cpu, quanta_by_cpu
from deepdrr.detector.draws._draws import draw_electrons, draw_quanta, seed_from
from deepdrr.detector.draws._torch import electrons_by_torch, philox, quanta_by_torch

PIXELS = 1_000_000
SEED = 2**62 + 12345


def counts(photons: float, seed: int, pixels: int = PIXELS) -> Tensor:
    """Photons of energy 1 in every pixel."""
    mean = torch.full((pixels,), photons, dtype=torch.float64)
    return draw_quanta(mean, mean, seed)


@pytest.mark.parametrize(
    ("counter", "key", "words"),
    [
        ((0, 0, 0, 0), 0, (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((0xFFFFFFFF,) * 4, 2**64 - 1, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            0x299F31D0A4093822,
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_philox_gives_the_known_answers(counter, key: int, words) -> None:
    """The vectors that its authors publish beside it (Random123, kat_vectors)."""
    found = philox([torch.tensor([word]) for word in counter], key)
    assert tuple(int(word) for word in found) == words


@pytest.mark.parametrize("photons", [0.4, 2.5, 9.99, 10.01, 14.0, 37.0, 250.0, 1e4])
def test_counts_are_poisson(photons: float) -> None:
    """χ² over all numbers that are expected 20 times or more: on both sides of where the method changes."""
    drawn = counts(photons, seed=3).long()
    k = torch.arange(int(drawn.max()) + 1, dtype=torch.float64)
    expected = PIXELS * torch.exp(k * math.log(photons) - photons - torch.lgamma(k + 1))
    usual = expected >= 20
    observed = torch.bincount(drawn).double()
    squares = ((observed - expected) ** 2 / expected)[usual]
    freedom = int(usual.sum())
    assert abs(float(squares.sum()) - freedom) < 5 * math.sqrt(2 * freedom)  # five standard deviations of χ²


@pytest.mark.parametrize("photons", [1e9, 1e17])
def test_counts_of_very_many_are_gaussian(photons: float) -> None:
    """χ² over twenty bins of equal probability; the skewness, 3e-5 of a standard deviation, moves a few pixels."""
    normal = (counts(photons, seed=5) - photons) / math.sqrt(photons)
    observed = torch.histc(0.5 * torch.erfc(-normal / math.sqrt(2.0)), bins=20, min=0.0, max=1.0)
    expected = PIXELS / 20
    chi_squared = float(((observed - expected) ** 2 / expected).sum())
    assert abs(chi_squared - 19) < 5 * math.sqrt(2 * 19)


def test_electrons_are_gaussian() -> None:
    drawn = draw_electrons(torch.empty(PIXELS, dtype=torch.float64), 1.0, SEED)
    share = 0.5 * torch.erfc(-drawn / math.sqrt(2.0))
    observed = torch.histc(share, bins=200, min=0.0, max=1.0)
    expected = PIXELS / 200
    chi_squared = float(((observed - expected) ** 2 / expected).sum())
    assert abs(chi_squared - 199) < 5 * math.sqrt(2 * 199)
    # 2^52 uniforms reach beyond eight standard deviations; of a million draws the largest is near 4.9.
    assert 4.2 < float(drawn.abs().max()) < 6.5


@pytest.mark.parametrize("photons", [0.3, 4.0, 9.999, 10.0, 23.0, 700.0, 3e5, 1e12, 9e17])
def test_compiled_counts_are_those_of_the_reference(photons: float) -> None:
    """In whole photons: a logarithm's last place decides once in some 1e13 draws."""
    mean = photons * torch.linspace(0.9, 1.1, 20_000, dtype=torch.float64)
    for signal, variance in ((mean, mean), (mean.float() * 50, mean.float() * 3000)):
        assert torch.equal(quanta_by_cpu(signal, variance, SEED), quanta_by_torch(signal, variance, SEED))


def test_compiled_electrons_are_those_of_the_reference() -> None:
    like = torch.empty(20_000, dtype=torch.float64)
    difference = electrons_by_cpu(like, 1.0, SEED) - electrons_by_torch(like, 1.0, SEED)
    assert float(difference.abs().max()) < 1e-14  # a few units in the last place of a logarithm or a cosine


def test_every_build_makes_the_same_bits() -> None:
    """With and without vectors and fused products: those would round a product that is added to something once less."""
    program = (
        "import hashlib, torch; from deepdrr.detector.draws._cpu import electrons_by_cpu, quanta_by_cpu\n"
        "mean = torch.logspace(-2, 16, 40_000, dtype=torch.float64)\n"
        "drawn = torch.stack([quanta_by_cpu(mean, 1.3 * mean, 11), electrons_by_cpu(mean, 1.0, 11)])\n"
        "print(hashlib.sha256(drawn.numpy().tobytes()).hexdigest())"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "DEEPDRR_CPU_ISA": build},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for build in usable_builds()
    }
    assert len(found) == 1


def test_seeds_follow_the_generator_and_leave_others_alone() -> None:
    before = torch.get_rng_state()
    one, same, other = (torch.Generator().manual_seed(n) for n in (1, 1, 2))
    seeds = [seed_from(one) for _ in range(3)]
    assert seeds == [seed_from(same) for _ in range(3)]
    assert len({*seeds, seed_from(other)}) == 4
    assert torch.equal(torch.get_rng_state(), before)


def test_quanta_and_electrons_of_one_seed_are_independent() -> None:
    quanta = counts(100.0, SEED)
    electrons = draw_electrons(quanta, 1.0, SEED)
    correlation = float(((quanta - 100.0) / 10.0 * electrons).mean())
    assert abs(correlation) < 5 / math.sqrt(PIXELS)


def test_a_picture_without_pixels() -> None:
    assert draw_quanta(torch.zeros(0, 3), torch.zeros(0, 3), 1).shape == (0, 3)
    assert draw_electrons(torch.zeros(2, 0), 1.0, 1).shape == (2, 0)


def test_the_draws_compile() -> None:
    mean = torch.full((5, 4), 30.0)
    compiled = torch.compile(
        lambda m: draw_quanta(m, m, 3) + draw_electrons(m, 2.0, 3), fullgraph=True, backend="eager"
    )
    assert torch.equal(compiled(mean), draw_quanta(mean, mean, 3) + draw_electrons(mean, 2.0, 3))
