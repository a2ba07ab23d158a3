"""Draws as functions of a seed and a pixel's number: the generator, the distributions, the same bits by every build."""

import math
from typing import ClassVar

import pytest
import torch
from compiled_operator import CompiledOperator, RegisteredOperator, build_of, cases_of_the_class
from torch import Tensor

from deepdrr._kernels import usable_builds
from deepdrr.detector.draws._cpu import electrons_by_cpu, quanta_by_cpu
from deepdrr.detector.draws._draws import draw_electrons, draw_quanta, seed_from
from deepdrr.detector.draws._torch import electrons_by_torch, philox, quanta_by_torch

pytest_generate_tests = cases_of_the_class

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


class TestQuanta(CompiledOperator, RegisteredOperator):
    """In whole photons, so to the last bit: a logarithm's last place decides once in some 1e13 draws."""

    case: ClassVar = {str(n): n for n in (0.3, 4.0, 9.999, 10.0, 23.0, 700.0, 3e5, 1e12, 9e17)}
    types: ClassVar = {torch.float32: torch.float32, torch.float64: torch.float64}

    def scene(self, case: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Of one energy, and of a spectrum in float32."""
        mean = case * torch.linspace(0.9, 1.1, 20_000, dtype=torch.float64)
        spectrum = (mean.float() * 50).double(), (mean.float() * 3000).double()
        return torch.cat([mean, spectrum[0]]), torch.cat([mean, spectrum[1]])

    def large_scene(self, case: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        mean, variance = self.scene(case, generator)
        return mean.repeat(5), variance.repeat(5)

    def of_type(self, scene: tuple[Tensor, Tensor], dtype: torch.dtype) -> tuple[Tensor, ...]:
        return tuple(moment.float().round().to(dtype) for moment in scene)

    def values(self, scene: tuple[Tensor, Tensor], case: float, engine: str) -> Tensor:
        draw = {"auto": draw_quanta, "reference": quanta_by_torch}.get(engine)
        return draw(*scene, SEED) if draw else quanta_by_cpu(*scene, SEED, build_of(engine))

    def calls(self, generator: torch.Generator):
        yield torch.ops.deepdrr.quantum_noise.default, (torch.ones(3, 4), torch.ones(3, 4), 3)


class TestElectrons(CompiledOperator, RegisteredOperator):
    """A few units in the last place of a logarithm or a cosine; five standard deviations are the largest."""

    case: ClassVar = {"one": 1.0, "45 keV": 45.0}
    types: ClassVar = {torch.float32: torch.float32, torch.float64: torch.float64}
    value_share = 2e-15

    def scene(self, case: float, generator: torch.Generator) -> Tensor:
        return torch.empty(20_000, dtype=torch.float64)

    def large_scene(self, case: float, generator: torch.Generator) -> Tensor:
        return torch.empty(100_000, dtype=torch.float64)

    def of_type(self, scene: Tensor, dtype: torch.dtype) -> Tensor:
        return scene.to(dtype)

    def values(self, scene: Tensor, case: float, engine: str) -> Tensor:
        draw = {"auto": draw_electrons, "reference": electrons_by_torch}.get(engine)
        return draw(scene, case, SEED) if draw else electrons_by_cpu(scene, case, SEED, build_of(engine))

    def calls(self, generator: torch.Generator):
        yield torch.ops.deepdrr.electronic_noise.default, (torch.empty(3, 4), 45.0, 3)


def test_every_build_makes_the_same_bits() -> None:
    """With and without vectors and fused products: those would round a product that is added to something once less."""
    mean = torch.logspace(-2, 16, 40_000, dtype=torch.float64)
    quanta = [quanta_by_cpu(mean, 1.3 * mean, 11, build) for build in usable_builds()]
    electrons = [electrons_by_cpu(mean, 1.0, 11, build) for build in usable_builds()]
    assert all(torch.equal(drawn, quanta[0]) for drawn in quanta)
    assert all(torch.equal(drawn, electrons[0]) for drawn in electrons)


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
