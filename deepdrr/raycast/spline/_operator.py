"""The compiled B-spline prefilter as an operator of torch, `torch.ops.deepdrr.prefilter`.

The filter is linear: its derivative is itself, and the adjoint is its transpose, which the same kernel applies.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from deepdrr._kernels import load_kernels, reason_not_loaded
from deepdrr.raycast.layout._memory_order import copy_by_planes, empty_placed, memory_order, placed_strides
from deepdrr.raycast.cuda._prefilter import cuda_prefilter, cuda_serves

__all__ = ["compiled_prefilter", "has_compiled_prefilter"]

Spacing = Sequence[float]


def has_compiled_prefilter(values: Tensor) -> bool:
    """Whether a kernel can filter these values: they keep float32, on the CPU or an NVIDIA GPU."""
    if cuda_serves(values):
        return True
    return values.device.type == "cpu" and values.dtype != torch.float64 and reason_not_loaded() is None


def compiled_prefilter(values: Tensor, spacing: Spacing | None = None) -> Tensor:
    """Coefficients [..., I, J, K], float32, differentiable to any order. Nothing beside them is allocated.

    Args:
        values: [..., I, J, K], any real dtype and strides.
        spacing: of values [C, I, J, K], mm, for coefficients that are `placed`; None for coefficients without gaps.
    """
    if values.requires_grad:
        values = values.float()
    arguments = (values, False, spacing)
    result: Tensor = _prefilter(*arguments) if torch.compiler.is_compiling() else _apply(*arguments)
    return result


@torch.library.custom_op(
    "deepdrr::prefilter", mutates_args=(), schema="(Tensor values, bool transposed, float[]? spacing) -> Tensor"
)
def _prefilter(values: Tensor, transposed: bool, spacing: Spacing | None) -> Tensor:
    if spacing is None:
        out = _room(values).copy_(values)
    else:
        out = empty_placed(values.shape, spacing, torch.float32, values.device)
        copy_by_planes(values, out)
    if out.numel() > 0 and cuda_serves(out):
        cuda_prefilter(out, transposed)
    elif out.numel() > 0:
        order = memory_order(out)
        grids = out.permute(*range(out.dim() - 3), *(axis - 3 for axis in order))
        array = grids.reshape(-1, *grids.shape[-3:])
        load_kernels().prefilter(array.numpy(), transposed, torch.get_num_threads())
    return out


def _room(values: Tensor) -> Tensor:
    """Empty float32 of the shape of values [..., I, J, K], without gaps, I, J and K in the same order in memory."""
    lead, order = values.shape[:-3], memory_order(values)
    room = values.new_empty((*lead, *(values.shape[axis - 3] for axis in order)), dtype=torch.float32)
    return room.permute(*range(len(lead)), *(len(lead) + order.index(axis) for axis in range(3)))


def _empty(values: Tensor, transposed: bool, spacing: Spacing | None) -> Tensor:
    if spacing is None:
        return _room(values)
    strides = placed_strides(values.shape, spacing, torch.float32.itemsize)
    return values.new_empty_strided(values.shape, strides, dtype=torch.float32)


def _apply(values: Tensor, transposed: bool, spacing: Spacing | None) -> Any:
    return _Prefilter.apply(values, transposed, spacing)  # type: ignore[no-untyped-call]


def _save(ctx: Any, inputs: tuple[Tensor, bool, Spacing | None], output: Tensor) -> None:
    ctx.transposed = inputs[1]


def _pull_back(ctx: Any, upstream: Tensor) -> tuple[Tensor, None, None]:
    return _apply(upstream, not ctx.transposed, None), None, None


class _Prefilter(Function):
    generate_vmap_rule = True
    forward = staticmethod(_prefilter)
    setup_context = staticmethod(_save)
    backward = staticmethod(_pull_back)


def _batched(
    info: Any, in_dims: tuple[int | None, ...], values: Tensor, transposed: bool, spacing: Spacing | None
) -> tuple[Tensor, int]:
    """More grids are one more leading axis; their arrangement is not promised."""
    return _prefilter(values.movedim(in_dims[0] or 0, 0), transposed, None), 0


_prefilter.register_fake(_empty)
_prefilter.register_autograd(_pull_back, setup_context=_save)
_prefilter.register_vmap(_batched)
