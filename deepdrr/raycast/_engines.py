"""Which compiled kernels an operator's call goes to: those of the device that its tensors are on."""

import torch
from torch import Tensor

from deepdrr.raycast._request import Request
from deepdrr.raycast.cpu import _grad_rays as cpu_adjoint
from deepdrr.raycast.cpu import _label_integrals as cpu_labels
from deepdrr.raycast.cpu import _line_integrals as cpu
from deepdrr.raycast.cuda import _line_integrals as on_cuda

__all__ = [
    "gradient_by_rays",
    "gradient_by_values",
    "integrate",
    "integrate_routed",
    "routed_by_rays",
    "routed_by_values",
]


def integrate(request: Request) -> Tensor:
    """Line integrals [..., C, H, W] of a request, float32, without gradients."""
    cuda = _on_cuda(request.field.device)
    return on_cuda.integrate(request) if cuda else cpu.integrate(request)


def gradient_by_values(upstream: Tensor, request: Request) -> Tensor:
    """The gradient by the values [C, I, J, K], float32."""
    cuda = _on_cuda(upstream.device)
    return on_cuda.gradient_by_values(upstream, request) if cuda else cpu_adjoint.gradient_by_values(upstream, request)


def gradient_by_rays(upstream: Tensor, request: Request) -> tuple[Tensor, ...]:
    """The gradients by source, target, start, stop and ijk_from_world, float64."""
    cuda = _on_cuda(upstream.device)
    return on_cuda.gradient_by_rays(upstream, request) if cuda else cpu_adjoint.gradient_by_rays(upstream, request)


def integrate_routed(request: Request) -> Tensor:
    """Line integrals [..., L, H, W] of a request with labels, float32, without gradients."""
    cuda = _on_cuda(request.field.device)
    return on_cuda.integrate_routed(request) if cuda else cpu_labels.integrate_routed(request)


def routed_by_values(upstream: Tensor, request: Request) -> Tensor:
    """The gradient by the values [1, I, J, K] of a request with labels, float32."""
    cuda = _on_cuda(upstream.device)
    return on_cuda.gradient_by_values(upstream, request) if cuda else cpu_labels.routed_by_values(upstream, request)


def routed_by_rays(upstream: Tensor, request: Request) -> tuple[Tensor, ...]:
    """The gradients by source, target, start, stop and ijk_from_world of a request with labels, float64."""
    cuda = _on_cuda(upstream.device)
    return on_cuda.gradient_by_rays(upstream, request) if cuda else cpu_labels.routed_by_rays(upstream, request)


def _on_cuda(device: torch.device) -> bool:
    return device.type == "cuda"
