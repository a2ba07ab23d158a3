"""The spectral sums in torch, for any dtype and device: the reference for the compiled kernels.

Pixels are processed in chunks, and the backward pass computes the transmissions again.
"""

import torch
from torch import Tensor

__all__ = ["adjoint_by_torch", "second_adjoint", "sums_by_torch"]

# [32768, 75] float32 is 10 MB; fewer chunks mean fewer waits when threads compete.
_CHUNK_PIXELS = 1 << 15


def sums_by_torch(areas: Tensor, mu: Tensor, weights: Tensor, chunk_pixels: int = _CHUNK_PIXELS) -> Tensor:
    """[B, M, N], [M, E], [K, E] → [B, K, N]."""
    mu, weights = mu.to(areas.dtype), weights.to(areas.dtype)
    sums = areas.new_empty(areas.shape[0], weights.shape[0], areas.shape[2])
    for b, chunk in _chunks(areas, chunk_pixels):
        sums[b, :, chunk] = weights @ _transmission(areas[b, :, chunk], mu)
    return sums


def adjoint_by_torch(
    upstream: Tensor,
    areas: Tensor,
    mu: Tensor,
    weights: Tensor,
    wants_areas: bool,
    wants_mu: bool,
    wants_weights: bool,
    chunk_pixels: int = _CHUNK_PIXELS,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients with respect to areas, mu and weights for an upstream [B, K, N]; empty if not requested."""
    mu_here, weights_here = mu.to(areas.dtype), weights.to(areas.dtype)
    grad_areas = torch.empty_like(areas) if wants_areas else areas.new_empty(0)
    grad_mu = torch.zeros_like(mu) if wants_mu else mu.new_empty(0)
    grad_weights = torch.zeros_like(weights) if wants_weights else weights.new_empty(0)
    for b, chunk in _chunks(areas, chunk_pixels):
        transmission = _transmission(areas[b, :, chunk], mu_here)  # [E, n]
        pull = upstream[b, :, chunk]
        if wants_weights:
            grad_weights += pull @ transmission.T
        exponent = transmission.mul_(weights_here.T @ pull).neg_()  # dL/d(Σ a µ), [E, n]
        if wants_mu:
            grad_mu += areas[b, :, chunk] @ exponent.T
        if wants_areas:
            grad_areas[b, :, chunk] = mu_here @ exponent
    return grad_areas, grad_mu, grad_weights


def second_adjoint(
    pull_areas: Tensor | None,
    pull_mu: Tensor | None,
    pull_weights: Tensor | None,
    upstream: Tensor,
    areas: Tensor,
    mu: Tensor,
    weights: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The adjoint of the adjoint, in plain torch operations that autograd can differentiate again.

    With the upstream gradients A, M and W of the three derivatives and g of the sums, it differentiates

        L = Σ Tₑ (vₑ − uₑ dₑ),  uₑ = Σₖ wₖₑ gₖ,  vₑ = Σₖ Wₖₑ gₖ,  dₑ = Σₘ (Aₘ µₘₑ + aₘ Mₘₑ)

    with respect to g, a, µ and w.
    """
    to_areas, to_mu, to_weights = (
        (torch.zeros_like(of) if pull is None else pull).to(areas.dtype)
        for pull, of in ((pull_areas, areas), (pull_mu, mu), (pull_weights, weights))
    )
    mu_here, weights_here = mu.to(areas.dtype), weights.to(areas.dtype)
    transmission = (-(mu_here.T @ areas)).exp()  # [B, E, N], like all tensors below with an axis E
    u, v = weights_here.T @ upstream, to_weights.T @ upstream
    d = mu_here.T @ to_areas + to_mu.T @ areas
    inner, outer = transmission * (v - u * d), transmission * u
    return (
        to_weights @ transmission - weights_here @ (transmission * d),
        -(mu_here @ inner) - to_mu @ outer,
        -(_over_pixels(areas, inner) + _over_pixels(to_areas, outer)).to(mu.dtype),
        -_over_pixels(upstream, transmission * d).to(weights.dtype),
    )


def _over_pixels(planes: Tensor, by_energy: Tensor) -> Tensor:
    """[B, R, N], [B, E, N] → [R, E]."""
    return torch.einsum("brn,ben->re", planes, by_energy)


def _transmission(areas: Tensor, mu: Tensor) -> Tensor:
    """[M, n], [M, E] → [E, n]."""
    return torch.mm(mu.T, areas).neg_().exp_()


def _chunks(areas: Tensor, size: int) -> list[tuple[int, slice]]:
    """Every picture of the batch in chunks of at most `size` pixels."""
    starts = range(0, areas.shape[2], size)
    return [(b, slice(start, start + size)) for b in range(areas.shape[0]) for start in starts]
