"""`CArmPose`: the position of a C-arm's joints."""

from dataclasses import dataclass, replace

from deepdrr._numbers import as_number
from deepdrr.geometry import as_point

__all__ = ["CArmPose", "equivalent_poses"]


@dataclass(frozen=True)
class CArmPose:
    """Where a C-arm stands and how it is turned.

    Attributes:
        alpha_deg: primary angle α, LAO positive; see `deepdrr.geometry.world_from_carm`.
        beta_deg: secondary angle β, cranial positive.
        gamma_deg: rotation γ of the detector about the beam.
        isocenter: the point of the world [3] about which the arm turns, mm.

    Example:
        >>> CArmPose(alpha_deg=30, beta_deg=10)
        CArmPose(alpha_deg=30.0, beta_deg=10.0, gamma_deg=0.0, isocenter=(0.0, 0.0, 0.0))
    """

    alpha_deg: float = 0.0
    beta_deg: float = 0.0
    gamma_deg: float = 0.0
    isocenter: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        for name in ("alpha_deg", "beta_deg", "gamma_deg"):
            object.__setattr__(self, name, as_number(getattr(self, name), name))
        object.__setattr__(self, "isocenter", tuple(as_point(self.isocenter, "isocenter").tolist()))

    @property
    def angles_deg(self) -> tuple[float, float, float]:
        """(alpha, beta, gamma), degrees."""
        return self.alpha_deg, self.beta_deg, self.gamma_deg


def equivalent_poses(pose: CArmPose) -> list[CArmPose]:
    """Poses with the same source, detector and picture, the given one first.

    Besides whole turns of a joint there is a second posture,
    Rz(α) Rx(β) Ry(γ) = Rz(α + 180°) Rx(180° − β) Ry(γ + 180°):
    an arm that cannot be swung half round the patient reaches the other side by tipping over in β.

    Args:
        pose: the pose.

    Returns:
        The pose and then the others by increasing |α| + |β|, positive angles first.
    """
    alpha, beta, gamma = pose.angles_deg
    postures = [(alpha, beta, gamma), (alpha + 180.0, 180.0 - beta, _wrapped(gamma + 180.0))]
    others = [
        replace(pose, alpha_deg=a + 360.0 * turn_a, beta_deg=b + 360.0 * turn_b, gamma_deg=g)
        for a, b, g in postures
        for turn_a in (-1, 0, 1)
        for turn_b in (-1, 0, 1)
    ]
    others.sort(key=lambda other: (abs(other.alpha_deg) + abs(other.beta_deg), -other.alpha_deg, -other.beta_deg))
    return [pose, *(other for other in others if other != pose)]


def _wrapped(degrees: float) -> float:
    """The same angle in (−180°, 180°]."""
    return 180.0 - (180.0 - degrees) % 360.0
