"""The CUDA backend: the compiled kernels on NVIDIA GPUs, and what they can serve."""

import torch
from torch import Tensor

from deepdrr._cuda import reason_against_cuda, reason_against_device
from deepdrr.raycast._operator import line_integrals
from deepdrr.raycast._request import Request

__all__ = ["CudaBackend"]

# Kernels count voxels in 32-bit integers.
_MAX_VOXELS = 2**31 - 1


class CudaBackend:
    """One thread per ray: float32 sums of float64 chords, with first derivatives."""

    name = "cuda"

    def reason_against(self, request: Request | None = None) -> str | None:
        """Why the CUDA kernels cannot serve here; None if they can."""
        if request is None:
            return reason_against_cuda()
        return reason_against_device(request.field.device) or _reason_against(request)

    def project(self, request: Request) -> Tensor:
        """Line integrals [..., C, H, W], float32."""
        return line_integrals(request)


def _reason_against(request: Request) -> str | None:
    field = request.field
    if field.labels is not None:
        return "it does not route by label yet"
    if field.dtype == torch.float64:
        return "it computes in float32, and the values are float64"
    if field.shape[0] * field.shape[1] * field.shape[2] > _MAX_VOXELS:
        return f"a grid of {field.shape} has more than {_MAX_VOXELS} voxels"
    if request.needs_grad and request.interpolation == "nearest":
        return "it has no gradients of nearest interpolation"
    return None
