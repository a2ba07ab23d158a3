"""`Request`: one call of `project`, as the backends see it."""

from dataclasses import dataclass

import torch

from deepdrr.raycast._field import Field
from deepdrr.raycast._integration import MOST_SAMPLES, Exact, Integration, Interpolation, Routing, Step
from deepdrr.raycast._rays import PixelRays, Rays

__all__ = ["Request", "check_one_device"]


def check_one_device(field: Field, device: torch.device) -> None:
    """Check that rays are where the field is."""
    if field.device != device:
        raise ValueError(f"field and rays must be on one device, got {field.device} and {device}")


@dataclass(frozen=True, eq=False)
class Request:
    """What to integrate, along which rays, and how; checked, before any work is done."""

    field: Field
    rays: Rays | PixelRays
    interpolation: Interpolation
    integration: Integration
    routing: Routing = "hard"

    def __post_init__(self) -> None:
        check_one_device(self.field, self.rays.device)
        if self.interpolation == "cubic" and isinstance(self.integration, Exact):
            raise ValueError(f"integration must be Step or Samples for interpolation 'cubic', got {self.integration}")
        if self.field.values is not None and self.field.prefiltered != (self.interpolation == "cubic"):
            raise ValueError(
                f"interpolation must be 'cubic' for a field of spline coefficients, and for no other, "
                f"got {self.interpolation!r} and prefiltered={self.field.prefiltered}"
            )
        if self.routing == "soft" and self.field.labels is None:
            raise ValueError("routing must be 'hard' for a field without labels, got 'soft'")
        if self.routing == "soft" and self.interpolation == "cubic":
            raise ValueError(
                "routing must be 'hard' for interpolation 'cubic', got 'soft': a spline's coefficients are shares of "
                "no voxel"
            )
        finest = self.field.longest_chord_mm / MOST_SAMPLES
        if isinstance(self.integration, Step) and self.integration.mm < finest:
            raise ValueError(
                f"Step.mm must be at least {finest:.3g} mm for this field ({MOST_SAMPLES} samples on its longest "
                f"ray), got {self.integration.mm}"
            )

    @property
    def needs_grad(self) -> bool:
        """Whether autograd will want a derivative of the result."""
        return torch.is_grad_enabled() and (self.field.requires_grad or self.rays.requires_grad)

    @property
    def output_shape(self) -> tuple[int, ...]:
        """[..., C, H, W]."""
        *batch, height, width = self.rays.shape
        return (*batch, self.field.channels, height, width)
