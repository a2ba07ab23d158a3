"""The compiled backend: what it can serve, and how."""

from torch import Tensor

from deepdrr._kernels import reason_not_loaded
from deepdrr.raycast._engine import compiled_integrals, reason_against_kernels
from deepdrr.raycast._request import Request

__all__ = ["CpuBackend"]


class CpuBackend:
    """Compiled kernels over packets of rays: float32 sums of float64 chords, with first derivatives."""

    name = "cpu"

    def reason_against(self, request: Request | None = None) -> str | None:
        """Why the compiled kernels cannot serve here; None if they can."""
        missing = reason_not_loaded()
        if missing is not None or request is None:
            return missing
        if request.field.device.type != "cpu":
            return f"the field is on {request.field.device}"
        return reason_against_kernels(request)

    def project(self, request: Request) -> Tensor:
        """Line integrals [..., C, H, W], float32."""
        return compiled_integrals(request)
