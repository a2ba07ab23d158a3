"""The image chain from a scene to a radiograph: `Scene`, `Technique`, `expose`, `Radiograph` and `Projector`."""

from deepdrr._renamed import moved
from deepdrr.projector._clearance import check_clearance, clear_camera, reason_inside
from deepdrr.projector._expose import expose
from deepdrr.projector._exposure_control import automatic_exposure
from deepdrr.projector._files import DicomFields, radiograph_metadata
from deepdrr.projector._labels import LabelSelection
from deepdrr.projector._outputs import OUTPUTS, Output, OutputName, outputs_table
from deepdrr.projector._projector import Positioned, Projector
from deepdrr.projector._radiograph import Radiograph
from deepdrr.projector._scene import Body, Overlap, Scene
from deepdrr.projector._technique import DEFAULT_EXPOSURE, SCATTER_MODELS, BeamFields, Technique, TechniqueFields
from deepdrr.projector.scene_file import read_scene, write_scene

__all__ = [
    "DEFAULT_EXPOSURE",
    "OUTPUTS",
    "SCATTER_MODELS",
    "BeamFields",
    "Body",
    "DicomFields",
    "LabelSelection",
    "Output",
    "OutputName",
    "Overlap",
    "Positioned",
    "Projector",
    "Radiograph",
    "Scene",
    "Technique",
    "TechniqueFields",
    "automatic_exposure",
    "check_clearance",
    "clear_camera",
    "expose",
    "outputs_table",
    "radiograph_metadata",
    "read_scene",
    "reason_inside",
    "write_scene",
]

__getattr__ = moved(__name__, {"MaterialModel": "deepdrr.materials.MaterialModel"})
