"""CUDA noise has the same bits as on the CPU: every number is a function of seed and pixel, with the same rounding."""

import pytest
import torch
from cuda_machine import Gpu

from deepdrr.detector import electronic_noise, quantum_noise
from deepdrr.detector.draws._cpu import electrons_by_cpu, quanta_by_cpu

SEED = 2**62 + 12345
PIXELS = 3001  # blocks that are not full
# Of photons: none, few (inversion), where rejection begins, many, more than float32 counts, the most allowed.
MEANS = [0.0, 1e-30, 0.3, 4.0, 9.999, 10.0, 23.0, 700.0, 3e5, 1e9, 9e17]


def moments(photons: float, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    mean = photons * 50.0 * torch.linspace(0.9, 1.1, PIXELS, dtype=torch.float64)
    return mean.to(dtype), (mean * 60.0).to(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("photons", MEANS)
def test_quanta_have_the_bits_of_the_cpu(gpu: Gpu, launched, photons: float, dtype: torch.dtype) -> None:
    mean, variance = moments(photons, dtype)
    found = torch.ops.deepdrr.quantum_noise(mean.to(gpu.device), variance.to(gpu.device), SEED)
    assert launched == [f"quantum_noise_{'f32' if dtype is torch.float32 else 'f64'}"]
    assert torch.equal(found.cpu(), quanta_by_cpu(mean, variance, SEED))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_electrons_have_the_bits_of_the_cpu(gpu: Gpu, launched, dtype: torch.dtype) -> None:
    like = torch.zeros(7, 431, dtype=dtype)
    found = torch.ops.deepdrr.electronic_noise(like.to(gpu.device), 45.0, SEED)
    assert launched == [f"electronic_noise_{'f32' if dtype is torch.float32 else 'f64'}"]
    assert torch.equal(found.cpu(), electrons_by_cpu(like, 45.0, SEED))


def test_noise_takes_its_seed_from_a_generator_of_the_host(gpu: Gpu) -> None:
    mean, variance = (moment.reshape(-1, 1) for moment in moments(23.0, torch.float32))
    generator, again = (torch.Generator().manual_seed(4) for _ in range(2))
    image = quantum_noise(mean.to(gpu.device), variance.to(gpu.device), generator=generator)
    image = electronic_noise(image, 45.0, generator=generator)
    seeds = [int(torch.randint(2**63 - 1, (), generator=again)) for _ in range(2)]
    quanta = quanta_by_cpu(mean, variance, seeds[0])
    assert torch.equal(image.cpu(), quanta + electrons_by_cpu(quanta, 45.0, seeds[1]))


def test_numbers_that_no_picture_has_end(gpu: Gpu) -> None:
    """The public functions refuse them; whoever calls the operator gets an answer and no hang."""
    mean = torch.tensor([torch.nan, torch.inf, 5.0, -5.0], device=gpu.device)
    variance = torch.tensor([5.0, 5.0, torch.nan, 5.0], device=gpu.device)
    found = torch.ops.deepdrr.quantum_noise(mean, variance, SEED).cpu()
    assert found[[0, 2, 3]].tolist() == [0.0, 0.0, 0.0]
    assert not torch.isfinite(found[1])


def test_an_empty_image_launches_nothing(gpu: Gpu) -> None:
    empty = torch.zeros(0, 5, device=gpu.device)
    assert torch.ops.deepdrr.electronic_noise(empty, 1.0, SEED).shape == (0, 5)
