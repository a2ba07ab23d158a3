"""The operator under all polychromatic sums.

For weights wₖₑ and aₘ the area densities of a pixel, the sum over the bins is exact:

    Sₖ = Σₑ wₖₑ exp(−Σₘ aₘ (µ/ρ)ₘₑ)

The pixels are taken in pieces and the transmissions are computed again on the way back, so neither
direction ever holds a [pixels, E] array of the whole picture.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

__all__ = ["spectral_sums"]

_CHUNK = 1 << 15  # pixels: [32768, 75] float32 is 10 MB; fewer pieces, fewer waits where threads compete


def spectral_sums(area_densities: Tensor, mu: Tensor, weights: Tensor) -> Tensor:
    """Weighted sums of the transmission over energy bins; the operator under `weighted_sums`.

    Args:
        area_densities: [..., M, H, W] in g/cm².
        mu: [M, E] mass attenuation in cm²/g, same dtype and device.
        weights: [K, E], same dtype and device: e.g. photons times energy times a detector's response.

    Returns:
        [..., K, H, W]. Differentiable once in all three.
    """
    batch, (m, height, width) = area_densities.shape[:-3], area_densities.shape[-3:]
    flat = area_densities.reshape(-1, m, height * width)
    sums: Tensor = _SpectralSums.apply(flat, mu, weights)  # type: ignore[no-untyped-call]
    return sums.reshape(*batch, weights.shape[0], height, width)


class _SpectralSums(torch.autograd.Function):
    """[B, M, N], [M, E], [K, E] → [B, K, N]."""

    @staticmethod
    def forward(ctx: Any, areas: Tensor, mu: Tensor, weights: Tensor) -> Tensor:
        ctx.save_for_backward(areas, mu, weights)
        sums = areas.new_empty(areas.shape[0], weights.shape[0], areas.shape[2])
        exponents, minus_mu = (
            areas.new_empty(mu.shape[1] * min(_CHUNK, areas.shape[2])),
            -mu.T,
        )  # one room for all pieces
        for b, piece in _pieces(areas):
            pixels = areas[b, :, piece]
            transmission = exponents[: mu.shape[1] * pixels.shape[1]].view(mu.shape[1], -1)
            torch.mm(minus_mu, pixels, out=transmission).exp_()
            torch.mm(weights, transmission, out=sums[b, :, piece])
        return sums

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (grad,) = grads
        areas, mu, weights = ctx.saved_tensors
        wanted = ctx.needs_input_grad
        grad_areas = torch.empty_like(areas) if wanted[0] else None
        grad_mu = torch.zeros_like(mu) if wanted[1] else None
        grad_weights = torch.zeros_like(weights) if wanted[2] else None
        for b, piece in _pieces(areas):
            transmission = _transmission(areas[b, :, piece], mu)  # [E, n]
            out = grad[b, :, piece]
            if grad_weights is not None:
                grad_weights += out @ transmission.T
            exponent = transmission.mul_(weights.T @ out).neg_()  # dL/d(Σ a µ), [E, n]
            if grad_mu is not None:
                grad_mu += areas[b, :, piece] @ exponent.T
            if grad_areas is not None:
                grad_areas[b, :, piece] = mu @ exponent
        return grad_areas, grad_mu, grad_weights


def _transmission(areas: Tensor, mu: Tensor) -> Tensor:
    """[M, n], [M, E] → [E, n]."""
    return torch.mm(mu.T, areas).neg_().exp_()


def _pieces(areas: Tensor) -> list[tuple[int, slice]]:
    """Every picture of the batch in pieces of at most `_CHUNK` pixels."""
    starts = range(0, areas.shape[2], _CHUNK)
    return [(b, slice(start, start + _CHUNK)) for b in range(areas.shape[0]) for start in starts]
