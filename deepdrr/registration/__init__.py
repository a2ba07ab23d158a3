"""2D/3D registration: the pose at which a CT looks like one or several X-rays.

`Registration` holds the pose's numbers and renders; `register` moves them, from coarse to fine; `write_report` shows
how it went. Poses are `rt_inv`, world_from_camera in mm; moving the cameras by D is moving the patient by D⁻¹.
"""

from deepdrr.registration._adam import Adam
from deepdrr.registration._camera_files import camera_of_header, read_cameras, write_cameras
from deepdrr.registration._cma_es import CmaEs
from deepdrr.registration._features import Compared
from deepdrr.registration._gauss_newton import GaussNewton
from deepdrr.registration._multi_start import MultiStart
from deepdrr.registration._problem import Problem, Solver
from deepdrr.registration._register import Iterate, RegistrationResult, Stage, register, standard_stages
from deepdrr.registration._registration import Registration
from deepdrr.registration._report import write_report
from deepdrr.registration._xray_files import Xray, XrayHeader, XrayValues, read_xray
from deepdrr.registration._xrays import line_integrals_of

__all__ = [
    "Adam",
    "CmaEs",
    "Compared",
    "GaussNewton",
    "Iterate",
    "MultiStart",
    "Problem",
    "Registration",
    "RegistrationResult",
    "Solver",
    "Stage",
    "Xray",
    "XrayHeader",
    "XrayValues",
    "camera_of_header",
    "line_integrals_of",
    "read_cameras",
    "read_xray",
    "register",
    "standard_stages",
    "write_cameras",
    "write_report",
]
