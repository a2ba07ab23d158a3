"""Calls of the compiled draws, on as many threads as torch is set to use."""

import torch
from torch import Tensor

from deepdrr._kernels import load_kernels, reason_not_loaded

__all__ = ["cpu_serves", "electrons_by_cpu", "quanta_by_cpu"]


def cpu_serves(pixels: Tensor) -> bool:
    """Whether the compiled kernels can draw numbers of this dtype."""
    return pixels.dtype in (torch.float32, torch.float64) and reason_not_loaded() is None


def quanta_by_cpu(mean: Tensor, variance: Tensor, seed: int) -> Tensor:
    """Energies [...], of the dtype of `mean`."""
    out = torch.empty(mean.shape, dtype=mean.dtype)
    arrays = (t.contiguous().numpy() for t in (mean, variance))
    load_kernels().quantum_noise(*arrays, out.numpy(), seed, torch.get_num_threads())
    return out


def electrons_by_cpu(like: Tensor, rms: float, seed: int) -> Tensor:
    """Gaussian numbers [...], of the dtype of `like`."""
    out = torch.empty(like.shape, dtype=like.dtype)
    load_kernels().electronic_noise(out.numpy(), rms, seed, torch.get_num_threads())
    return out
