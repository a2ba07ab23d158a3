"""Calls of the compiled kernels that route an integral to one channel per label."""

import torch
from torch import Tensor

from deepdrr._kernels import load_kernels
from deepdrr.raycast._arranged import arranged
from deepdrr.raycast._cpu import flat_rays
from deepdrr.raycast._field import Field
from deepdrr.raycast._integration import Exact, number_of
from deepdrr.raycast._layout import lie_alike, memory_order, readable_in_place, rows_are_dense
from deepdrr.raycast._request import Request

__all__ = ["integrate_routed", "labelled", "readable_labels", "rule_of"]


def integrate_routed(request: Request) -> Tensor:
    """Line integrals [..., L, H, W] of a request with labels, float32, without gradients."""
    field, shape = readable_labels(request.field), request.rays.shape
    out = torch.empty(shape[:-2].numel(), field.channels, *shape[-2:], dtype=torch.float32)
    if out.numel() > 0:
        kernel = getattr(load_kernels(), rule_of(request))
        rays = [ends.numpy() for ends in flat_rays(request)]
        kernel(*labelled(field), *rays, number_of(request.integration), out.numpy(), torch.get_num_threads())
    return out.reshape(request.output_shape)


def rule_of(request: Request) -> str:
    """The kernel that serves a request. Path lengths routed hard are those of nearest interpolation."""
    rule = "exact" if isinstance(request.integration, Exact) else "step"
    constant = request.interpolation == "nearest" or (request.field.values is None and request.routing == "hard")
    return f"{rule}_nearest_hard" if constant else f"{rule}_linear_{request.routing}"


def readable_labels(field: Field) -> Field:
    """A field that the kernels can read, copied only where they cannot read it where it is."""
    return field if _readable(field.values, field.labels) else arranged(field)


def _readable(values: Tensor | None, labels: Tensor | None) -> bool:
    """Whether the labels are bytes with dense rows, and the values lie as they do."""
    assert labels is not None  # those who call have seen them
    if labels.dtype != torch.uint8 or not rows_are_dense(labels):
        return False
    return values is None or (readable_in_place(values) and lie_alike(labels, values))


def labelled(field: Field) -> tuple[object, object, object, object]:
    """Labels [a, b, c], values [1, a, b, c] or none, both without a copy, their scale [1] and abc_from_world [4, 4].

    The axes a, b, c are I, J, K in their `memory_order`.
    """
    assert field.labels is not None  # those who call have seen them
    order = memory_order(field.labels)
    values = torch.empty(0) if field.values is None else field.values.detach().permute(0, *(1 + a for a in order))
    matrix = field.ijk_from_world.detach().double()[[*order, 3]].contiguous()
    scale = torch.ones(1, dtype=torch.float64) if field.scale is None else field.scale.double()
    return field.labels.permute(order).numpy(), values.numpy(), scale.numpy(), matrix.numpy()
