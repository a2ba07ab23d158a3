"""The compiled B-spline prefilter as an operator of torch, `torch.ops.deepdrr.prefilter`.

The filter is linear: its derivative is itself, and the adjoint is its transpose, which the same kernel applies.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from deepdrr._operators import differentiable, operator
from deepdrr.raycast._backends import engine_named, prefilter_engine
from deepdrr.raycast.layout._memory_order import copy_by_planes, empty_placed, memory_order, placed_strides

__all__ = ["compiled_prefilter"]

Spacing = Sequence[float]


def compiled_prefilter(values: Tensor, spacing: Spacing | None = None, engine: str | None = None) -> Tensor | None:
    """Coefficients [..., I, J, K], float32, differentiable to any order. Nothing else is allocated.

    Args:
        values: [..., I, J, K], any real dtype and strides.
        spacing: of values [C, I, J, K], mm, for coefficients that are `placed`; None for coefficients without gaps.
        engine: name of the engine; None for the first that can filter the values.

    Returns:
        The coefficients; None if no engine can filter the values.
    """
    if engine is None:
        able = prefilter_engine(values)
        if able is None:
            return None
        engine = able.name
    result: Tensor = _prefilter(values.float() if values.requires_grad else values, False, spacing, engine)
    return result


@operator("prefilter", "(Tensor values, bool transposed, float[]? spacing, str engine) -> Tensor")
def _prefilter_op(values: Tensor, transposed: bool, spacing: Spacing | None, engine: str) -> Tensor:
    if spacing is None:
        out = _room(values).copy_(values)
    else:
        out = empty_placed(values.shape, spacing, torch.float32, values.device)
        copy_by_planes(values, out)
    if out.numel() > 0:
        engine_named(engine).prefilter(out, transposed)
    return out


def _room(values: Tensor) -> Tensor:
    """An empty float32 tensor like values [..., I, J, K], without gaps, with I, J and K in the same memory order."""
    lead, order = values.shape[:-3], memory_order(values)
    room = values.new_empty((*lead, *(values.shape[axis - 3] for axis in order)), dtype=torch.float32)
    return room.permute(*range(len(lead)), *(len(lead) + order.index(axis) for axis in range(3)))


def _fake(values: Tensor, transposed: bool, spacing: Spacing | None, engine: str) -> Tensor:
    if spacing is None:
        return _room(values)
    strides = placed_strides(values.shape, spacing, torch.float32.itemsize)
    return values.new_empty_strided(values.shape, strides, dtype=torch.float32)


def _save(ctx: Any, inputs: tuple[Tensor, bool, Spacing | None, str], output: Tensor) -> None:
    _values, ctx.transposed, _spacing, ctx.engine = inputs


def _pull_back(ctx: Any, upstream: Tensor) -> tuple[Tensor, None, None, None]:
    return _prefilter(upstream, not ctx.transposed, None, ctx.engine), None, None, None


def _batched(
    info: Any,
    in_dims: tuple[int | None, ...],
    values: Tensor,
    transposed: bool,
    spacing: Spacing | None,
    engine: str,
) -> tuple[Tensor, int]:
    """A batch of grids is one more leading axis; its memory layout is unspecified."""
    return _prefilter_op(values.movedim(in_dims[0] or 0, 0), transposed, None, engine), 0


_prefilter = differentiable(_prefilter_op, _fake, _save, _pull_back, _batched)
