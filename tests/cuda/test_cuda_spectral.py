"""The CUDA spectral sums against float64, in value and gradient."""

import pytest
import torch
from cuda_machine import Gpu
from torch import Tensor
from torch.testing import assert_close

from deepdrr.spectrum.sums._operator import spectral_sums
from deepdrr.spectrum.sums._torch import adjoint_by_torch, sums_by_torch

# Materials, sums, energies: one of each, a full group, one more, the most; more energies than are held at once.
SIZES = [(1, 1, 1), (3, 3, 12), (4, 4, 128), (5, 5, 30), (8, 12, 150)]
# float32: 6e-8 times an exponent of up to 10, and sums of 150 terms.
VALUE, GRADIENT = 2e-6, 5e-6


def scene(materials: int, sums: int, energies: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Areas [2, 3, M, 13, 11], tables and an upstream gradient, float64."""
    generator = torch.Generator().manual_seed(materials)

    def numbers(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator, dtype=torch.float64)

    areas = numbers(2, 3, materials, 13, 11) * 20.0 / materials
    return areas, 0.1 + 0.4 * numbers(materials, energies), numbers(sums, energies), numbers(2, 3, sums, 13, 11) - 0.5


def close(found: Tensor, exact: Tensor, share: float) -> None:
    """Within a share of the largest number."""
    assert_close(found.cpu().double(), exact.double(), rtol=0, atol=share * float(exact.abs().max()))


@pytest.mark.parametrize(("materials", "sums", "energies"), SIZES)
def test_sums_and_gradients_agree_with_float64(gpu: Gpu, launched, materials: int, sums: int, energies: int) -> None:
    areas, mu, weights, upstream = scene(materials, sums, energies)
    flat = areas.reshape(6, materials, -1)
    exact = sums_by_torch(flat, mu, weights)
    gradients = adjoint_by_torch(upstream.reshape(6, sums, -1), flat, mu, weights, True, True, True)
    inputs = [t.to(gpu.device).requires_grad_() for t in (areas.float(), mu, weights)]
    found = spectral_sums(*inputs)
    close(found.detach(), exact.reshape(found.shape), VALUE)
    by_areas, by_mu, by_weights = torch.autograd.grad(found, inputs, upstream.to(found))
    close(by_areas, gradients[0].reshape(areas.shape), GRADIENT)
    close(by_mu, gradients[1], GRADIENT)
    close(by_weights, gradients[2], GRADIENT)
    most = 4 if materials <= 4 else 8
    assert launched == [f"{name}_{most}" for name in ("spectral_sums", "spectral_grad_areas", "spectral_grad_tables")]


def test_the_derivative_by_the_tables_has_the_same_bits_each_time(gpu: Gpu) -> None:
    areas, mu, weights, _ = scene(3, 3, 12)
    mu = mu.to(gpu.device).requires_grad_()
    images = spectral_sums(areas.float().to(gpu.device), mu, weights.to(gpu.device))
    first, second = (torch.autograd.grad(images.sum(), mu, retain_graph=True)[0] for _ in range(2))
    assert torch.equal(first, second)


def test_more_materials_than_the_kernels_hold_are_summed_by_others(gpu: Gpu, launched) -> None:
    areas, mu, weights, _ = scene(9, 2, 5)
    found = spectral_sums(areas.float().to(gpu.device), mu.to(gpu.device), weights.to(gpu.device))
    assert launched == []
    close(found, sums_by_torch(areas.reshape(6, 9, -1), mu, weights).reshape(found.shape), VALUE)


def test_an_empty_image_launches_nothing(gpu: Gpu) -> None:
    areas, mu, weights, _ = scene(3, 2, 5)
    assert spectral_sums(areas[..., :0].float().to(gpu.device), mu.to(gpu.device), weights.to(gpu.device)).numel() == 0
