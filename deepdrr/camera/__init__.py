"""The one camera of deepdrr: projection of points and rays of pixels, and conversions to and from other conventions."""

from deepdrr.camera._angles import CArmParameters, carm_parameters, positioner_angles
from deepdrr.camera._camera import Camera

__all__ = ["CArmParameters", "Camera", "carm_parameters", "positioner_angles"]
