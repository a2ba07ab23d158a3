"""The one camera of deepdrr: projection of points and rays of pixels, and conversions to and from other conventions.

`Camera` is the object; `make_k_inv`, `make_rt_inv` and what takes them are the same camera as bare tensors.
"""

from deepdrr.camera._angles import CArmParameters, carm_parameters, positioner_angles
from deepdrr.camera._camera import Camera
from deepdrr.camera._inverse_checks import check_inverse, check_together, checked_k_inv, checked_sdd
from deepdrr.camera._pinhole import invert_rt_inv, make_k_inv, make_rt_inv
from deepdrr.camera._pixels import pixel_centers, pixel_lines
from deepdrr.camera._points import project_points
from deepdrr.camera._resample import resample
from deepdrr.camera._slopes import ray_slopes

__all__ = [
    "CArmParameters",
    "Camera",
    "carm_parameters",
    "check_inverse",
    "check_together",
    "checked_k_inv",
    "checked_sdd",
    "invert_rt_inv",
    "make_k_inv",
    "make_rt_inv",
    "pixel_centers",
    "pixel_lines",
    "positioner_angles",
    "project_points",
    "ray_slopes",
    "resample",
]
