"""`project`, the ray-integral operator, with its fields, rays, integration rules and backends."""

from typing import TYPE_CHECKING

from deepdrr._memory import available_memory, check_fits
from deepdrr._renamed import moved
from deepdrr.raycast._backends import Selection, backends, check_backend, select_backend
from deepdrr.raycast._engine import Backend, Engine
from deepdrr.raycast._field import MAX_LABELS, Field
from deepdrr.raycast._integration import Exact, Integration, Interpolation, Routing, Samples, Step
from deepdrr.raycast._project import project
from deepdrr.raycast._rays import Rays
from deepdrr.raycast._request import Request
from deepdrr.raycast.layout._kernel_layout import Storage, with_kernel_layout
from deepdrr.raycast.spline._prefilter import prefilter, spline_coefficients

__all__ = [
    "MAX_LABELS",
    "Backend",
    "Engine",
    "Exact",
    "Field",
    "Integration",
    "Interpolation",
    "Rays",
    "Request",
    "Routing",
    "Samples",
    "Selection",
    "Step",
    "Storage",
    "available_memory",
    "backends",
    "check_backend",
    "check_fits",
    "prefilter",
    "project",
    "select_backend",
    "spline_coefficients",
    "with_kernel_layout",
]

if TYPE_CHECKING:  # the old name, for one release
    arranged = with_kernel_layout

__getattr__ = moved(__name__, {"arranged": "deepdrr.raycast.with_kernel_layout"})
