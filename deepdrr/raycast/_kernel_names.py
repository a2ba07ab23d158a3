"""Names of the compiled kernels that serve requests, the same on every processor."""

from typing import Literal

from deepdrr.raycast._integration import Exact
from deepdrr.raycast._request import Request

__all__ = ["Task", "kernel_name"]

# What a kernel computes in addition to the integrals or instead of them, as part of its name.
Task = Literal["", "_with_slopes", "_grad_values", "_grad_rays"]


def kernel_name(request: Request, task: Task = "") -> str:
    """Name of the kernel that computes the integrals of a request, or a gradient of them.

    Hard-routed path lengths use the kernel of nearest interpolation.
    """
    rule = "exact" if isinstance(request.integration, Exact) else "step"
    field = request.field
    if field.labels is None:
        return f"{rule}_{request.interpolation}{task}"
    constant = request.interpolation == "nearest" or (field.values is None and request.routing == "hard")
    routed = "nearest_hard" if constant and not task else f"linear_{request.routing}"
    return f"{rule}_{routed}{task}"
