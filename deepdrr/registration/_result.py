"""`RegistrationResult`: what a registration found, and how it got there."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from deepdrr.geometry import in_double
from deepdrr.registration._certainty import Certainty
from deepdrr.registration._quality import Quality
from deepdrr.registration.targets._mask import LeftOut
from deepdrr.registration.targets._target import Target

__all__ = ["Iterate", "RegistrationResult", "shift_between"]


@dataclass(frozen=True, eq=False)
class Iterate:
    """Where a registration was after an iteration.

    Attributes:
        stage: number of the stage, from 0; −1 for the start.
        loss: what the stage's solver makes small; NaN for the start.
        pose: world_from_camera of all views [V, 4, 4], mm.
        seconds: since the beginning.
    """

    stage: int
    loss: float
    pose: Tensor
    seconds: float


@dataclass(frozen=True, eq=False)
class RegistrationResult:
    """What `register` found.

    Attributes:
        pose: world_from_camera of all views [V, 4, 4], mm.
        motion: D [4, 4] in the world: pose = D · start. The patient has moved by its inverse.
        stopped: why each stage stopped.
        trajectory: the start and every iteration.
        target: the X-rays as they were compared: what was left out, and in which polarity.
        isocenter: the patient's point [3] about which the cameras turned, world mm.
        quality: how well the pictures at the end agree with the X-rays.
        certainty: how sure the pose is, if the quality is good.
    """

    pose: Tensor
    motion: Tensor
    stopped: tuple[str, ...]
    trajectory: tuple[Iterate, ...] = field(repr=False)  # screens of matrices
    target: Target = field(repr=False)
    isocenter: Tensor
    quality: Quality
    certainty: Certainty

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """What of the X-rays was not compared."""
        return self.target.left_out

    @property
    def shift_mm(self) -> tuple[float, float]:
        """How far the isocenter has moved for the first camera: across the beam, and along it, positive if away."""
        return shift_between(self.trajectory[0].pose[0], self.pose[0], self.isocenter)

    @property
    def loss(self) -> float:
        """The last stage's, at the end; NaN if no stage took a step."""
        return self.trajectory[-1].loss

    @property
    def iterations(self) -> int:
        """Of all stages."""
        return len(self.trajectory) - 1

    @property
    def seconds(self) -> float:
        """Wall time."""
        return self.trajectory[-1].seconds


def shift_between(here: Tensor, there: Tensor, point: Tensor) -> tuple[float, float]:
    """How far a point of the world moves for a camera from one pose [4, 4] to another: across and along its axis."""
    place = torch.cat([in_double(point).cpu(), torch.ones(1, dtype=torch.float64)])
    before, after = (torch.linalg.inv(in_double(pose).cpu()) @ place for pose in (here, there))
    moved = (after - before)[:3]
    return float(moved[:2].norm()), float(moved[2])
