"""The one camera of deepdrr: projection of points and rays of pixels, and conversions to and from other conventions."""

from deepdrr.camera._angles import positioner_angles
from deepdrr.camera._camera import Camera

__all__ = ["Camera", "positioner_angles"]
