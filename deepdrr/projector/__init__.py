"""The Projector, which composes the stages from a CT to a raw X-ray image."""

from deepdrr.projector._clearance import check_clearance
from deepdrr.projector._exposure_control import automatic_exposure
from deepdrr.projector._materials import MaterialModel
from deepdrr.projector._projector import DEFAULT_EXPOSURE, OutputName, Positioned, Projector

__all__ = [
    "DEFAULT_EXPOSURE",
    "MaterialModel",
    "OutputName",
    "Positioned",
    "Projector",
    "automatic_exposure",
    "check_clearance",
]
