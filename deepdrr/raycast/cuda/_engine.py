"""The CUDA backend: the compiled kernels on NVIDIA GPUs, and what they can serve."""

import torch
from torch import Tensor

from deepdrr._cuda import reason_against_cuda, reason_against_device
from deepdrr.raycast._engine import compiled_integrals, reason_against_kernels
from deepdrr.raycast._request import Request

__all__ = ["CudaBackend"]


class CudaBackend:
    """One thread per ray: float32 sums of float64 chords, with first derivatives."""

    name = "cuda"

    def reason_against(self, request: Request | None = None) -> str | None:
        """Why the CUDA kernels cannot serve here; None if they can."""
        if request is None:
            return reason_against_cuda() or reason_against_device(torch.device("cuda"))
        return reason_against_device(request.field.device) or reason_against_kernels(request)

    def project(self, request: Request) -> Tensor:
        """Line integrals [..., C, H, W], float32."""
        return compiled_integrals(request)
