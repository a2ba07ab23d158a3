"""`Request`: one call of `project` as the backends see it."""

from dataclasses import dataclass

import torch

from deepdrr.raycast._field import Voxels
from deepdrr.raycast._integration import MOST_SAMPLES, Exact, Integration, Interpolation, Routing, Step
from deepdrr.raycast._rays import CameraRays, RayEnds

__all__ = ["Request", "check_one_device", "check_request"]


@dataclass(frozen=True, eq=False)
class Request:
    """What to integrate, along which rays, and how. `select_backend` checks that the parts fit together.

    Attributes:
        field: a `Field`, or voxels made from one.
        rays: `Rays`, or the rays of a camera.
        interpolation: ``"nearest"``, ``"linear"`` or ``"cubic"``.
        integration: `Exact()`, `Step(mm=…)` or `Samples(count=…)`.
        routing: ``"hard"`` or ``"soft"``, for a field with labels.
    """

    field: Voxels
    rays: RayEnds | CameraRays
    interpolation: Interpolation
    integration: Integration
    routing: Routing = "hard"

    @property
    def needs_grad(self) -> bool:
        """Whether autograd will need a derivative of the result."""
        return torch.is_grad_enabled() and (self.field.requires_grad or self.rays.requires_grad)

    @property
    def needs_grad_rays(self) -> bool:
        """Whether autograd will need a derivative with respect to the rays or the placement."""
        moves = self.rays.requires_grad or self.field.ijk_from_world.requires_grad
        return torch.is_grad_enabled() and moves

    @property
    def output_shape(self) -> tuple[int, ...]:
        """[..., C, H, W]."""
        *batch, height, width = self.rays.shape
        return (*batch, self.field.channels, height, width)


def check_one_device(field: Voxels, device: torch.device) -> None:
    """Check that the rays are on the device of the field."""
    if field.device != device:
        raise ValueError(f"field and rays must be on one device, got {field.device} and {device}")


def check_request(request: Request) -> None:
    """Check that field, rays and rule fit together, before any work is done."""
    field, interpolation, integration = request.field, request.interpolation, request.integration
    check_one_device(field, request.rays.device)
    if interpolation == "cubic" and isinstance(integration, Exact):
        raise ValueError(f"integration must be Step or Samples for interpolation 'cubic', got {integration}")
    if field.values is not None and field.prefiltered != (interpolation == "cubic"):
        raise ValueError(
            f"interpolation must be 'cubic' for a field of spline coefficients, and for no other, "
            f"got {interpolation!r} and prefiltered={field.prefiltered}"
        )
    _check_routing(request)
    _check_step(field, integration)


def _check_routing(request: Request) -> None:
    if request.routing == "soft" and request.field.labels is None:
        raise ValueError("routing must be 'hard' for a field without labels, got 'soft'")
    if request.routing == "soft" and request.interpolation == "cubic":
        raise ValueError(
            "routing must be 'hard' for interpolation 'cubic', got 'soft': a spline's coefficients are shares of "
            "no voxel"
        )


def _check_step(field: Voxels, integration: Integration) -> None:
    if not isinstance(integration, Step):
        return
    finest = field.longest_chord_mm / MOST_SAMPLES
    if integration.mm < finest:
        raise ValueError(
            f"Step.mm must be at least {finest:.3g} mm for this field ({MOST_SAMPLES} samples on its longest "
            f"ray), got {integration.mm}"
        )
