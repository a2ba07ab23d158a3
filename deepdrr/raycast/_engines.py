"""Which compiled kernels an operator's call goes to: those of the device that its tensors are on."""

import torch
from torch import Tensor

from deepdrr.raycast import _adjoint, _cpu, _cuda
from deepdrr.raycast._request import Request

__all__ = ["gradient_by_rays", "gradient_by_values", "integrate"]


def integrate(request: Request) -> Tensor:
    """Line integrals [..., C, H, W] of a request, float32, without gradients."""
    cuda = _on_cuda(request.field.device)
    return _cuda.integrate(request) if cuda else _cpu.integrate(request)


def gradient_by_values(upstream: Tensor, request: Request) -> Tensor:
    """The gradient by the values [C, I, J, K], float32."""
    cuda = _on_cuda(upstream.device)
    return _cuda.gradient_by_values(upstream, request) if cuda else _adjoint.gradient_by_values(upstream, request)


def gradient_by_rays(upstream: Tensor, request: Request) -> tuple[Tensor, ...]:
    """The gradients by source, target, start, stop and ijk_from_world, float64."""
    cuda = _on_cuda(upstream.device)
    return _cuda.gradient_by_rays(upstream, request) if cuda else _adjoint.gradient_by_rays(upstream, request)


def _on_cuda(device: torch.device) -> bool:
    return device.type == "cuda"
