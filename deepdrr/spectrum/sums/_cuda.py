"""Calls of the CUDA spectral sums (`kernels/cuda/spectral_sums.cu`): float32, up to 8 materials."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from deepdrr._cuda import launcher, reason_against_device

__all__ = ["SPECTRAL_JOB", "adjoint_by_cuda", "cuda_serves", "sums_by_cuda"]

SPECTRAL_JOB = np.dtype(
    [
        *((name, "u8") for name in ("areas", "upstream", "mu", "weights", "out")),
        *((name, "i8") for name in ("pictures", "pixels")),
        *((name, "i4") for name in ("materials", "sums", "nodes", "chunk")),
    ],
    align=True,
)
_MOST_MATERIALS = (4, 8)  # numbers of materials that kernels exist for
_THREADS = 128
_AT_ONCE = 4  # sums that one thread forms together
_PIXELS_AT_ONCE, _MOST_CHUNKS = 32, 512


def cuda_serves(areas: Tensor) -> bool:
    """Whether the CUDA kernels accept these area densities [B, M, N]."""
    known = areas.dtype == torch.float32 and areas.shape[1] <= _MOST_MATERIALS[-1]
    return known and reason_against_device(areas.device) is None


def sums_by_cuda(areas: Tensor, mu: Tensor, weights: Tensor) -> Tensor:
    """[B, M, N], [M, E], [K, E] → [B, K, N]."""
    out = areas.new_empty(areas.shape[0], weights.shape[0], areas.shape[2])
    _launch("spectral_sums", areas, None, mu, weights, out)
    return out


def adjoint_by_cuda(
    upstream: Tensor, areas: Tensor, mu: Tensor, weights: Tensor, wants_areas: bool, wants_mu: bool, wants_weights: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients with respect to areas, mu and weights for an upstream [B, K, N]; empty if not requested."""
    grad_areas = areas.new_empty(areas.shape if wants_areas else 0)
    if wants_areas:
        _launch("spectral_grad_areas", areas, upstream, mu, weights, grad_areas)
    if not wants_mu and not wants_weights:
        return grad_areas, mu.new_empty(0), weights.new_empty(0)
    to_mu, to_weights = _by_tables(upstream, areas, mu, weights)
    none = mu.new_empty(0), weights.new_empty(0)
    return grad_areas, to_mu.to(mu) if wants_mu else none[0], to_weights.to(weights) if wants_weights else none[1]


def _by_tables(upstream: Tensor, areas: Tensor, mu: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Gradients with respect to mu and weights, float64: sums over chunks of pixels, added up in order."""
    materials, nodes, sums = *mu.shape, len(weights)
    pixels, groups, most = areas.shape[0] * areas.shape[2], -(-sums // _AT_ONCE), _most(materials)
    chunk = _PIXELS_AT_ONCE * max(1, -(-pixels // (_MOST_CHUNKS * _PIXELS_AT_ONCE)))
    chunks = -(-pixels // chunk)
    partial = torch.zeros(groups, chunks, most + _AT_ONCE, nodes, dtype=torch.float64, device=areas.device)
    grid = (chunks, -(-nodes // _THREADS), groups)
    _launch("spectral_grad_tables", areas, upstream, mu, weights, partial, chunk, grid)
    total = partial.sum(1)  # [groups, most + 4, E]
    return total[:, :materials].sum(0), total[:, most:].reshape(groups * _AT_ONCE, nodes)[:sums]


def _launch(
    kernel: str,
    areas: Tensor,
    upstream: Tensor | None,
    mu: Tensor,
    weights: Tensor,
    out: Tensor,
    chunk: int = 0,
    grid: tuple[int, int, int] | None = None,
) -> None:
    pictures, materials, pixels = areas.shape
    most = _most(materials)
    tensors = [areas.detach().contiguous(), *_tables(mu, weights, most)]
    job = np.zeros((), SPECTRAL_JOB)
    for name, tensor in zip(("areas", "mu", "weights"), tensors, strict=True):
        job[name] = tensor.data_ptr()
    if upstream is not None:
        tensors.append(upstream.detach().float().contiguous())
        job["upstream"] = tensors[-1].data_ptr()
    job["out"], job["pictures"], job["pixels"] = out.data_ptr(), pictures, pixels
    job["materials"], job["sums"], job["nodes"], job["chunk"] = materials, len(weights), mu.shape[1], chunk
    grid = grid or (-(-pictures * pixels // _THREADS), 1, 1)
    launcher(areas.device).launch(f"{kernel}_{most}", grid, _THREADS, job, [*tensors, out])


def _most(materials: int) -> int:
    return next(most for most in _MOST_MATERIALS if materials <= most)


def _tables(mu: Tensor, weights: Tensor, most: int) -> Sequence[Tensor]:
    """The tables as the kernels read them: −µ/ln 2 [E, most] and weights in groups of four [groups, E, 4], float32."""
    exponents = torch.zeros(mu.shape[1], most, dtype=torch.float32, device=mu.device)
    exponents[:, : len(mu)] = (-mu.detach().double() / math.log(2.0)).T
    groups = -(-len(weights) // _AT_ONCE)
    fours = torch.zeros(groups * _AT_ONCE, mu.shape[1], dtype=torch.float32, device=mu.device)
    fours[: len(weights)] = weights.detach()
    return exponents, fours.reshape(groups, _AT_ONCE, -1).transpose(1, 2).contiguous()
