"""2D/3D registration: the pose at which a CT looks like one or several X-rays.

`Registration` holds the pose's numbers and renders; `register` moves them, from coarse to fine; `write_report` shows
how it went. Poses are `rt_inv`, world_from_camera in mm; moving the cameras by D is moving the patient by D⁻¹.
"""

from deepdrr._renamed import moved
from deepdrr.registration._certainty import Certainty
from deepdrr.registration._quality import DoubtfulRegistrationWarning, Quality
from deepdrr.registration._register import register
from deepdrr.registration._registration import Registration
from deepdrr.registration._report import write_report
from deepdrr.registration._result import Iterate, RegistrationResult
from deepdrr.registration._stages import Stage, standard_stages
from deepdrr.registration._summary import in_words, summary_of
from deepdrr.registration.solvers._adam import Adam
from deepdrr.registration.solvers._cma_es import CmaEs
from deepdrr.registration.solvers._features import Compared
from deepdrr.registration.solvers._gauss_newton import GaussNewton
from deepdrr.registration.solvers._multi_start import MultiStart
from deepdrr.registration.solvers._problem import Problem, Solver
from deepdrr.registration.targets._mask import LeftOut
from deepdrr.registration.targets._polarity import Polarity

__all__ = [
    "Adam",
    "Certainty",
    "CmaEs",
    "Compared",
    "DoubtfulRegistrationWarning",
    "GaussNewton",
    "Iterate",
    "LeftOut",
    "MultiStart",
    "Polarity",
    "Problem",
    "Quality",
    "Registration",
    "RegistrationResult",
    "Solver",
    "Stage",
    "in_words",
    "register",
    "standard_stages",
    "summary_of",
    "write_report",
]

_MOVED = (
    "Xray",
    "XrayHeader",
    "XrayValues",
    "camera_of_header",
    "line_integrals_of",
    "read_cameras",
    "read_xray",
    "write_cameras",
)
__getattr__ = moved(__name__, {name: f"deepdrr.io.{name}" for name in _MOVED})
