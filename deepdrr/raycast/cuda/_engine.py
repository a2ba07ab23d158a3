"""`CudaEngine`: the compiled kernels on NVIDIA GPUs and the requests they can serve."""

from collections.abc import Callable
from typing import NoReturn

import torch
from torch import Tensor

from deepdrr._cuda import reason_against_device
from deepdrr.raycast._engine import RayGrads, reason_against_kernels
from deepdrr.raycast._rays import RayEnds
from deepdrr.raycast._request import Request
from deepdrr.raycast.cuda._grad_rays import grad_rays
from deepdrr.raycast.cuda._grad_values import grad_values
from deepdrr.raycast.cuda._label_integrals import label_integrals
from deepdrr.raycast.cuda._line_integrals import line_integrals
from deepdrr.raycast.cuda._prefilter import prefilter

__all__ = ["CudaEngine"]


class CudaEngine:
    """One thread per ray: float32 sums along float64 chords, with first derivatives.

    Args:
        reason_against_device: why a device cannot be served; None if it can.
    """

    name = "cuda"
    own_autograd = False

    def __init__(self, reason_against_device: Callable[[torch.device], str | None] = reason_against_device) -> None:
        self._reason_against_device = reason_against_device

    def reason_against(self, request: Request | None = None) -> str | None:
        """Why the CUDA kernels cannot serve a request here; None if they can."""
        if request is None:
            return self._reason_against_device(torch.device("cuda"))
        return self._reason_against_device(request.field.device) or reason_against_kernels(request)

    def integrate(self, request: Request) -> Tensor:
        """Line integrals [..., C, H, W], float32."""
        return label_integrals(request) if request.field.labels is not None else line_integrals(request)

    def sums_slopes(self, request: Request) -> bool:
        """Always False: on a GPU, marching again costs less than the memory traffic of slopes."""
        return False

    def integrate_with_slopes(self, request: Request) -> NoReturn:
        """Never called, because `sums_slopes` is False."""
        raise NotImplementedError("the CUDA kernels sum up no slopes")

    def grad_values(self, upstream: Tensor, request: Request) -> Tensor:
        """The gradient with respect to the values [C, I, J, K], [1, I, J, K] with labels."""
        return grad_values(upstream, request)

    def grad_rays(self, upstream: Tensor, request: Request) -> RayGrads:
        """The gradients with respect to the rays and the placement."""
        return grad_rays(upstream, request)

    def grad_rays_from_slopes(
        self, upstream: Tensor, slopes: Tensor, shape: tuple[int, int, int], ijk_from_world: Tensor, rays: RayEnds
    ) -> NoReturn:
        """Never called, because `sums_slopes` is False."""
        raise NotImplementedError("the CUDA kernels sum up no slopes")

    def reason_against_prefilter(self, values: Tensor) -> str | None:
        """Why the kernels cannot filter these values; None if they can."""
        if values.dtype == torch.float64:
            return "it computes in float32, and the values are float64"
        return self._reason_against_device(values.device)

    def prefilter(self, grids: Tensor, transposed: bool) -> None:
        """Replace values [..., I, J, K] by their B-spline coefficients."""
        prefilter(grids, transposed)
