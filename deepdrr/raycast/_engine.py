"""What the compiled kernels of every backend serve, and what they leave to the reference."""

import torch
from torch import Tensor

from deepdrr.raycast._label_operator import routed_integrals
from deepdrr.raycast._operator import line_integrals
from deepdrr.raycast._request import Request

__all__ = ["compiled_integrals", "reason_against_kernels"]

# Kernels count voxels in 32-bit integers.
_MAX_VOXELS = 2**31 - 1


def compiled_integrals(request: Request) -> Tensor:
    """Line integrals [..., C, H, W], float32, of a request that nothing speaks against."""
    return routed_integrals(request) if request.field.labels is not None else line_integrals(request)


def reason_against_kernels(request: Request) -> str | None:
    """Why the compiled kernels cannot serve a request, wherever they run; None if they can."""
    field = request.field
    if field.dtype == torch.float64:
        return "it computes in float32, and the values are float64"
    if field.shape[0] * field.shape[1] * field.shape[2] > _MAX_VOXELS:
        return f"a grid of {field.shape} has more than {_MAX_VOXELS} voxels"
    return _reason_against_gradient(request) or _reason_against_labels(request)


def _reason_against_gradient(request: Request) -> str | None:
    if not request.needs_grad:
        return None
    by_rays = request.rays.requires_grad or request.field.ijk_from_world.requires_grad
    if request.interpolation == "nearest" and by_rays:
        return "it has no gradients of nearest interpolation by the rays"
    if request.interpolation == "nearest" and request.field.labels is not None:
        return "it has no gradients of nearest interpolation with labels"
    if request.field.labels is not None and request.field.values is None and request.routing == "hard":
        return "it has no gradients of path lengths that are routed hard"
    return None


def _reason_against_labels(request: Request) -> str | None:
    routed = request.field.labels is not None and request.field.values is not None
    return "it routes no cubic interpolation by label" if routed and request.interpolation == "cubic" else None
