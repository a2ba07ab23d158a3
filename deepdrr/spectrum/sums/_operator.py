"""The operator behind all polychromatic sums, `torch.ops.deepdrr.spectral_sums`.

For weights wₖₑ and area densities aₘ of a pixel, the sum over the bins is exact:

    Sₖ = Σₑ wₖₑ Tₑ,  Tₑ = exp(−Σₘ aₘ (µ/ρ)ₘₑ)

Compiled kernels sum float32 (`kernels/cpu/spectral_sums.h`, `kernels/cuda/spectral_sums.cu`); torch, the reference,
sums anything else. Neither direction ever holds a [pixels, E] array of the whole picture; only the second derivative,
in torch, does.

`_first_able` alone chooses between them: unlike for rays, callers do not name a backend for a sum.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from deepdrr._operators import differentiable, followed, operator
from deepdrr.spectrum.sums._cpu import adjoint_by_cpu, cpu_serves, sums_by_cpu
from deepdrr.spectrum.sums._cuda import adjoint_by_cuda, cuda_serves, sums_by_cuda
from deepdrr.spectrum.sums._torch import adjoint_by_torch, second_adjoint, sums_by_torch

__all__ = ["spectral_sums"]


def spectral_sums(area_densities: Tensor, mu: Tensor, weights: Tensor) -> Tensor:
    """Weighted sums of the transmission over energy bins; the operator behind `weighted_sums`.

    Args:
        area_densities: [..., M, H, W] in g/cm², float32 or float64; the sums have the same dtype. Float32 is fast, with
            a relative error of about 1e-7, which grows as 6e-8 times the exponent.
        mu: [M, E] mass attenuation in cm²/g, float32 or float64, same device.
        weights: [K, E], same dtype and device as `mu`; e.g. photons times energy times a detector's response.

    Returns:
        [..., K, H, W]. Differentiable with respect to all three to any order; the second derivative holds arrays
        of pixels times energies.

    Raises:
        ValueError: if the shapes do not match.

    Example:
        >>> import torch
        >>> mu, weights = torch.tensor([[0.2, 0.5]]), torch.tensor([[3.0, 1.0]])
        >>> spectral_sums(torch.zeros(1, 2, 2), mu, weights)
        tensor([[[4., 4.],
                 [4., 4.]]])
    """
    _check(area_densities, mu, weights)
    batch, (m, height, width) = area_densities.shape[:-3], area_densities.shape[-3:]
    flat = area_densities.reshape(batch.numel(), m, height * width)
    compute = _sums if followed(flat, mu, weights) else _sums_for(flat)
    sums: Tensor = compute(flat, mu, weights)
    return sums.reshape(*batch, weights.shape[0], height, width)


def _check(areas: Tensor, mu: Tensor, weights: Tensor) -> None:
    shapes = f"got {tuple(areas.shape)}, {tuple(mu.shape)} and {tuple(weights.shape)}"
    if areas.ndim < 3 or mu.ndim != 2 or weights.ndim != 2:
        raise ValueError(f"area_densities must be [..., M, H, W], mu [M, E] and weights [K, E], {shapes}")
    if areas.shape[-3] != mu.shape[0] or mu.shape[1] != weights.shape[1] or not mu.numel() or not len(weights):
        raise ValueError(f"area_densities [..., M, H, W], mu [M, E] and weights [K, E] must agree in M and E, {shapes}")


# -- the operators: areas [B, M, N], mu [M, E], weights [K, E] → [B, K, N] ---------------------------------------------

Sums = Callable[..., Any]

_INPUTS = "Tensor areas, Tensor mu, Tensor weights"
_WANTED = "bool wants_areas, bool wants_mu, bool wants_weights"


@operator("spectral_sums", f"({_INPUTS}) -> Tensor")
def _sums_op(areas: Tensor, mu: Tensor, weights: Tensor) -> Tensor:
    sums: Tensor = _sums_for(areas)(areas, mu, weights)
    return sums


def _sums_for(areas: Tensor) -> Sums:
    return _first_able(areas, sums_by_cuda, sums_by_cpu, sums_by_torch)


@operator("spectral_sums_adjoint", f"(Tensor upstream, {_INPUTS}, {_WANTED}) -> (Tensor, Tensor, Tensor)")
def _adjoint_op(upstream: Tensor, areas: Tensor, mu: Tensor, weights: Tensor, *wanted: bool) -> tuple[Tensor, ...]:
    adjoint = _first_able(areas, adjoint_by_cuda, adjoint_by_cpu, adjoint_by_torch)
    gradients: tuple[Tensor, ...] = adjoint(upstream, areas, mu, weights, *wanted)
    return gradients


def _first_able(areas: Tensor, by_cuda: Sums, by_cpu: Sums, by_torch: Sums) -> Sums:
    return by_cuda if cuda_serves(areas) else by_cpu if cpu_serves(areas) else by_torch


def _fake_sums(areas: Tensor, mu: Tensor, weights: Tensor) -> Tensor:
    return areas.new_empty(areas.shape[0], weights.shape[0], areas.shape[2])


def _fake_adjoint(upstream: Tensor, *inputs_and_wanted: Any) -> tuple[Tensor, ...]:
    inputs, wanted = inputs_and_wanted[:3], inputs_and_wanted[3:]
    return tuple(t.new_empty(t.shape if w else (0,)) for t, w in zip(inputs, wanted, strict=True))


# -- their derivatives -------------------------------------------------------------------------------------------------


def _save_inputs(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    tensors = [t for t in inputs if isinstance(t, Tensor)]
    ctx.save_for_backward(*tensors)
    ctx.save_for_forward(*tensors)
    ctx.set_materialize_grads(False)


def _pull_back(ctx: Any, upstream: Tensor | None) -> tuple[Tensor | None, ...]:
    if upstream is None:
        return None, None, None
    found = _adjoint(upstream, *ctx.saved_tensors, *ctx.needs_input_grad)
    return tuple(g if w else None for g, w in zip(found, ctx.needs_input_grad, strict=True))


def _tangents(ctx: Any, *tangents: Tensor | None) -> Tensor:
    """S' = Σₑ (w' − w Σₘ (a'ₘ µₘ + aₘ µ'ₘ)) T: sums with other weights, of the same areas."""
    areas, mu, weights = ctx.saved_tensors
    to_areas, to_mu, to_weights = tangents

    def by_material(table: Tensor, factors: Tensor) -> Tensor:
        """Σₘ factorsₘ Σₑ w tableₘ T."""
        products = (table[:, None, :] * weights).flatten(0, 1)
        sums: Tensor = _sums(areas, mu, products).unflatten(1, (len(table), len(weights)))
        return (factors[:, :, None] * sums).sum(dim=1)

    parts = [None if to_weights is None else _sums(areas, mu, to_weights)]
    parts += [None if to_areas is None else -by_material(mu, to_areas)]
    parts += [None if to_mu is None else -by_material(to_mu, areas)]
    return torch.stack([part for part in parts if part is not None]).sum(dim=0)


def _pull_back_adjoint(ctx: Any, *upstream: Tensor | None) -> tuple[Tensor | None, ...]:
    to_areas, to_mu, to_weights = (None if u is None or not u.numel() else u for u in upstream)
    return *second_adjoint(to_areas, to_mu, to_weights, *ctx.saved_tensors), None, None, None


_sums = differentiable(_sums_op, _fake_sums, _save_inputs, _pull_back, push_forward=_tangents)
_adjoint = differentiable(_adjoint_op, _fake_adjoint, _save_inputs, _pull_back_adjoint)
