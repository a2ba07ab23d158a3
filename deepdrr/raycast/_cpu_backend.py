"""The compiled backend: what it can serve, and how."""

import torch
from torch import Tensor

from deepdrr._kernels import reason_not_loaded
from deepdrr.raycast._operator import line_integrals
from deepdrr.raycast._request import Request
from deepdrr.raycast._routed_operator import routed_integrals

__all__ = ["CpuBackend"]

# Kernels count voxels in 32-bit integers.
_MAX_VOXELS = 2**31 - 1


class CpuBackend:
    """Compiled kernels over packets of rays: float32 sums of float64 chords, with first derivatives."""

    name = "cpu"

    def reason_against(self, request: Request | None = None) -> str | None:
        """Why the compiled kernels cannot serve here; None if they can."""
        missing = reason_not_loaded()
        if missing is not None or request is None:
            return missing
        field = request.field
        if field.device.type != "cpu":
            return f"the field is on {field.device}"
        if field.dtype == torch.float64:
            return "it computes in float32, and the values are float64"
        if field.shape[0] * field.shape[1] * field.shape[2] > _MAX_VOXELS:
            return f"a grid of {field.shape} has more than {_MAX_VOXELS} voxels"
        return _reason_against_gradient(request) or _reason_against_labels(request)

    def project(self, request: Request) -> Tensor:
        """Line integrals [..., C, H, W], float32."""
        return routed_integrals(request) if request.field.labels is not None else line_integrals(request)


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
