"""Calls of the compiled draws, on as many threads as torch is set to use."""

import torch
from torch import Tensor

from deepdrr._kernels import load_kernels, reason_not_loaded

__all__ = ["cpu_serves", "electrons_by_cpu", "quanta_by_cpu"]


def cpu_serves(pixels: Tensor) -> bool:
    """Whether the compiled kernels can draw numbers of this dtype."""
    return pixels.dtype in (torch.float32, torch.float64) and reason_not_loaded() is None


def quanta_by_cpu(mean: Tensor, variance: Tensor, seed: int, build: str | None = None) -> Tensor:
    """Energies [...], of the dtype of `mean`, by a build of the kernels; None for the fastest."""
    out = torch.empty(mean.shape, dtype=mean.dtype)
    arrays = (t.contiguous().numpy() for t in (mean, variance))
    load_kernels(build).quantum_noise(*arrays, out.numpy(), seed, torch.get_num_threads())
    return out


def electrons_by_cpu(like: Tensor, rms: float, seed: int, build: str | None = None) -> Tensor:
    """Gaussian numbers [...], of the dtype of `like`, by a build of the kernels; None for the fastest."""
    out = torch.empty(like.shape, dtype=like.dtype)
    load_kernels(build).electronic_noise(out.numpy(), rms, seed, torch.get_num_threads())
    return out
