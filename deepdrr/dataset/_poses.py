"""Draw poses of the C-arm as a plan says."""

import math
from collections import Counter
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from deepdrr.camera import Camera
from deepdrr.dataset._distributions import Distribution
from deepdrr.dataset._patient import Patient
from deepdrr.dataset._plan import Plan
from deepdrr.dataset._pose_plan import AnglesPlan, ConePlan, PosePlan, ViewsPlan
from deepdrr.dataset._streams import stream
from deepdrr.device import CArmPose, view
from deepdrr.geometry import beam_angles
from deepdrr.projector import check_clearance

__all__ = ["DrawnPose", "NoPose", "draw_pose"]

# As if facing the patient, whichever side the tube is on; a named view has its own side.
_SIDE = "source"


class NoPose(ValueError):
    """No pose of a sample was accepted; the message counts the reasons."""


@dataclass(frozen=True, eq=False)
class DrawnPose:
    """A pose that was accepted.

    Attributes:
        camera: source and detector.
        pose: angles and isocenter.
        viewed_from: the side from which the picture is seen.
        attempts: how often a pose was drawn.
    """

    camera: Camera
    pose: CArmPose
    viewed_from: str
    attempts: int


def draw_pose(plan: Plan, patient: Patient, index: int) -> DrawnPose:
    """The pose of a sample: drawn until source and detector are outside the body and all landmarks are in view.

    Raises:
        NoPose: if none was accepted in as many attempts as the plan gives.
        ValueError: if the plan names a landmark or a structure that the patient does not have.
    """
    generator = stream(plan.seed, index, "pose")
    target = patient.target_world(plan.pose.target.landmark, plan.pose.target.structure)
    wanted = [patient.volume.landmark_in_world(name) for name in plan.pose.in_view]
    geometry, reasons = plan.carm.made(), Counter[str]()
    for attempt in range(1, plan.pose.attempts + 1):
        angles, side = _angles(plan.pose, generator)
        isocenter = target + _in_ball(plan.pose.target.ball_mm, generator)
        pose = CArmPose(*angles, tuple(isocenter.tolist()))
        camera = geometry.camera(pose, viewed_from=side)
        reason = _reason_against(camera, patient, dict(zip(plan.pose.in_view, wanted, strict=True)))
        if reason is None:
            return DrawnPose(camera, pose, side, attempt)
        reasons[reason] += 1
    told = ", ".join(f"{reason} in {count}" for reason, count in reasons.most_common())
    raise NoPose(f"no pose was accepted in {plan.pose.attempts} attempts: {told}")


def _angles(plan: PosePlan, generator: np.random.Generator) -> tuple[tuple[float, float, float], str]:
    if plan.cone is not None:
        return _in_cone(plan.cone, generator), _SIDE
    if plan.views is not None:
        return _near_view(plan.views, generator)
    listed = plan.list
    chosen = plan.angles or AnglesPlan() if listed is None else listed[int(generator.integers(len(listed)))]
    drawn = [_number(getattr(chosen, name), generator) for name in ("alpha_deg", "beta_deg", "gamma_deg")]
    return (drawn[0], drawn[1], drawn[2]), _SIDE


def _in_cone(plan: ConePlan, generator: np.random.Generator) -> tuple[float, float, float]:
    """A beam in a cone: the cosine of its angle to the axis is uniform, and so is its turn about the axis."""
    axis = view(plan.about).beam_anatomical
    lowest = math.cos(math.radians(plan.half_angle_deg))
    cosine, turn = float(generator.uniform(lowest, 1.0)), float(generator.uniform(0.0, 2 * math.pi))
    across = torch.eye(3, dtype=torch.float64)[int(axis.abs().argmin())]
    first = torch.linalg.cross(axis, across)
    first = first / first.norm()
    second = torch.linalg.cross(axis, first)
    sine = math.sqrt(max(0.0, 1.0 - cosine * cosine))
    beam = cosine * axis + sine * (math.cos(turn) * first + math.sin(turn) * second)
    alpha, beta = beam_angles(beam)
    return alpha, beta, _number(plan.gamma_deg, generator)


def _near_view(plan: ViewsPlan, generator: np.random.Generator) -> tuple[tuple[float, float, float], str]:
    chosen = view(plan.names[int(generator.integers(len(plan.names)))])
    alpha, beta, gamma = (_number(plan.jitter_deg, generator) for _ in range(3))
    return (chosen.alpha_deg + alpha, chosen.beta_deg + beta, gamma), chosen.viewed_from


def _in_ball(radius_mm: float, generator: np.random.Generator) -> Tensor:
    """A point of a ball [3], mm, each part of its volume as likely."""
    direction = generator.normal(size=3)
    distance = radius_mm * float(generator.uniform()) ** (1.0 / 3.0)
    return torch.from_numpy(distance * direction / np.linalg.norm(direction))


def _reason_against(camera: Camera, patient: Patient, wanted: dict[str, Tensor]) -> str | None:
    try:
        check_clearance(patient.volume, camera)
    except ValueError as error:
        return "the source in the body" if "source" in str(error).partition(" must ")[0] else "the detector in the body"
    for name, point in wanted.items():
        u, v = camera.project_points(point).tolist()
        if not (0 <= u <= camera.width and 0 <= v <= camera.height):
            return f"{name} out of view"
    return None


def _number(distribution: Distribution, generator: np.random.Generator) -> float:
    value = distribution.draw(generator)
    assert not isinstance(value, str)  # the plan has refused words
    return value
