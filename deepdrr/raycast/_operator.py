"""The compiled line integrals as an operator of torch, `torch.ops.deepdrr.line_integrals`.

Two more operators are its adjoints: by the values, which is linear in the upstream gradient and has derivatives of its
own, and by the rays, which has none: a second derivative that involves the rays is the reference's business.

Where the gradient by the rays of one channel will be wanted, an operator of the same meaning sums up the derivatives
along with the integrals; what carries the upstream gradient back is then a matter of a few multiplications per ray.

Autograd meets the formulas twice. `torch.library` holds them for `torch.compile` and for whoever calls the operator,
but `torch.func` cannot differentiate what is registered there: it, and eager mode, get an `autograd.Function` made of
the same formulas.
"""

from collections.abc import Sequence
from typing import Any, NoReturn, cast

import torch
from torch import Tensor
from torch.autograd import Function

from deepdrr._operators import apply, one_by_one, operator, watched
from deepdrr.raycast._engines import gradient_by_rays, gradient_by_values, integrate
from deepdrr.raycast._field import Field
from deepdrr.raycast._integration import from_number, number_of
from deepdrr.raycast._rays import Rays
from deepdrr.raycast._request import Request
from deepdrr.raycast._unchecked import unchecked
from deepdrr.raycast.cpu._grad_rays import gradient_from_slopes, integrate_with_slopes

__all__ = ["FIVE", "HOW", "line_integrals", "matrix_first", "refuse", "save_nothing"]

# The arguments after the values. Ray ends are [..., H, W, 3], limits [..., H, W]; `step` is a rule's `number_of`.
HOW = (
    "Tensor ijk_from_world, Tensor source, Tensor target, Tensor? start, Tensor? stop, Tensor? scale, "
    "str interpolation, float step"
)
FIVE = "(Tensor, Tensor, Tensor, Tensor, Tensor)"


def line_integrals(request: Request) -> Tensor:
    """Line integrals [..., C, H, W] of a request by the compiled backend."""
    if not request.needs_grad and not watched():
        return integrate(request)
    field, rays, shape = request.field, request.rays, request.rays.shape
    limits = (None if limit is None else limit.expand(shape) for limit in (rays.start, rays.stop))
    ends = (end.expand(*shape, 3) for end in (rays.source, rays.target))
    how = (field.ijk_from_world, *ends, *limits, field.scale, request.interpolation, number_of(request.integration))
    compiling = torch.compiler.is_compiling()
    if _wants_slopes(request):
        integrals, _ = _with_slopes(field.values, *how) if compiling else apply(_WithSlopes, field.values, *how)
    else:
        integrals = _line_integrals(field.values, *how) if compiling else apply(_LineIntegrals, field.values, *how)
    return cast(Tensor, integrals)


def _wants_slopes(request: Request) -> bool:
    field, by_rays = request.field, request.rays.requires_grad or request.field.ijk_from_world.requires_grad
    served = field.device.type == "cpu" and field.channels == 1 and request.interpolation == "linear"
    return torch.is_grad_enabled() and by_rays and served


def _request(values: Tensor, matrix: Tensor, *how: Any) -> Request:
    source, target, start, stop, scale, interpolation, step = how
    coefficients = interpolation == "cubic"
    field = unchecked(
        Field, values=values.detach(), ijk_from_world=matrix.detach(), prefiltered=coefficients, scale=scale
    )
    rays = unchecked(Rays, source=source, target=target, start=start, stop=stop)
    return unchecked(Request, field=field, rays=rays, interpolation=interpolation, integration=from_number(step))


# -- the operators -----------------------------------------------------------------------------------------------------


@operator("line_integrals", f"(Tensor values, {HOW}) -> Tensor")
def _line_integrals(values: Tensor, *how: Any) -> Tensor:
    return integrate(_request(values, *how))


@operator("line_integrals_with_slopes", f"(Tensor values, {HOW}) -> (Tensor, Tensor)")
def _with_slopes(values: Tensor, *how: Any) -> tuple[Tensor, Tensor]:
    return integrate_with_slopes(_request(values, *how))


@operator("line_integrals_by_values", f"(Tensor upstream, SymInt[] shape, {HOW}) -> Tensor")
def _by_values(upstream: Tensor, shape: list[int], *how: Any) -> Tensor:
    anything = upstream.new_zeros((), dtype=torch.float32).expand(upstream.shape[-3], *shape)
    matrix, source, target, start, stop, _scale, *rule = how
    return gradient_by_values(upstream, _request(anything, matrix, source, target, start, stop, None, *rule))


@operator("line_integrals_by_rays", f"(Tensor upstream, Tensor values, {HOW}) -> {FIVE}")
def _by_rays(upstream: Tensor, values: Tensor, *how: Any) -> tuple[Tensor, ...]:
    return gradient_by_rays(upstream, _request(values, *how))


@operator(
    "line_integrals_by_rays_from_slopes",
    "(Tensor upstream, Tensor slopes, SymInt[] shape, Tensor ijk_from_world, Tensor source, Tensor target, "
    f"Tensor? start, Tensor? stop) -> {FIVE}",
)
def _from_slopes(
    upstream: Tensor, slopes: Tensor, shape: list[int], matrix: Tensor, *ends: Tensor
) -> tuple[Tensor, ...]:
    return gradient_from_slopes(upstream, slopes, (shape[0], shape[1], shape[2]), matrix, Rays(*ends))


def _empty_integrals(values: Tensor, matrix: Tensor, source: Tensor, *_: Any) -> Tensor:
    *batch, height, width, _xyz = source.shape
    return source.new_empty((*batch, values.shape[0], height, width), dtype=torch.float32)


def _empty_with_slopes(values: Tensor, matrix: Tensor, source: Tensor, *how: Any) -> tuple[Tensor, Tensor]:
    *batch, height, width, _xyz = source.shape
    sums = 9 if how[-1] == 0 else 7
    integrals = _empty_integrals(values, matrix, source)
    return integrals, source.new_empty((*batch, sums, height, width), dtype=torch.float32)


def _empty_by_values(upstream: Tensor, shape: list[int], *_: Any) -> Tensor:
    return upstream.new_empty((upstream.shape[-3], *shape), dtype=torch.float32)


def _empty_by_rays(upstream: Tensor, values: Tensor, matrix: Tensor, *how: Any) -> tuple[Tensor, ...]:
    source, target, *limits = how[:4]
    ends = (end.new_empty(end.shape, dtype=torch.float64) for end in (source, target))
    ts = (source.new_empty((0,) if t is None else t.shape, dtype=torch.float64) for t in limits)
    return *ends, *ts, matrix.new_empty((4, 4), dtype=torch.float64)


def _empty_from_slopes(upstream: Tensor, slopes: Tensor, shape: list[int], *how: Any) -> tuple[Tensor, ...]:
    return _empty_by_rays(upstream, slopes, *how)


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
        gradients[1:6] = matrix_first(apply(_ByRays, upstream, values, *how))
    return _as_wanted(gradients, wanted, tensors)


def matrix_first(by_rays: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    source, target, start, stop, matrix = by_rays
    return matrix, source, target, start, stop


def _as_wanted(gradients: list[Tensor | None], wanted: Sequence[bool], tensors: Any) -> tuple[Tensor | None, ...]:
    used = (g if w and g is not None else None for g, w in zip(gradients, wanted, strict=False))
    return tuple(None if g is None else g.to(t.dtype) for g, t in zip(used, (*tensors, None, None), strict=True))


def _save_slopes(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    *tensors, interpolation, step = inputs
    _integrals, slopes = output
    ctx.save_for_backward(*tensors, slopes)
    ctx.rule = (interpolation, step)


def _pull_back_slopes(ctx: Any, upstream: Tensor, _by_slopes: Tensor) -> tuple[Tensor | None, ...]:
    *tensors, slopes = ctx.saved_tensors
    values, wanted = tensors[0], ctx.needs_input_grad
    gradients: list[Tensor | None] = [None] * 9
    if wanted[0]:
        gradients[0] = apply(_ByValues, upstream, list(values.shape[1:]), *tensors[1:], *ctx.rule)
    if any(wanted[1:6]):
        gradients[1:6] = matrix_first(apply(_FromSlopes, upstream, slopes, list(values.shape[1:]), *tensors[1:6]))
    return _as_wanted(gradients, wanted, tensors)


def save_nothing(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    pass


def refuse(ctx: Any, *upstream: Tensor) -> NoReturn:
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
        refuse(ctx)
    return apply(_LineIntegrals, by_values, *ctx.saved_tensors, *ctx.rule), *(None,) * 9


class _LineIntegrals(Function):
    generate_vmap_rule = True
    forward = staticmethod(_line_integrals)
    setup_context = staticmethod(_save)
    backward = staticmethod(_pull_back)


class _WithSlopes(Function):
    """Its second result has no derivative that anyone is given: it serves the first one's."""

    generate_vmap_rule = True
    forward = staticmethod(_with_slopes)
    setup_context = staticmethod(_save_slopes)
    backward = staticmethod(_pull_back_slopes)


class _ByValues(Function):
    generate_vmap_rule = True
    forward = staticmethod(_by_values)
    setup_context = staticmethod(_save_rays)
    backward = staticmethod(_push_forward)


class _ByRays(Function):
    generate_vmap_rule = True
    forward = staticmethod(_by_rays)
    setup_context = staticmethod(save_nothing)
    backward = staticmethod(refuse)


class _FromSlopes(Function):
    generate_vmap_rule = True
    forward = staticmethod(_from_slopes)
    setup_context = staticmethod(save_nothing)
    backward = staticmethod(refuse)


_line_integrals.register_fake(_empty_integrals)
_by_values.register_fake(_empty_by_values)
_by_rays.register_fake(_empty_by_rays)
_with_slopes.register_fake(_empty_with_slopes)
_from_slopes.register_fake(_empty_from_slopes)
_line_integrals.register_autograd(_pull_back, setup_context=_save)
_by_values.register_autograd(_push_forward, setup_context=_save_rays)
_by_rays.register_autograd(refuse)
_with_slopes.register_autograd(_pull_back_slopes, setup_context=_save_slopes)
_from_slopes.register_autograd(refuse)

for _op in (_line_integrals, _by_values, _by_rays, _with_slopes, _from_slopes):
    _op.register_vmap(one_by_one(_op))
