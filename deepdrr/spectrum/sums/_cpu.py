"""Calls of the compiled spectral sums: float32, on as many threads as torch is set to use."""

import torch
from torch import Tensor

from deepdrr._kernels import load_kernels, reason_not_loaded

__all__ = ["adjoint_by_cpu", "cpu_serves", "sums_by_cpu"]


def cpu_serves(areas: Tensor) -> bool:
    """Whether the compiled kernel accepts these area densities."""
    return areas.dtype == torch.float32 and areas.device.type == "cpu" and reason_not_loaded() is None


def sums_by_cpu(areas: Tensor, mu: Tensor, weights: Tensor, build: str | None = None) -> Tensor:
    """[B, M, N], [M, E], [K, E] → [B, K, N], by a build of the kernels; None for the fastest."""
    sums = areas.new_empty(areas.shape[0], weights.shape[0], areas.shape[2])
    arrays = (t.detach().contiguous().numpy() for t in (areas, mu.double(), weights.double()))
    load_kernels(build).spectral_sums(*arrays, sums.numpy(), torch.get_num_threads())
    return sums


def adjoint_by_cpu(
    upstream: Tensor,
    areas: Tensor,
    mu: Tensor,
    weights: Tensor,
    wants_areas: bool,
    wants_mu: bool,
    wants_weights: bool,
    build: str | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients with respect to areas, mu and weights for an upstream [B, K, N]; empty if not requested."""
    tables = mu.detach().double().contiguous(), weights.detach().double().contiguous()
    found = [
        t.new_zeros(t.shape if wanted else 0)
        for t, wanted in zip((areas, *tables), (wants_areas, wants_mu, wants_weights), strict=True)
    ]
    pictures = (t.detach().contiguous() for t in (upstream, areas))
    arrays = [t.numpy() for t in (*pictures, *tables, *found)]
    load_kernels(build).spectral_sums_adjoint(*arrays, torch.get_num_threads())
    return found[0], found[1].to(mu.dtype), found[2].to(weights.dtype)
