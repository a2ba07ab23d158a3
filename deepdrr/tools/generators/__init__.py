"""Parametric tools and implants: closed surfaces in their own frame, mm."""

from deepdrr.tools.generators._balls import PhantomKind, ball, calibration_phantom
from deepdrr.tools.generators._curves import centerline, tube_along
from deepdrr.tools.generators._drill import drill
from deepdrr.tools.generators._implants import NailHole, hip_stem, intramedullary_nail, plate
from deepdrr.tools.generators._screws import ISO_5835, bone_screw, pedicle_screw, screw
from deepdrr.tools.generators._shape import Shape
from deepdrr.tools.generators._thread import Thread
from deepdrr.tools.generators._wires import guide_wire, kirschner_wire, needle, rod

__all__ = [
    "ISO_5835",
    "NailHole",
    "PhantomKind",
    "Shape",
    "Thread",
    "ball",
    "bone_screw",
    "calibration_phantom",
    "centerline",
    "drill",
    "guide_wire",
    "hip_stem",
    "intramedullary_nail",
    "kirschner_wire",
    "needle",
    "pedicle_screw",
    "plate",
    "rod",
    "screw",
    "tube_along",
]
