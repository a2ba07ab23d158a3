"""Calls of the CUDA draws (`kernels/cuda/noise.cu`), which give the same bits as the CPU."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from deepdrr._cuda import launcher, reason_against_device

__all__ = ["NOISE_JOB", "cuda_serves", "electrons_by_cuda", "quanta_by_cuda"]

NOISE_JOB = np.dtype(
    [*((name, "u8") for name in ("mean", "variance", "out")), ("pixels", "i8"), ("seed", "u8"), ("rms", "f8")],
    align=True,
)
_THREADS = 128
_SUFFIX = {torch.float32: "f32", torch.float64: "f64"}


def cuda_serves(pixels: Tensor) -> bool:
    """Whether the CUDA kernels can draw for these pixels."""
    return pixels.dtype in _SUFFIX and reason_against_device(pixels.device) is None


def quanta_by_cuda(mean: Tensor, variance: Tensor, seed: int) -> Tensor:
    """Energies [...], of the dtype of `mean`."""
    moments = (mean.contiguous(), variance.contiguous())
    return _drawn("quantum_noise", moments, torch.empty_like(moments[0]), seed, 0.0)


def electrons_by_cuda(like: Tensor, rms: float, seed: int) -> Tensor:
    """Gaussian numbers [...], of the dtype and on the device of `like`."""
    return _drawn("electronic_noise", (), torch.empty(like.shape, dtype=like.dtype, device=like.device), seed, rms)


def _drawn(kernel: str, moments: Sequence[Tensor], out: Tensor, seed: int, rms: float) -> Tensor:
    job = np.zeros((), NOISE_JOB)
    for name, tensor in zip(("mean", "variance"), moments, strict=False):
        job[name] = tensor.data_ptr()
    job["out"], job["pixels"], job["seed"], job["rms"] = out.data_ptr(), out.numel(), seed, rms
    blocks = (-(-out.numel() // _THREADS), 1, 1)
    launcher(out.device).launch(f"{kernel}_{_SUFFIX[out.dtype]}", blocks, _THREADS, job, [*moments, out])
    return out
