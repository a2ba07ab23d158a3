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

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, NoReturn

import torch
from torch import Tensor

from deepdrr._operators import differentiable, one_by_one, operator, save_nothing
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
_ENDS = 4  # sources, targets and their limits
# The shape of the values [C, I, J, K], as numbers: torch cannot carry a list through torch.func.jvp.
_SHAPE = 4


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


_NO_GRADS = (None,) * (1 + len(RayArgs._fields))


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


@operator("line_integrals_grad_values", f"(Tensor upstream, int c, int i, int j, int k, {RAY_ARGS}) -> Tensor")
def _grad_values_op(upstream: Tensor, c: int, i: int, j: int, k: int, *args: Any) -> Tensor:
    given = RayArgs(*args)
    any_values = upstream.new_zeros((), dtype=torch.float32).expand(c, i, j, k) if given.labels is None else None
    return engine_named(given.engine).grad_values(upstream, given.request(any_values))


@operator("line_integrals_grad_rays", f"(Tensor upstream, Tensor? values, {RAY_ARGS}) -> {RAY_GRADS}")
def _grad_rays_op(upstream: Tensor, values: Tensor | None, *args: Any) -> RayGrads:
    given = RayArgs(*args)
    return engine_named(given.engine).grad_rays(upstream, given.request(values))


@operator(
    "line_integrals_grad_rays_from_slopes",
    f"(Tensor upstream, Tensor slopes, int i, int j, int k, {RAY_ARGS}) -> {RAY_GRADS}",
)
def _grad_rays_from_slopes_op(upstream: Tensor, slopes: Tensor, i: int, j: int, k: int, *args: Any) -> RayGrads:
    given = RayArgs(*args)
    rays = RayEnds(given.source, given.target, given.start, given.stop)
    return engine_named(given.engine).grad_rays_from_slopes(upstream, slopes, (i, j, k), given.ijk_from_world, rays)


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


def _fake_grad_values(upstream: Tensor, c: int, i: int, j: int, k: int, *args: Any) -> Tensor:
    labels = RayArgs(*args).labels
    if labels is not None:
        return torch.empty_like(labels, dtype=torch.float32)[None]
    return upstream.new_empty((c, i, j, k), dtype=torch.float32)


def _fake_grad_rays(upstream: Tensor, values: Tensor | None, *args: Any) -> RayGrads:
    given = RayArgs(*args)
    source, target = (end.new_empty(end.shape, dtype=torch.float64) for end in (given.source, given.target))
    shapes = ((0,) if limit is None else limit.shape for limit in (given.start, given.stop))
    start, stop = (source.new_empty(shape, dtype=torch.float64) for shape in shapes)
    return source, target, start, stop, source.new_empty((4, 4))


def _fake_grad_rays_from_slopes(upstream: Tensor, slopes: Tensor, i: int, j: int, k: int, *args: Any) -> RayGrads:
    return _fake_grad_rays(upstream, None, *args)


# -- under vmap ------------------------------------------------------------------------------------------------------


def _by_batch(op: Any) -> Callable[..., tuple[Any, Any]]:
    """A rule for `vmap`: rays that are mapped over are a batch; otherwise one call after another."""

    def batched(info: Any, in_dims: tuple[Any, ...], *inputs: Any) -> tuple[Any, Any]:
        if any(isinstance(axis, int) and not 1 <= number <= _ENDS for number, axis in enumerate(in_dims)):
            return one_by_one(op)(info, in_dims, *inputs)
        ends = [
            end if end is None or isinstance(axis, int) else end.expand(info.batch_size, *end.shape)
            for end, axis in zip(inputs[1 : 1 + _ENDS], in_dims[1 : 1 + _ENDS], strict=True)
        ]
        ends = [
            end.movedim(axis, 0) if isinstance(axis, int) else end
            for end, axis in zip(ends, in_dims[1 : 1 + _ENDS], strict=True)
        ]
        results = op(inputs[0], *ends, *inputs[1 + _ENDS :])
        return results, 0 if isinstance(results, Tensor) else (0,) * len(results)

    return batched


# -- their derivatives -------------------------------------------------------------------------------------------------


def _save(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    values, *args = inputs
    ctx.save_for_backward(values, *args[:_TENSORS])
    ctx.save_for_forward(values, *args[:_TENSORS])
    ctx.set_materialize_grads(False)
    ctx.rule = args[_TENSORS:]


def _save_slopes(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    values, *args = inputs
    _integrals, slopes = output
    ctx.save_for_backward(slopes, values, *args[:_TENSORS])
    ctx.save_for_forward(values, *args[:_TENSORS])
    ctx.set_materialize_grads(False)
    ctx.slopes = slopes.shape[-3]
    ctx.rule = args[_TENSORS:]


def _save_args(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    _upstream, _c, _i, _j, _k, *args = inputs
    ctx.save_for_backward(*args[:_TENSORS])
    ctx.rule = args[_TENSORS:]


def _pull_back(ctx: Any, upstream: Tensor | None) -> tuple[Tensor | None, ...]:
    if upstream is None:
        return _NO_GRADS
    values, *tensors = ctx.saved_tensors
    to_rays = None
    if any(ctx.needs_input_grad[1:]):
        to_rays = _grad_rays(upstream, values, *tensors, *ctx.rule)
    return _wanted(ctx, upstream, values, tensors, to_rays)


def _pull_back_slopes(ctx: Any, upstream: Tensor | None, _to_slopes: Tensor | None) -> tuple[Tensor | None, ...]:
    """The slopes only serve the derivative of the integrals; no caller gets them, so they need no derivative."""
    if upstream is None:
        return _NO_GRADS
    slopes, values, *tensors = ctx.saved_tensors
    to_rays = None
    if any(ctx.needs_input_grad[1:]):
        to_rays = _grad_rays_from_slopes(upstream, slopes, *values.shape[-3:], *tensors, *ctx.rule)
    return _wanted(ctx, upstream, values, tensors, to_rays)


def _wanted(
    ctx: Any, upstream: Tensor, values: Tensor | None, tensors: list[Tensor | None], to_rays: RayGrads | None
) -> tuple[Tensor | None, ...]:
    """A gradient for each input that requires one, in its dtype."""
    to_values = None
    if ctx.needs_input_grad[0] and values is not None:
        to_values = _grad_values(upstream, *values.shape, *tensors, *ctx.rule)
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
    if any(ctx.needs_input_grad[1 + _SHAPE :]):
        _refuse(ctx)
    to_upstream = _integrals(to_gradient, *ctx.saved_tensors, *ctx.rule)
    return to_upstream, *(None,) * (_SHAPE + len(RayArgs._fields))


def _refuse(ctx: Any, *upstream: Tensor) -> NoReturn:
    raise NotImplementedError(
        "the compiled kernels have first derivatives with respect to the rays only, a second one was asked for: "
        'project(..., backend="reference") has derivatives of any order'
    )


def _tangents(ctx: Any, *tangents: Tensor | None) -> Tensor:
    """How the integrals change with the values, in which they are linear, and with the rays and the field's place."""
    values, *tensors = ctx.saved_tensors
    args = RayArgs(*tensors, *ctx.rule)
    to_values, *to_rays, to_place = tangents[: 1 + _GRADS]
    changes = []
    if to_values is not None:
        changes.append(_integrals(to_values, *args))
    if any(tangent is not None for tangent in to_rays):
        changes.append(_by_rays(values, args, to_rays))
    if to_place is not None:
        changes.append(_by_place(values, args, to_place))
    return torch.stack(changes).sum(dim=0)


def _tangents_with_slopes(ctx: Any, *tangents: Tensor | None) -> tuple[Tensor, Tensor]:
    """The slopes only serve the derivative of the integrals."""
    change = _tangents(ctx, *tangents)
    return change, change.new_zeros((*change.shape[:-3], ctx.slopes, *change.shape[-2:]))


def _by_rays(values: Tensor | None, args: RayArgs, tangents: Sequence[Tensor | None]) -> Tensor:
    """A pixel's integral changes with its own ray alone: one gradient per channel is the derivative of all pixels."""
    channels = args.label_count or (1 if values is None else values.shape[0])
    changes = []
    for channel in range(channels):
        upstream = args.source.new_zeros((*args.source.shape[:-3], channels, *args.source.shape[-3:-1])).float()
        upstream[..., channel, :, :] = 1.0
        gradients = _grad_rays(upstream, values, *args)
        products = [
            (gradient * tangent).sum(dim=-1) if end < 2 else gradient * tangent
            for end, (gradient, tangent) in enumerate(zip(gradients[:_ENDS], tangents, strict=True))
            if tangent is not None
        ]
        changes.append(torch.stack(products).sum(dim=0))
    return torch.stack(changes, dim=-3).float()


def _by_place(values: Tensor | None, args: RayArgs, tangent: Tensor) -> Tensor:
    """Moving the field by dA is moving the rays by A⁻¹ dA, apart from the lengths of the rays, which stay."""
    motion = (torch.linalg.inv(args.ijk_from_world) @ tangent).to(args.source)
    moved = [end @ motion[:3, :3].T + motion[:3, 3] for end in (args.source, args.target)]
    path = args.target - args.source
    longer = ((moved[1] - moved[0]) * path).sum(dim=-1) / path.square().sum(dim=-1)
    integrals: Tensor = _integrals(values, *args)
    shortened: Tensor = (longer[..., None, :, :] * integrals).float()
    return _by_rays(values, args, (*moved, None, None)) - shortened


_integrals = differentiable(_integrals_op, _fake_integrals, _save, _pull_back, _by_batch(_integrals_op), _tangents)
_with_slopes = differentiable(
    _with_slopes_op,
    _fake_with_slopes,
    _save_slopes,
    _pull_back_slopes,
    _by_batch(_with_slopes_op),
    _tangents_with_slopes,
)
_grad_values = differentiable(_grad_values_op, _fake_grad_values, _save_args, _push_forward)
_grad_rays = differentiable(_grad_rays_op, _fake_grad_rays, save_nothing, _refuse)
_grad_rays_from_slopes = differentiable(_grad_rays_from_slopes_op, _fake_grad_rays_from_slopes, save_nothing, _refuse)
