"""`with_kernel_layout`: a field in the memory layout that the compiled kernels read fastest."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, TypeVar, get_args

import torch
from torch import Tensor

from deepdrr.geometry import finest_dtype
from deepdrr.raycast._field import Field, Voxels
from deepdrr.raycast.layout._arrangement import Arrangement
from deepdrr.raycast.layout._memory_order import (
    empty_placed,
    lie_alike,
    lies_well,
    ordered,
    placed,
    readable_in_place,
    rows_are_dense,
)

__all__ = ["Storage", "laid_out", "readable_with_labels", "with_kernel_layout", "without_values"]

Storage = Literal["float32", "int16"]
Spacing = Sequence[float]
Grid = TypeVar("Grid", bound=Voxels)

_MOST = 32767


def with_kernel_layout(field: Field, storage: Storage = "float32") -> Field:
    """The same field in the layout that the compiled kernels read fastest.

    Each channel becomes a grid with the axis of the finest spacing fastest in memory; labels become uint8 in the same
    order as the values. Without this layout, `project` reads float32 and int16 in place but slowly, and copies any
    other field on every call: make the copy once for many views. If many blocks of the channels are zero, the layout
    also maps the occupied blocks, and the kernels skip the others. Nothing is cached; change the values and call again.

    int16 values take half the memory and are faster to read. The layout stores them twice, in as much memory as float32
    takes: the second copy has another axis fastest, for views whose detector has an edge along that axis. A channel of
    whole numbers within ±32767 (a CT in HU) is stored unchanged. Any other is stored in steps of max |v| / 32767, its
    `scale`: the error of a value is then at most half a step, 1.6e-5 of the largest. int16 serves nearest and linear
    interpolation and the gradients with respect to the rays; the rest of `project` makes a float32 copy on every call.

    Once torch has written to the values, `project` ignores what the layout keeps beside them. It cannot notice writes
    through `Tensor.numpy`: call again.

    Args:
        field: any field whose values require no gradient. int16 needs a field with values that are not spline
            coefficients.
        storage: ``"float32"`` or ``"int16"``.

    Returns:
        An equivalent field; `field` itself if it already has that layout.

    Raises:
        ValueError: if the values require a gradient, which would not reach them through a copy, or if int16 cannot
            store the field.

    Example:
        >>> hu = torch.tensor([-1000.0, 0.0, 350.0, 3071.0]).reshape(1, 1, 1, 4)
        >>> field = with_kernel_layout(Field(hu, torch.eye(4, dtype=torch.float64)), "int16")
        >>> field.values.flatten().tolist(), field.scale.tolist()
        ([-1000, 0, 350, 3071], [1.0])
    """
    if storage not in get_args(Storage):
        raise ValueError(f"storage must be 'float32' or 'int16', got {storage!r}")
    if torch.is_grad_enabled() and field.values is not None and field.values.requires_grad:
        raise ValueError("field.values must not require a gradient to be laid out: the copy would cut it off")
    if storage == "int16" and (field.values is None or field.prefiltered):
        what = "spline coefficients" if field.prefiltered else "no values"
        raise ValueError(f"storage must be 'float32' for a field with {what}, got 'int16'")
    return laid_out(field, storage)


def laid_out(field: Grid, storage: Storage = "float32") -> Grid:
    """`with_kernel_layout` for a checked field or voxels, without gradients."""
    spacing = field.spacing_mm
    values, scale = _integers(field, spacing) if storage == "int16" else (_floats(field, spacing), None)
    labels = _bytes(field.labels, values, spacing)
    arrangement = _arrangement(field, values) if labels is None else None
    if values is field.values and labels is field.labels and arrangement is field.arrangement:
        return field
    return replace(field, values=values, labels=labels, scale=scale, arrangement=arrangement)


def _arrangement(field: Voxels, values: Tensor | None) -> Arrangement | None:
    """The arrangement beside the values; None for spline coefficients and for values that are all one number."""
    kept = field.arrangement
    if values is None or values.device.type != "cpu" or field.prefiltered:
        return None
    if field.values is not None and not any(field.values.stride()):
        return None
    if kept is not None and kept.serves(values):
        return kept
    return Arrangement.made(values)


def readable_with_labels(field: Voxels) -> Voxels:
    """A field with labels that the kernels can read, copied only if they cannot read it in place."""
    labels, values = field.labels, field.values
    assert labels is not None  # the field has labels
    in_place = labels.dtype == torch.uint8 and rows_are_dense(labels)
    if in_place and values is not None:
        in_place = readable_in_place(values) and lie_alike(labels, values)
    return field if in_place else laid_out(field)


def without_values(field: Voxels) -> Voxels:
    """The labels of a field alone, in a form that the kernels can read."""
    return readable_with_labels(Voxels(None, field.ijk_from_world, field.labels, field.label_count))


def _floats(field: Voxels, spacing: Spacing) -> Tensor | None:
    values = field.values
    if values is None:
        return None
    if values.dtype == torch.float32 and lies_well(values, spacing):
        floats = values
    else:
        floats = placed(values, spacing, torch.float32)
    if field.scale is not None:  # then the values are a copy already
        floats *= field.scale.to(floats)[:, None, None, None]
    return floats


def _bytes(labels: Tensor | None, values: Tensor | None, spacing: Spacing) -> Tensor | None:
    """The labels as uint8, in the order of the values if there are any."""
    if labels is None or values is None:
        return labels if labels is None else ordered(labels, torch.uint8, spacing)
    if labels.dtype == torch.uint8 and lie_alike(labels, values):
        return labels
    shape, strides = values.shape[1:], values.stride()[1:]
    numbers = 1 + sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True))
    return torch.zeros(numbers, dtype=torch.uint8, device=labels.device).as_strided(shape, strides).copy_(labels)


def _integers(field: Voxels, spacing: Spacing) -> tuple[Tensor, Tensor | None]:
    values = field.values
    assert values is not None  # it was checked
    if values.dtype == torch.int16:
        return values if lies_well(values, spacing) else placed(values, spacing, torch.int16), field.scale
    steps = [_step(channel) for channel in values.detach()]
    integers = empty_placed(values.shape, spacing, torch.int16, values.device)
    for channel, into, step in zip(values.detach(), integers, steps, strict=True):
        for plane, plane_into in zip(channel, into, strict=True):  # one by one: no second copy of the volume
            plane_into.copy_((plane.to(finest_dtype(plane.device)) / step).round_())
    return integers, torch.tensor(steps, dtype=finest_dtype(field.device), device=field.device)


def _step(channel: Tensor) -> float:
    """The value of one unit of int16 in a channel [I, J, K]."""
    low, high = (float(end) for end in torch.aminmax(channel))
    most = max(-low, high)
    if not most < torch.inf:
        raise ValueError(f"field.values must be finite to be stored as int16, got {low} to {high}")
    whole = not channel.is_floating_point() or bool((channel == channel.round()).all())
    return 1.0 if most == 0 or (whole and most <= _MOST) else most / _MOST
