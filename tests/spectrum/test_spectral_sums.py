"""The spectral operator: the compiled sums against the float64 reference, their derivatives, and its refusals."""

import importlib

import pytest
import torch
from torch import Tensor
from torch.func import grad, jacrev, vmap

from deepdrr._kernels import usable_builds
from deepdrr.materials import attenuation_matrix
from deepdrr.spectrum import photon_moments, spectral_sums, tungsten_spectrum
from deepdrr.spectrum.sums import _cpu, _torch

MATERIALS = ["adipose", "soft tissue", "bone", "cesium iodide", "titanium"]
THICKEST_G_CM2 = torch.tensor([10.0, 20.0, 5.0, 0.05, 0.5])


@pytest.fixture(params=usable_builds())
def build(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    module = importlib.import_module(f"deepdrr._kernels_{request.param}")
    monkeypatch.setattr(_cpu, "load_kernels", lambda: module)
    return str(request.param)


def case(
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


@pytest.mark.parametrize(("materials", "sums"), [(1, 1), (2, 3), (3, 3), (4, 2), (5, 6)])
def test_compiled_sums_are_those_of_the_reference(
    build: str, materials: int, sums: int, generator: torch.Generator
) -> None:
    areas, mu, weights = case(generator, materials, sums)
    found = spectral_sums(areas.float(), mu, weights)
    assert found.dtype == torch.float32
    # The exponents, up to 10 here, are rounded to 24 bits: 10 · 6e-8, less where many bins share the sum.
    torch.testing.assert_close(found.double(), spectral_sums(areas, mu, weights), rtol=1e-6, atol=0)


@pytest.mark.parametrize("size", [(1, 1), (16, 16), (3, 367)])  # less, one, and some blocks of 256 pixels
@pytest.mark.parametrize(("materials", "sums"), [(1, 2), (5, 5)])
def test_compiled_gradients_are_those_of_the_reference(
    build: str, size: tuple[int, int], materials: int, sums: int, generator: torch.Generator
) -> None:
    areas, mu, weights = case(generator, materials, sums, size)
    upstream = torch.rand(2, sums, *size, generator=generator).double() - 0.3
    exact = gradients(areas, mu, weights, upstream)
    found = gradients(areas.float(), mu, weights, upstream)
    for got, wanted in zip(found, exact, strict=True):
        # 1e-5 of the largest: sums of numbers of both signs.
        torch.testing.assert_close(got.double(), wanted, rtol=0, atol=1e-5 * float(wanted.abs().max()))


def test_one_gradient_alone_is_the_same_gradient(generator: torch.Generator) -> None:
    inputs = [t.float() for t in case(generator)]
    upstream = torch.ones(2, 3, 31, 29)
    together = gradients(*inputs, upstream)
    for i, expected in enumerate(together):
        alone = [t.clone().requires_grad_(j == i) for j, t in enumerate(inputs)]
        (found,) = torch.autograd.grad(spectral_sums(*alone), [alone[i]], upstream)
        assert torch.equal(found, expected)


def test_the_number_of_threads_makes_no_difference(generator: torch.Generator) -> None:
    areas, mu, weights = case(generator, size=(90, 70))
    before, results = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            found = spectral_sums(areas.float(), mu, weights)
            results.append((found, *gradients(areas.float(), mu, weights, torch.ones_like(found))))
    finally:
        torch.set_num_threads(before)
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


def test_the_exponential_within_two_ulp(build: str) -> None:
    # One bin, µ = ln 2 and weight one: what comes out is 2^-a of the kernel.
    areas = torch.linspace(-120, 120, 20001).reshape(1, 1, -1)
    found = spectral_sums(areas, torch.tensor([[2.0]]).double().log(), torch.ones(1, 1).double())
    exact = torch.exp2(-areas.double())
    ulp = torch.exp2(torch.floor(torch.log2(exact)) - 23)
    assert float(((found.double() - exact).abs() / ulp).max()) <= 2
    whole = torch.arange(-100.0, 101.0).reshape(1, 1, -1)
    powers = spectral_sums(whole, torch.tensor([[2.0]]).double().log(), torch.ones(1, 1).double())
    assert torch.equal(powers, torch.exp2(-whole))


def test_beyond_the_range_of_float32(build: str) -> None:
    areas = torch.tensor([[[1000.0, -1000.0, float("inf"), float("nan")]]])
    found = spectral_sums(areas, torch.ones(1, 1).double(), torch.ones(1, 1).double())[0, 0].tolist()
    assert found[:3] == [0.0, float("inf"), 0.0]
    assert found[3] != found[3]


def test_gradients_of_the_reference_by_finite_differences(generator: torch.Generator) -> None:
    def random(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator, dtype=torch.float64).requires_grad_()

    inputs = (random(2, 3, 2, 2), random(3, 4), random(2, 4))
    assert torch.autograd.gradcheck(spectral_sums, inputs)
    assert torch.autograd.gradgradcheck(spectral_sums, inputs)


def test_second_derivatives_of_the_compiled_sums(generator: torch.Generator) -> None:
    def hessian_times(areas: Tensor, mu: Tensor, weights: Tensor) -> tuple[Tensor, ...]:
        inputs = [t.clone().requires_grad_() for t in (areas, mu, weights)]
        first = torch.autograd.grad(spectral_sums(*inputs).log().sum(), inputs, create_graph=True)
        return torch.autograd.grad(sum(g.square().sum() for g in first), inputs)

    exact = case(generator, size=(5, 7))
    found = hessian_times(exact[0].float(), *exact[1:])
    for got, wanted in zip(found, hessian_times(*exact), strict=True):
        torch.testing.assert_close(got.double(), wanted, rtol=0, atol=1e-4 * float(wanted.abs().max()))


def test_pieces_make_no_difference(monkeypatch: pytest.MonkeyPatch, generator: torch.Generator) -> None:
    inputs = case(generator, size=(9, 11))
    upstream = torch.ones(2, 3, 9, 11, dtype=torch.float64)
    whole = spectral_sums(*inputs), *gradients(*inputs, upstream)
    monkeypatch.setattr(_torch, "_CHUNK", 7)
    for a, b in zip(whole, (spectral_sums(*inputs), *gradients(*inputs, upstream)), strict=True):
        torch.testing.assert_close(a, b)


def test_transforms_of_torch(generator: torch.Generator) -> None:
    areas, mu, weights = case(generator, size=(3, 4))
    single = areas.float()

    def mean(a: Tensor) -> Tensor:
        return spectral_sums(a, mu, weights).mean()

    each = torch.stack([grad(mean)(a) for a in single])
    torch.testing.assert_close(vmap(grad(mean))(single), each)
    rows = jacrev(lambda w: spectral_sums(single, mu, w).mean((0, 2, 3)))(weights)
    transmission = spectral_sums(areas, mu, torch.eye(len(weights[0]), dtype=torch.float64)).mean((0, 2, 3))
    torch.testing.assert_close(rows[1, 1], transmission, rtol=1e-5, atol=1e-7)  # float32 sums
    compiled = torch.compile(spectral_sums, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(single, mu, weights), spectral_sums(single, mu, weights))


def test_the_operators_are_registered_as_torch_wants(generator: torch.Generator) -> None:
    areas, mu, weights = case(generator, size=(3, 4))
    flat = areas.float().reshape(2, 3, 12).requires_grad_()
    torch.library.opcheck(torch.ops.deepdrr.spectral_sums.default, (flat, mu, weights))
    arguments = (torch.ones(2, 3, 12), flat.detach(), mu, weights, True, False, True)
    torch.library.opcheck(torch.ops.deepdrr.spectral_sums_adjoint.default, arguments)


def test_nothing_in_nothing_out() -> None:
    assert spectral_sums(torch.zeros(2, 1, 0, 5), torch.ones(1, 3), torch.ones(2, 3)).shape == (2, 2, 0, 5)


def test_without_the_kernels_torch_sums(monkeypatch: pytest.MonkeyPatch, generator: torch.Generator) -> None:
    areas, mu, weights = case(generator, size=(3, 4))
    compiled = spectral_sums(areas.float(), mu, weights)
    monkeypatch.setattr(_cpu, "reason_not_loaded", lambda: "none is built")
    torch.testing.assert_close(spectral_sums(areas.float(), mu, weights), compiled, rtol=2e-6, atol=0)


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
