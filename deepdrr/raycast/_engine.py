"""`Backend`: the protocol that `project` needs; `Engine`: that of the compiled kernels of one kind of processor."""

from typing import Protocol

import torch
from torch import Tensor

from deepdrr.raycast._rays import RayEnds
from deepdrr.raycast._request import Request

__all__ = ["Backend", "Engine", "RayGrads", "reason_against_kernels"]

# Kernels count voxels in 32-bit integers.
_MAX_VOXELS = 2**31 - 1

# Gradients with respect to source and target [..., H, W, 3], start and stop [..., H, W] (empty for rays without limits)
# and ijk_from_world [4, 4], float64.
RayGrads = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]


class Backend(Protocol):
    """A way to compute `project`.

    Attributes:
        name: name by which users select it.
        own_autograd: whether autograd can differentiate `integrate`; it cannot for an `Engine`.
    """

    name: str
    own_autograd: bool

    def reason_against(self, request: Request | None = None) -> str | None:
        """Why this backend cannot serve a request here (None: cannot serve any); None if it can."""

    def integrate(self, request: Request) -> Tensor:
        """Line integrals [..., C, H, W]; called only if `reason_against` returns None."""


class Engine(Backend, Protocol):
    """Compiled kernels: integrals and their adjoints in float32 sums, invisible to autograd.

    `deepdrr.raycast._operator` makes them operators of torch. With labels, C is the number of labels.
    """

    def sums_slopes(self, request: Request) -> bool:
        """Whether `integrate_with_slopes` serves a request."""

    def integrate_with_slopes(self, request: Request) -> tuple[Tensor, Tensor]:
        """Integrals [..., 1, H, W], and the slopes [..., S, H, W] that `grad_rays_from_slopes` needs."""

    def grad_values(self, upstream: Tensor, request: Request) -> Tensor:
        """The gradient with respect to the values [C, I, J, K] ([1, I, J, K] with labels), for any values."""

    def grad_rays(self, upstream: Tensor, request: Request) -> RayGrads:
        """The gradients with respect to the rays and the placement."""

    def grad_rays_from_slopes(
        self, upstream: Tensor, slopes: Tensor, shape: tuple[int, int, int], ijk_from_world: Tensor, rays: RayEnds
    ) -> RayGrads:
        """The same gradients from the slopes [..., S, H, W] of integrals over a grid of `shape` voxels."""

    def reason_against_prefilter(self, values: Tensor) -> str | None:
        """Why this engine cannot filter values [..., I, J, K]; None if it can."""

    def prefilter(self, grids: Tensor, transposed: bool) -> None:
        """Replace values [..., I, J, K], float32 and dense along one of I, J and K, by their B-spline coefficients."""


def reason_against_kernels(request: Request) -> str | None:
    """Why the compiled kernels cannot serve a request on any device; None if they can."""
    field = request.field
    if field.dtype == torch.float64:
        return "it computes in float32, and the values are float64"
    if field.shape[0] * field.shape[1] * field.shape[2] > _MAX_VOXELS:
        return f"a grid of {field.shape} has more than {_MAX_VOXELS} voxels"
    return _reason_against_gradient(request) or _reason_against_labels(request)


def _reason_against_gradient(request: Request) -> str | None:
    if not request.needs_grad:
        return None
    if request.interpolation == "nearest" and request.needs_grad_rays:
        return "it has no gradients of nearest interpolation with respect to the rays"
    if request.interpolation == "nearest" and request.field.labels is not None:
        return "it has no gradients of nearest interpolation with labels"
    if request.field.labels is not None and request.field.values is None and request.routing == "hard":
        return "it has no gradients of path lengths that are routed hard"
    return None


def _reason_against_labels(request: Request) -> str | None:
    routed = request.field.labels is not None and request.field.values is not None
    return "it routes no cubic interpolation by label" if routed and request.interpolation == "cubic" else None
