"""The compiled integrals routed by label as operators of torch: `torch.ops.deepdrr.routed_integrals` and its adjoints.

They are to a field with labels what `line_integrals` and its adjoints are to one without; see there.
"""

from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd import Function

from deepdrr._operators import apply, one_by_one, operator, watched
from deepdrr.raycast._engines import integrate_routed, routed_by_rays, routed_by_values
from deepdrr.raycast._field import Field
from deepdrr.raycast._integration import from_number, number_of
from deepdrr.raycast._operator import FIVE, HOW, matrix_first, refuse, save_nothing
from deepdrr.raycast._rays import Rays
from deepdrr.raycast._request import Request
from deepdrr.raycast._unchecked import unchecked

__all__ = ["routed_integrals"]

_LABELS = f"Tensor labels, int label_count, {HOW}, str routing"


def routed_integrals(request: Request) -> Tensor:
    """Line integrals [..., L, H, W] of a request with labels by the compiled backend."""
    if not request.needs_grad and not watched():
        return integrate_routed(request)
    field, rays, shape = request.field, request.rays, request.rays.shape
    limits = (None if limit is None else limit.expand(shape) for limit in (rays.start, rays.stop))
    ends = (end.expand(*shape, 3) for end in (rays.source, rays.target))
    rule = (request.interpolation, number_of(request.integration), request.routing)
    given = (field.values, field.labels, field.label_count, field.ijk_from_world, *ends, *limits, field.scale, *rule)
    compiling = torch.compiler.is_compiling()
    return cast(Tensor, _routed(*given) if compiling else apply(_Routed, *given))


def _request(values: Tensor | None, labels: Tensor, count: int, matrix: Tensor, *how: Any) -> Request:
    source, target, start, stop, scale, interpolation, step, routing = how
    values = None if values is None else values.detach()
    # Looking through labels for one that is too large takes as long as a view.
    parts = {"ijk_from_world": matrix.detach(), "labels": labels, "label_count": count, "scale": scale}
    field = unchecked(Field, values=values, **parts)
    return Request(field, Rays(source, target, start, stop), interpolation, from_number(step), routing)


@operator("routed_integrals", f"(Tensor? values, {_LABELS}) -> Tensor")
def _routed(values: Tensor | None, *how: Any) -> Tensor:
    return integrate_routed(_request(values, *how))


@operator("routed_integrals_by_values", f"(Tensor upstream, {_LABELS}) -> Tensor")
def _by_values(upstream: Tensor, *how: Any) -> Tensor:
    return routed_by_values(upstream, _request(None, *how))


@operator("routed_integrals_by_rays", f"(Tensor upstream, Tensor? values, {_LABELS}) -> {FIVE}")
def _by_rays(upstream: Tensor, values: Tensor | None, *how: Any) -> tuple[Tensor, ...]:
    return routed_by_rays(upstream, _request(values, *how))


def _empty_integrals(values: Tensor | None, labels: Tensor, count: int, matrix: Tensor, *how: Any) -> Tensor:
    *batch, height, width, _xyz = how[0].shape
    return labels.new_empty((*batch, count, height, width), dtype=torch.float32)


def _empty_by_values(upstream: Tensor, labels: Tensor, *_: Any) -> Tensor:
    return torch.empty_like(labels, dtype=torch.float32)[None]


def _empty_by_rays(
    upstream: Tensor, values: Tensor | None, labels: Tensor, count: int, matrix: Tensor, *how: Any
) -> tuple[Tensor, ...]:
    source, target, *limits = how[:4]
    ends = (end.new_empty(end.shape, dtype=torch.float64) for end in (source, target))
    ts = (source.new_empty((0,) if t is None else t.shape, dtype=torch.float64) for t in limits)
    return *ends, *ts, matrix.new_empty((4, 4), dtype=torch.float64)


def _save(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    values, labels, count, *tensors, interpolation, step, routing = inputs
    ctx.save_for_backward(values, labels, *tensors)
    ctx.count, ctx.rule = count, (interpolation, step, routing)


def _pull_back(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
    values, labels, *tensors = ctx.saved_tensors
    wanted, how = ctx.needs_input_grad, (labels, ctx.count, *tensors, *ctx.rule)
    by_values = None
    if wanted[0]:
        by_values = apply(_ByValues, upstream, *how).to(values.dtype)
    by_rays: tuple[Tensor | None, ...] = (None,) * 5
    if any(wanted[3:8]):
        found = matrix_first(apply(_ByRays, upstream, values, *how))
        by_rays = tuple(g.to(t.dtype) if w else None for g, t, w in zip(found, tensors[:5], wanted[3:8], strict=True))
    return by_values, None, None, *by_rays, None, None, None, None


def _save_rule(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    _upstream, *how = inputs
    _save(ctx, (None, *how), output)


def _push_forward(ctx: Any, by_values: Tensor) -> tuple[Tensor | None, ...]:
    """The gradient by the values is linear in the upstream gradient: its adjoint is the integral again."""
    if any(ctx.needs_input_grad[3:]):
        refuse(ctx)
    _, labels, *tensors = ctx.saved_tensors
    return apply(_Routed, by_values, labels, ctx.count, *tensors, *ctx.rule), *(None,) * 11


class _Routed(Function):
    generate_vmap_rule = True
    forward = staticmethod(_routed)
    setup_context = staticmethod(_save)
    backward = staticmethod(_pull_back)


class _ByValues(Function):
    generate_vmap_rule = True
    forward = staticmethod(_by_values)
    setup_context = staticmethod(_save_rule)
    backward = staticmethod(_push_forward)


class _ByRays(Function):
    generate_vmap_rule = True
    forward = staticmethod(_by_rays)
    setup_context = staticmethod(save_nothing)
    backward = staticmethod(refuse)


_routed.register_fake(_empty_integrals)
_by_values.register_fake(_empty_by_values)
_by_rays.register_fake(_empty_by_rays)
_routed.register_autograd(_pull_back, setup_context=_save)
_by_values.register_autograd(_push_forward, setup_context=_save_rule)
_by_rays.register_autograd(refuse)

for _op in (_routed, _by_values, _by_rays):
    _op.register_vmap(one_by_one(_op))
