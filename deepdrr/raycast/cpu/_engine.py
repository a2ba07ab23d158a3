"""`CpuEngine`: the compiled CPU kernels and the requests they can serve."""

import torch
from torch import Tensor

from deepdrr._kernels import load_kernels, reason_not_loaded
from deepdrr.raycast._engine import RayGrads, reason_against_kernels
from deepdrr.raycast._rays import RayEnds
from deepdrr.raycast._request import Request
from deepdrr.raycast.cpu._grad_rays import grad_rays
from deepdrr.raycast.cpu._grad_values import grad_values, grad_values_with_labels
from deepdrr.raycast.cpu._label_integrals import label_integrals
from deepdrr.raycast.cpu._line_integrals import line_integrals
from deepdrr.raycast.cpu._prefilter import prefilter
from deepdrr.raycast.cpu._slopes import grad_rays_from_slopes, integrate_with_slopes, sums_slopes

__all__ = ["CpuEngine"]


class CpuEngine:
    """Compiled kernels for packets of rays: float32 sums along float64 chords, with first derivatives.

    Args:
        build: name of a build of the kernels; None for the one that DEEPDRR_CPU_ISA names, or else the fastest that
            runs here.
    """

    own_autograd = False

    def __init__(self, build: str | None = None) -> None:
        self.name = "cpu" if build is None else f"cpu-{build}"
        self.build = build

    def reason_against(self, request: Request | None = None) -> str | None:
        """Why the compiled kernels cannot serve a request here; None if they can."""
        missing = reason_not_loaded(self.build)
        if missing is not None or request is None:
            return missing
        if request.field.device.type != "cpu":
            return f"the field is on {request.field.device}"
        return reason_against_kernels(request)

    def integrate(self, request: Request) -> Tensor:
        """Line integrals [..., C, H, W], float32."""
        kernels = load_kernels(self.build)
        if request.field.labels is not None:
            return label_integrals(kernels, request)
        return line_integrals(kernels, request)

    def sums_slopes(self, request: Request) -> bool:
        """Whether `integrate_with_slopes` serves a request."""
        return sums_slopes(request)

    def integrate_with_slopes(self, request: Request) -> tuple[Tensor, Tensor]:
        """Integrals [..., 1, H, W] and slopes [..., 7 or 9, H, W]."""
        return integrate_with_slopes(load_kernels(self.build), request)

    def grad_values(self, upstream: Tensor, request: Request) -> Tensor:
        """The gradient with respect to the values [C, I, J, K], [1, I, J, K] with labels."""
        kernels = load_kernels(self.build)
        if request.field.labels is not None:
            return grad_values_with_labels(kernels, upstream, request)
        return grad_values(kernels, upstream, request)

    def grad_rays(self, upstream: Tensor, request: Request) -> RayGrads:
        """The gradients with respect to the rays and the placement."""
        return grad_rays(load_kernels(self.build), upstream, request)

    def grad_rays_from_slopes(
        self, upstream: Tensor, slopes: Tensor, shape: tuple[int, int, int], ijk_from_world: Tensor, rays: RayEnds
    ) -> RayGrads:
        """The same gradients from the slopes."""
        return grad_rays_from_slopes(load_kernels(self.build), upstream, slopes, shape, ijk_from_world, rays)

    def reason_against_prefilter(self, values: Tensor) -> str | None:
        """Why the kernels cannot filter these values; None if they can."""
        if values.device.type != "cpu":
            return f"the values are on {values.device}"
        if values.dtype == torch.float64:
            return "it computes in float32, and the values are float64"
        return reason_not_loaded(self.build)

    def prefilter(self, grids: Tensor, transposed: bool) -> None:
        """Replace values [..., I, J, K] by their B-spline coefficients."""
        prefilter(load_kernels(self.build), grids, transposed)
