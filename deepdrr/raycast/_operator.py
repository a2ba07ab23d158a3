"""The compiled line integrals as operators of torch: `torch.ops.deepdrr.line_integrals` and its adjoints.

The adjoints are operators too. The gradient with respect to the values is linear in the upstream gradient and can be
differentiated again. The gradient with respect to the rays cannot: only the reference has second derivatives that
involve the rays.

If autograd will need the gradient with respect to the rays, an engine may sum its parts, the slopes, along with the
integrals; the backward pass then takes only a few multiplications per ray.

An operator of torch takes tensors, numbers and strings, but no objects. So it gets its engine by name: the choice made
by `select_backend` travels with the call, through `torch.compile` and to the backward pass on any thread, and is never
guessed again from the device of a tensor.
"""

from typing import Any, NamedTuple, NoReturn

import torch
from torch import Tensor

from deepdrr._operators import differentiable, operator, save_nothing
from deepdrr.raycast._backends import engine_named
from deepdrr.raycast._engine import RayGrads
from deepdrr.raycast._field import Voxels
from deepdrr.raycast._integration import Interpolation, Routing, from_number, number_of
from deepdrr.raycast._rays import RayEnds
from deepdrr.raycast._request import Request

__all__ = ["line_integrals"]

# The arguments after the values. Ray ends are [..., H, W, 3], limits [..., H, W]; `step` is `number_of` a rule.
RAY_ARGS = (
    "Tensor source, Tensor target, Tensor? start, Tensor? stop, Tensor ijk_from_world, Tensor? scale, Tensor? labels, "
    "int? label_count, str interpolation, float step, str routing, str engine"
)
# Gradients with respect to the first five of them.
RAY_GRADS = "(Tensor, Tensor, Tensor, Tensor, Tensor)"
_GRADS, _TENSORS = 5, 7


class RayArgs(NamedTuple):
    """The arguments that `RAY_ARGS` declares."""

    source: Tensor
    target: Tensor
    start: Tensor | None
    stop: Tensor | None
    ijk_from_world: Tensor
    scale: Tensor | None
    labels: Tensor | None
    label_count: int | None
    interpolation: Interpolation
    step: float
    routing: Routing
    engine: str

    def request(self, values: Tensor | None) -> Request:
        """The request for an engine, made of the tensors of a request that was already checked."""
        field = Voxels(
            values=None if values is None else values.detach(),
            ijk_from_world=self.ijk_from_world.detach(),
            labels=self.labels,
            label_count=self.label_count,
            prefiltered=self.interpolation == "cubic",
            scale=self.scale,
        )
        rays = RayEnds(self.source, self.target, self.start, self.stop)
        return Request(field, rays, self.interpolation, from_number(self.step), self.routing)


def line_integrals(request: Request, engine: str) -> Tensor:
    """Line integrals [..., C, H, W] of a request by the named engine, differentiable."""
    field, rays, shape = request.field, request.rays, request.rays.shape
    start, stop = (None if limit is None else limit.expand(shape) for limit in (rays.start, rays.stop))
    source, target = (end.expand(*shape, 3) for end in (rays.source, rays.target))
    placed = (source, target, start, stop, field.ijk_from_world, field.scale, field.labels, field.label_count)
    args = RayArgs(*placed, request.interpolation, number_of(request.integration), request.routing, engine)
    integrals: Tensor
    if request.needs_grad_rays and engine_named(engine).sums_slopes(request):
        integrals, _slopes = _with_slopes(field.values, *args)
    else:
        integrals = _integrals(field.values, *args)
    return integrals


# -- the operators -----------------------------------------------------------------------------------------------------


@operator("line_integrals", f"(Tensor? values, {RAY_ARGS}) -> Tensor")
def _integrals_op(values: Tensor | None, *args: Any) -> Tensor:
    given = RayArgs(*args)
    return engine_named(given.engine).integrate(given.request(values))


@operator("line_integrals_with_slopes", f"(Tensor values, {RAY_ARGS}) -> (Tensor, Tensor)")
def _with_slopes_op(values: Tensor, *args: Any) -> tuple[Tensor, Tensor]:
    given = RayArgs(*args)
    return engine_named(given.engine).integrate_with_slopes(given.request(values))


@operator("line_integrals_grad_values", f"(Tensor upstream, SymInt[] shape, {RAY_ARGS}) -> Tensor")
def _grad_values_op(upstream: Tensor, shape: list[int], *args: Any) -> Tensor:
    given = RayArgs(*args)
    any_values = upstream.new_zeros((), dtype=torch.float32).expand(shape) if given.labels is None else None
    return engine_named(given.engine).grad_values(upstream, given.request(any_values))


@operator("line_integrals_grad_rays", f"(Tensor upstream, Tensor? values, {RAY_ARGS}) -> {RAY_GRADS}")
def _grad_rays_op(upstream: Tensor, values: Tensor | None, *args: Any) -> RayGrads:
    given = RayArgs(*args)
    return engine_named(given.engine).grad_rays(upstream, given.request(values))


@operator(
    "line_integrals_grad_rays_from_slopes",
    f"(Tensor upstream, Tensor slopes, SymInt[] shape, {RAY_ARGS}) -> {RAY_GRADS}",
)
def _grad_rays_from_slopes_op(upstream: Tensor, slopes: Tensor, shape: list[int], *args: Any) -> RayGrads:
    given = RayArgs(*args)
    rays = RayEnds(given.source, given.target, given.start, given.stop)
    grid = (shape[-3], shape[-2], shape[-1])
    return engine_named(given.engine).grad_rays_from_slopes(upstream, slopes, grid, given.ijk_from_world, rays)


# -- the shapes of their results ---------------------------------------------------------------------------------------


def _fake_integrals(values: Tensor | None, *args: Any) -> Tensor:
    given = RayArgs(*args)
    *batch, height, width, _xyz = given.source.shape
    channels = given.label_count or (1 if values is None else values.shape[0])
    return given.source.new_empty((*batch, channels, height, width), dtype=torch.float32)


def _fake_with_slopes(values: Tensor, *args: Any) -> tuple[Tensor, Tensor]:
    given = RayArgs(*args)
    *batch, height, width, _xyz = given.source.shape
    slopes = given.source.new_empty((*batch, 9 if given.step == 0 else 7, height, width), dtype=torch.float32)
    return _fake_integrals(values, *args), slopes


def _fake_grad_values(upstream: Tensor, shape: list[int], *args: Any) -> Tensor:
    labels = RayArgs(*args).labels
    if labels is not None:
        return torch.empty_like(labels, dtype=torch.float32)[None]
    return upstream.new_empty(shape, dtype=torch.float32)


def _fake_grad_rays(upstream: Tensor, values: Tensor | None, *args: Any) -> RayGrads:
    given = RayArgs(*args)
    source, target = (end.new_empty(end.shape, dtype=torch.float64) for end in (given.source, given.target))
    shapes = ((0,) if limit is None else limit.shape for limit in (given.start, given.stop))
    start, stop = (source.new_empty(shape, dtype=torch.float64) for shape in shapes)
    return source, target, start, stop, source.new_empty((4, 4))


def _fake_grad_rays_from_slopes(upstream: Tensor, slopes: Tensor, shape: list[int], *args: Any) -> RayGrads:
    return _fake_grad_rays(upstream, None, *args)


# -- their derivatives -------------------------------------------------------------------------------------------------


def _save(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    values, *args = inputs
    ctx.save_for_backward(values, *args[:_TENSORS])
    ctx.rule = args[_TENSORS:]


def _save_slopes(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    values, *args = inputs
    _integrals, slopes = output
    ctx.save_for_backward(slopes, values, *args[:_TENSORS])
    ctx.rule = args[_TENSORS:]


def _save_args(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    _upstream, _shape, *args = inputs
    ctx.save_for_backward(*args[:_TENSORS])
    ctx.rule = args[_TENSORS:]


def _pull_back(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
    values, *tensors = ctx.saved_tensors
    to_rays = None
    if any(ctx.needs_input_grad[1:]):
        to_rays = _grad_rays(upstream, values, *tensors, *ctx.rule)
    return _wanted(ctx, upstream, values, tensors, to_rays)


def _pull_back_slopes(ctx: Any, upstream: Tensor, _to_slopes: Tensor) -> tuple[Tensor | None, ...]:
    """The slopes only serve the derivative of the integrals; no caller gets them, so they need no derivative."""
    slopes, values, *tensors = ctx.saved_tensors
    to_rays = None
    if any(ctx.needs_input_grad[1:]):
        to_rays = _grad_rays_from_slopes(upstream, slopes, list(values.shape), *tensors, *ctx.rule)
    return _wanted(ctx, upstream, values, tensors, to_rays)


def _wanted(
    ctx: Any, upstream: Tensor, values: Tensor | None, tensors: list[Tensor | None], to_rays: RayGrads | None
) -> tuple[Tensor | None, ...]:
    """A gradient for each input that requires one, in its dtype."""
    to_values = None
    if ctx.needs_input_grad[0] and values is not None:
        to_values = _grad_values(upstream, list(values.shape), *tensors, *ctx.rule)
    found = (to_values, *(to_rays or (None,) * _GRADS))
    given = (values, *tensors[:_GRADS])
    wanted = ctx.needs_input_grad[: 1 + _GRADS]
    gradients = (
        g.to(t.dtype) if w and g is not None and t is not None else None
        for g, t, w in zip(found, given, wanted, strict=True)
    )
    return *gradients, *(None,) * (len(RayArgs._fields) - _GRADS)


def _push_forward(ctx: Any, to_gradient: Tensor) -> tuple[Tensor | None, ...]:
    """The gradient with respect to the values is linear in the upstream gradient: its adjoint is the integral."""
    if any(ctx.needs_input_grad[2:]):
        _refuse(ctx)
    to_upstream = _integrals(to_gradient, *ctx.saved_tensors, *ctx.rule)
    return to_upstream, *(None,) * (1 + len(RayArgs._fields))


def _refuse(ctx: Any, *upstream: Tensor) -> NoReturn:
    raise NotImplementedError(
        "the compiled kernels have first derivatives with respect to the rays only, a second one was asked for: "
        'project(..., backend="reference") has derivatives of any order'
    )


_integrals = differentiable(_integrals_op, _fake_integrals, _save, _pull_back)
_with_slopes = differentiable(_with_slopes_op, _fake_with_slopes, _save_slopes, _pull_back_slopes)
_grad_values = differentiable(_grad_values_op, _fake_grad_values, _save_args, _push_forward)
_grad_rays = differentiable(_grad_rays_op, _fake_grad_rays, save_nothing, _refuse)
_grad_rays_from_slopes = differentiable(_grad_rays_from_slopes_op, _fake_grad_rays_from_slopes, save_nothing, _refuse)
