"""The compiled line integrals as an operator of torch, `torch.ops.deepdrr.line_integrals`.

Two more operators are its adjoints: by the values, which is linear in the upstream gradient and has derivatives of its
own, and by the rays, which has none: a second derivative that involves the rays is the reference's business.

Autograd meets the formulas twice. `torch.library` holds them for `torch.compile` and for whoever calls the operator,
but `torch.func` cannot differentiate what is registered there: it, and eager mode, get an `autograd.Function` made of
the same formulas.
"""

from typing import Any, NoReturn

import torch
from torch import Tensor
from torch.autograd import Function

from deepdrr._operators import apply, one_by_one, operator
from deepdrr.raycast._engines import gradient_by_rays, gradient_by_values, integrate
from deepdrr.raycast._field import Field
from deepdrr.raycast._integration import from_number, number_of
from deepdrr.raycast._rays import Rays
from deepdrr.raycast._request import Request

__all__ = ["line_integrals"]

# The arguments after the values. Ray ends are [..., H, W, 3], limits [..., H, W]; `step` is a rule's `number_of`.
_HOW = (
    "Tensor ijk_from_world, Tensor source, Tensor target, Tensor? start, Tensor? stop, Tensor? scale, "
    "str interpolation, float step"
)
_FIVE = "(Tensor, Tensor, Tensor, Tensor, Tensor)"


def line_integrals(request: Request) -> Tensor:
    """Line integrals [..., C, H, W] of a request by the compiled backend."""
    field, rays, shape = request.field, request.rays, request.rays.shape
    limits = (None if limit is None else limit.expand(shape) for limit in (rays.start, rays.stop))
    ends = (end.expand(*shape, 3) for end in (rays.source, rays.target))
    how = (field.ijk_from_world, *ends, *limits, field.scale, request.interpolation, number_of(request.integration))
    compiling = torch.compiler.is_compiling()
    result: Tensor = _line_integrals(field.values, *how) if compiling else apply(_LineIntegrals, field.values, *how)
    return result


def _request(values: Tensor, matrix: Tensor, *how: Any) -> Request:
    source, target, start, stop, scale, interpolation, step = how
    field = Field(values.detach(), matrix.detach(), prefiltered=interpolation == "cubic", scale=scale)
    return Request(field, Rays(source, target, start, stop), interpolation, from_number(step))


# -- the operators -----------------------------------------------------------------------------------------------------


@operator("line_integrals", f"(Tensor values, {_HOW}) -> Tensor")
def _line_integrals(values: Tensor, *how: Any) -> Tensor:
    return integrate(_request(values, *how))


@operator("line_integrals_by_values", f"(Tensor upstream, SymInt[] shape, {_HOW}) -> Tensor")
def _by_values(upstream: Tensor, shape: list[int], *how: Any) -> Tensor:
    anything = upstream.new_zeros((), dtype=torch.float32).expand(upstream.shape[-3], *shape)
    matrix, source, target, start, stop, _scale, *rule = how
    return gradient_by_values(upstream, _request(anything, matrix, source, target, start, stop, None, *rule))


@operator("line_integrals_by_rays", f"(Tensor upstream, Tensor values, {_HOW}) -> {_FIVE}")
def _by_rays(upstream: Tensor, values: Tensor, *how: Any) -> tuple[Tensor, ...]:
    return gradient_by_rays(upstream, _request(values, *how))


def _empty_integrals(values: Tensor, matrix: Tensor, source: Tensor, *_: Any) -> Tensor:
    *batch, height, width, _xyz = source.shape
    return source.new_empty((*batch, values.shape[0], height, width), dtype=torch.float32)


def _empty_by_values(upstream: Tensor, shape: list[int], *_: Any) -> Tensor:
    return upstream.new_empty((upstream.shape[-3], *shape), dtype=torch.float32)


def _empty_by_rays(upstream: Tensor, values: Tensor, matrix: Tensor, *how: Any) -> tuple[Tensor, ...]:
    source, target, *limits = how[:4]
    ends = (end.new_empty(end.shape, dtype=torch.float64) for end in (source, target))
    ts = (source.new_empty((0,) if t is None else t.shape, dtype=torch.float64) for t in limits)
    return *ends, *ts, matrix.new_empty((4, 4), dtype=torch.float64)


# -- their derivatives -------------------------------------------------------------------------------------------------


def _save(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    *tensors, interpolation, step = inputs
    ctx.save_for_backward(*tensors)
    ctx.rule = (interpolation, step)


def _pull_back(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
    tensors = ctx.saved_tensors
    values, wanted = tensors[0], ctx.needs_input_grad
    how = (*tensors[1:], *ctx.rule)
    gradients: list[Tensor | None] = [None] * 9
    if wanted[0]:
        gradients[0] = apply(_ByValues, upstream, list(values.shape[1:]), *how)
    if any(wanted[1:6]):
        source, target, start, stop, matrix = apply(_ByRays, upstream, values, *how)
        gradients[1:6] = matrix, source, target, start, stop
    used = (g if w and g is not None else None for g, w in zip(gradients, wanted, strict=False))
    return tuple(None if g is None else g.to(t.dtype) for g, t in zip(used, (*tensors, None, None), strict=True))


def _save_nothing(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    pass


def _refuse(ctx: Any, *upstream: Tensor) -> NoReturn:
    raise NotImplementedError(
        "the compiled kernels have first derivatives by the rays only, a second one was asked for: "
        'project(..., backend="reference") has derivatives of any order'
    )


def _save_rays(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    _upstream, _shape, *tensors, interpolation, step = inputs
    ctx.save_for_backward(*tensors)
    ctx.rule = (interpolation, step)


def _push_forward(ctx: Any, by_values: Tensor) -> tuple[Tensor | None, ...]:
    """The gradient by the values is linear in the upstream gradient: its adjoint is the integral again."""
    if any(ctx.needs_input_grad[2:]):
        _refuse(ctx)
    return apply(_LineIntegrals, by_values, *ctx.saved_tensors, *ctx.rule), *(None,) * 9


class _LineIntegrals(Function):
    generate_vmap_rule = True
    forward = staticmethod(_line_integrals)
    setup_context = staticmethod(_save)
    backward = staticmethod(_pull_back)


class _ByValues(Function):
    generate_vmap_rule = True
    forward = staticmethod(_by_values)
    setup_context = staticmethod(_save_rays)
    backward = staticmethod(_push_forward)


class _ByRays(Function):
    generate_vmap_rule = True
    forward = staticmethod(_by_rays)
    setup_context = staticmethod(_save_nothing)
    backward = staticmethod(_refuse)


_line_integrals.register_fake(_empty_integrals)
_by_values.register_fake(_empty_by_values)
_by_rays.register_fake(_empty_by_rays)
_line_integrals.register_autograd(_pull_back, setup_context=_save)
_by_values.register_autograd(_push_forward, setup_context=_save_rays)
_by_rays.register_autograd(_refuse)

for _op in (_line_integrals, _by_values, _by_rays):
    _op.register_vmap(one_by_one(_op))
