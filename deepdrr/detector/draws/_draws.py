"""The operators behind a detector's noise: draws that are functions of a seed and a pixel's index.

`torch.ops.deepdrr.quantum_noise` and `torch.ops.deepdrr.electronic_noise` use a counter-based generator
(`kernels/include/deepdrr/noise.h`) instead of a sequence of draws. Compiled kernels on the CPU and on NVIDIA GPUs give
the same bits on any number of threads; torch, used where there are no kernels, differs only in the last digits of its
logarithms. Draws have no derivatives.
"""

import torch
from torch import Tensor

from deepdrr._operators import operator
from deepdrr.detector.draws._cpu import cpu_serves, electrons_by_cpu, quanta_by_cpu
from deepdrr.detector.draws._cuda import cuda_serves, electrons_by_cuda, quanta_by_cuda
from deepdrr.detector.draws._torch import electrons_by_torch, quanta_by_torch

__all__ = ["draw_electrons", "draw_quanta", "seed_from"]

# Seeds are below this; torch's integers are signed.
_SEEDS = 2**63 - 1


def seed_from(generator: torch.Generator) -> int:
    """The next seed of a generator: 63 bits, drawn on the generator's device."""
    return int(torch.randint(_SEEDS, (), generator=generator, device=generator.device))


def draw_quanta(mean: Tensor, variance: Tensor, seed: int) -> Tensor:
    """The energy of a Poisson number of photons with mean S and variance V in each pixel, of the dtype of `mean`.

    Args:
        mean: [...], float32 or float64.
        variance: the same shape.
        seed: from 0 to 2^63 - 2.

    Returns:
        [...]; 0 where mean or variance is not positive.
    """
    drawn: Tensor = _quanta(mean.detach(), variance.detach().to(mean.dtype), seed)
    return drawn


def draw_electrons(like: Tensor, rms: float, seed: int) -> Tensor:
    """Gaussian numbers with mean 0, in the shape, dtype and device of `like`."""
    drawn: Tensor = _electrons(like.detach(), rms, seed)
    return drawn


@operator("quantum_noise", "(Tensor mean, Tensor variance, int seed) -> Tensor")
def _quanta(mean: Tensor, variance: Tensor, seed: int) -> Tensor:
    if cuda_serves(mean):
        return quanta_by_cuda(mean, variance, seed)
    draw = quanta_by_cpu if cpu_serves(mean) else quanta_by_torch
    return draw(mean.cpu(), variance.cpu(), seed).to(mean.device)


@operator("electronic_noise", "(Tensor like, float rms, int seed) -> Tensor")
def _electrons(like: Tensor, rms: float, seed: int) -> Tensor:
    if cuda_serves(like):
        return electrons_by_cuda(like, rms, seed)
    draw = electrons_by_cpu if cpu_serves(like) else electrons_by_torch
    return draw(torch.empty_like(like, device="cpu"), rms, seed).to(like.device)


def _empty(like: Tensor, *_: object) -> Tensor:
    return like.new_empty(like.shape)


_quanta.registered.register_fake(_empty)
_electrons.registered.register_fake(_empty)
