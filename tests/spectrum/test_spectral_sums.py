"""The spectral operator: its contract, the exponential of its kernels, and what torch makes of it."""

from typing import ClassVar

import pytest
import torch
from compiled_operator import EVERY_BUILD, RegisteredOperator, TwiceDifferentiableOperator, build_of, cases_of_the_class
from torch import Tensor
from torch.func import grad, jacrev, jvp, vmap

from deepdrr.materials import attenuation_matrix
from deepdrr.spectrum import photon_moments, spectral_sums, tungsten_spectrum
from deepdrr.spectrum.sums._cpu import adjoint_by_cpu, sums_by_cpu
from deepdrr.spectrum.sums._torch import adjoint_by_torch, sums_by_torch

pytest_generate_tests = cases_of_the_class

MATERIALS = ["adipose", "soft tissue", "bone", "cesium iodide", "titanium"]
THICKEST_G_CM2 = torch.tensor([10.0, 20.0, 5.0, 0.05, 0.5])
INPUTS = ("areas", "mu", "weights")
# Less than a block of 256 pixels, one block, and some.
SIZES = [(1, 1), (16, 16), (3, 367)]


def inputs_of(
    generator: torch.Generator, materials: int = 3, sums: int = 3, size: tuple[int, int] = (31, 29)
) -> list[Tensor]:
    """Area densities [2, M, H, W], µ [M, E] and weights [K, E] of an 80 kV beam, float64."""
    beam, names = tungsten_spectrum(80.0), MATERIALS[:materials]
    weights = photon_moments(beam)[[k % 3 for k in range(sums)]] * torch.linspace(1, 2, sums)[:, None]
    areas = torch.rand(2, materials, *size, generator=generator).double() * THICKEST_G_CM2[:materials, None, None]
    return [areas.float().double(), attenuation_matrix(names, beam.energies_kev), weights]


def gradients(areas: Tensor, mu: Tensor, weights: Tensor, upstream: Tensor) -> tuple[Tensor, ...]:
    inputs = [t.clone().requires_grad_() for t in (areas, mu, weights)]
    return torch.autograd.grad(spectral_sums(*inputs), inputs, upstream.to(areas.dtype))


class TestSpectralSums(TwiceDifferentiableOperator, RegisteredOperator):
    """Cases are numbers of materials and sums, and a size of the picture."""

    case: ClassVar = {f"{m}-{k}": (m, k, (31, 29)) for m, k in [(1, 1), (2, 3), (3, 3), (4, 2), (5, 6)]}
    differentiable: ClassVar = {f"{m}-{k}-{size}": (m, k, size) for m, k in [(1, 2), (5, 5)] for size in SIZES}
    types: ClassVar = {torch.float32: torch.float32, torch.float64: torch.float64}
    value_rtol = 1e-6  # exponents, up to 10 here, of 24 bits: 10 · 6e-8, less where many bins share the sum
    gradient_share = 1e-5  # sums of numbers of both signs

    def scene(self, case, generator: torch.Generator) -> list[Tensor]:
        areas, mu, weights = inputs_of(generator, *case)
        return [areas.float(), mu, weights]

    def large_scene(self, case, generator: torch.Generator) -> list[Tensor]:
        return self.scene((*case[:2], (90, 70)), generator)

    def of_type(self, scene: list[Tensor], dtype: torch.dtype) -> list[Tensor]:
        return [scene[0].round().to(dtype), *scene[1:]]

    def values(self, scene: list[Tensor], case, engine: str) -> Tensor:
        areas, mu, weights = scene
        if engine in ("auto", "reference"):
            return spectral_sums(areas.double() if engine == "reference" else areas, mu, weights)
        return sums_by_cpu(areas.flatten(2), mu, weights, build_of(engine)).unflatten(2, areas.shape[2:])

    def gradients(self, scene: list[Tensor], case, engine: str) -> dict[str, Tensor]:
        areas, mu, weights = scene
        size = (2, len(weights), *areas.shape[2:])
        upstream = torch.rand(size, generator=torch.Generator().manual_seed(1)).double() - 0.3
        if engine in ("auto", "reference"):
            exact = areas.double() if engine == "reference" else areas
            return dict(zip(INPUTS, gradients(exact, mu, weights, upstream), strict=True))
        flat = upstream.float().flatten(2), areas.flatten(2)
        to_areas, *to_tables = adjoint_by_cpu(*flat, mu, weights, True, True, True, build_of(engine))
        return dict(zip(INPUTS, (to_areas.reshape(areas.shape), *to_tables), strict=True))

    def calls(self, generator: torch.Generator):
        areas, mu, weights = inputs_of(generator, size=(3, 4))
        flat = areas.float().flatten(2)
        yield torch.ops.deepdrr.spectral_sums.default, (flat.clone().requires_grad_(), mu, weights)
        wanted = (True, False, True)
        yield torch.ops.deepdrr.spectral_sums_adjoint.default, (torch.ones(2, 3, 12), flat, mu, weights, *wanted)

    def small(self, generator: torch.Generator):
        sizes = ((2, 3, 2, 2), (3, 4), (2, 4))
        return spectral_sums, tuple(torch.rand(*size, generator=generator, dtype=torch.float64) for size in sizes)


def test_one_gradient_alone_is_the_same_gradient(generator: torch.Generator) -> None:
    inputs = [t.float() for t in inputs_of(generator)]
    upstream = torch.ones(2, 3, 31, 29)
    together = gradients(*inputs, upstream)
    for i, expected in enumerate(together):
        alone = [t.clone().requires_grad_(j == i) for j, t in enumerate(inputs)]
        (found,) = torch.autograd.grad(spectral_sums(*alone), [alone[i]], upstream)
        assert torch.equal(found, expected)


@EVERY_BUILD
def test_the_exponential_within_two_ulp(build: str) -> None:
    # One bin, µ = ln 2 and weight one: what comes out is 2^-a of the kernel.
    mu, weight = torch.tensor([[2.0]]).double().log(), torch.ones(1, 1).double()
    areas = torch.linspace(-120, 120, 20001).reshape(1, 1, -1)
    found = sums_by_cpu(areas, mu, weight, build_of(build))
    exact = torch.exp2(-areas.double())
    ulp = torch.exp2(torch.floor(torch.log2(exact)) - 23)
    assert float(((found.double() - exact).abs() / ulp).max()) <= 2
    whole = torch.arange(-100.0, 101.0).reshape(1, 1, -1)
    assert torch.equal(sums_by_cpu(whole, mu, weight, build_of(build)), torch.exp2(-whole))


@EVERY_BUILD
def test_beyond_the_range_of_float32(build: str) -> None:
    areas, one = torch.tensor([[[1000.0, -1000.0, float("inf"), float("nan")]]]), torch.ones(1, 1).double()
    found = sums_by_cpu(areas, one, one, build_of(build))[0, 0].tolist()
    assert found[:3] == [0.0, float("inf"), 0.0]
    assert found[3] != found[3]


def test_second_derivatives_of_the_compiled_sums(generator: torch.Generator) -> None:
    def hessian_times(areas: Tensor, mu: Tensor, weights: Tensor) -> tuple[Tensor, ...]:
        inputs = [t.clone().requires_grad_() for t in (areas, mu, weights)]
        first = torch.autograd.grad(spectral_sums(*inputs).log().sum(), inputs, create_graph=True)
        return torch.autograd.grad(sum(g.square().sum() for g in first), inputs)

    exact = inputs_of(generator, size=(5, 7))
    found = hessian_times(exact[0].float(), *exact[1:])
    for got, wanted in zip(found, hessian_times(*exact), strict=True):
        torch.testing.assert_close(got.double(), wanted, rtol=0, atol=1e-4 * float(wanted.abs().max()))


def test_chunks_make_no_difference(generator: torch.Generator) -> None:
    inputs = [t.flatten(2) if t.ndim == 4 else t for t in inputs_of(generator, size=(9, 11))]
    upstream, wanted = torch.ones(2, 3, 99, dtype=torch.float64), (True, True, True)
    torch.testing.assert_close(sums_by_torch(*inputs, chunk_pixels=7), sums_by_torch(*inputs))
    whole, parts = (adjoint_by_torch(upstream, *inputs, *wanted, chunk_pixels=size) for size in (99, 7))
    torch.testing.assert_close(parts, whole)


@pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")  # torch's own, of forward mode
def test_transforms_of_torch(generator: torch.Generator) -> None:
    areas, mu, weights = inputs_of(generator, size=(3, 4))
    single = areas.float()

    def mean(a: Tensor) -> Tensor:
        return spectral_sums(a, mu, weights).mean()

    each = torch.stack([grad(mean)(a) for a in single])
    torch.testing.assert_close(vmap(grad(mean))(single), each)
    rows = jacrev(lambda w: spectral_sums(single, mu, w).mean((0, 2, 3)))(weights)
    transmission = spectral_sums(areas, mu, torch.eye(len(weights[0]), dtype=torch.float64)).mean((0, 2, 3))
    torch.testing.assert_close(rows[1, 1], transmission, rtol=1e-5, atol=1e-7)  # float32 sums
    for number, one in enumerate((single, mu, weights)):

        def alone(given: Tensor, number: int = number) -> Tensor:
            return spectral_sums(*(given if n == number else t for n, t in enumerate((single, mu, weights))))

        tangent = torch.rand(one.shape, generator=generator).to(one)
        _, change = jvp(alone, (one,), (tangent,))
        wanted = jacrev(alone)(one).flatten(4).double() @ tangent.flatten().double()
        torch.testing.assert_close(change.double(), wanted, rtol=1e-4, atol=1e-5 * float(wanted.abs().max()))
    compiled = torch.compile(spectral_sums, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(single, mu, weights), spectral_sums(single, mu, weights))


def test_nothing_in_nothing_out() -> None:
    assert spectral_sums(torch.zeros(2, 1, 0, 5), torch.ones(1, 3), torch.ones(2, 3)).shape == (2, 2, 0, 5)


@pytest.mark.parametrize(
    ("areas", "mu", "weights"),
    [
        (torch.zeros(4, 4), torch.ones(1, 3), torch.ones(1, 3)),
        (torch.zeros(2, 4, 4), torch.ones(1, 3), torch.ones(1, 3)),
        (torch.zeros(1, 4, 4), torch.ones(1, 3), torch.ones(1, 2)),
        (torch.zeros(1, 4, 4), torch.ones(3), torch.ones(1, 3)),
    ],
)
def test_bad_shapes(areas: Tensor, mu: Tensor, weights: Tensor) -> None:
    with pytest.raises(ValueError, match=r"area_densities .*must.* got \(.*\), \(.*\) and \(.*\)"):
        spectral_sums(areas, mu, weights)
