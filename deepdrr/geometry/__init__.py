"""Frames, points and rigid transforms. Lengths are millimetres; a transform is named `a_from_b`.

The anatomical frame is RAS: x to the patient's right, y anterior, z superior, as in NIfTI.
The world is the room: y up, z toward the head end of the table, right-handed. A patient lying head first and supine
has the anatomical axes along the world's.
"""

from deepdrr.geometry._affine import (
    RAS_FROM_LPS,
    check_affine,
    check_rigid,
    invert_rigid,
    rigid,
    rotation,
    rotation_about,
    translation,
)
from deepdrr.geometry._carm import beam_angles, carm_angles, carm_direction, world_from_carm
from deepdrr.geometry._points import (
    ArrayLike,
    as_point,
    point,
    transform_directions,
    transform_points,
    vector,
)
from deepdrr.geometry._precision import finest_dtype, full_precision, in_double, not_halved, single_or_double
from deepdrr.geometry._rotations import Parameterization, quaternion_adjugate_to_quaternion, rotation_to_matrix
from deepdrr.geometry._se3 import convert, make_se3, se3_exp_map, se3_log_map, transform_point

__all__ = [
    "RAS_FROM_LPS",
    "ArrayLike",
    "Parameterization",
    "as_point",
    "beam_angles",
    "carm_angles",
    "carm_direction",
    "check_affine",
    "check_rigid",
    "convert",
    "finest_dtype",
    "full_precision",
    "in_double",
    "invert_rigid",
    "make_se3",
    "not_halved",
    "point",
    "quaternion_adjugate_to_quaternion",
    "rigid",
    "rotation",
    "rotation_about",
    "rotation_to_matrix",
    "se3_exp_map",
    "se3_log_map",
    "single_or_double",
    "transform_directions",
    "transform_point",
    "transform_points",
    "translation",
    "vector",
    "world_from_carm",
]
