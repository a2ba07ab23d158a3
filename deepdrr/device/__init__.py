"""X-ray devices: a C-arm with joints, a free device, named views and trajectories; each gives a `Camera`."""

from deepdrr.device._geometry import GEOMETRIES, CArmGeometry, geometry
from deepdrr.device._limits import JointLimits
from deepdrr.device._mobile_carm import MobileCArm
from deepdrr.device._pose import CArmPose
from deepdrr.device._simple_device import SimpleDevice
from deepdrr.device._trajectories import cameras, jitter, jitter_camera, orbit, sweep
from deepdrr.device._views import VIEWS, View, camera_for_view, view

__all__ = [
    "GEOMETRIES",
    "VIEWS",
    "CArmGeometry",
    "CArmPose",
    "JointLimits",
    "MobileCArm",
    "SimpleDevice",
    "View",
    "camera_for_view",
    "cameras",
    "geometry",
    "jitter",
    "jitter_camera",
    "orbit",
    "sweep",
    "view",
]
