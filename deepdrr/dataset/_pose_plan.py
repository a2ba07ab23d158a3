"""`PosePlan`: where the C-arm stands, as a plan says it."""

from dataclasses import dataclass, field

from deepdrr.dataset._distributions import Distribution, Fixed, check_numbers
from deepdrr.device import view

__all__ = ["AnglesPlan", "ConePlan", "PosePlan", "TargetPlan", "ViewsPlan"]

_LARGEST_ANGLE_DEG = 360.0
_NOUGHT = Fixed(0.0)


@dataclass(frozen=True, kw_only=True)
class AnglesPlan:
    """The C-arm's angles, each with its own distribution.

    Attributes:
        alpha_deg: positioner primary angle, LAO positive; 0 has the tube under the table.
        beta_deg: positioner secondary angle, cranial positive.
        gamma_deg: rotation of the detector about the beam.
    """

    alpha_deg: Distribution = _NOUGHT
    beta_deg: Distribution = _NOUGHT
    gamma_deg: Distribution = _NOUGHT

    def __post_init__(self) -> None:
        for name in ("alpha_deg", "beta_deg", "gamma_deg"):
            check_numbers(getattr(self, name), name, -_LARGEST_ANGLE_DEG, _LARGEST_ANGLE_DEG)


@dataclass(frozen=True, kw_only=True)
class ConePlan:
    """Directions of the beam in a cone, each part of its solid angle as likely.

    Attributes:
        about: named view along its axis, such as AP.
        half_angle_deg: angle between the axis and the cone, 0 to 90.
        gamma_deg: rotation of the detector about the beam.
    """

    about: str = "AP"
    half_angle_deg: float
    gamma_deg: Distribution = _NOUGHT

    def __post_init__(self) -> None:
        view(self.about)
        if not 0 <= self.half_angle_deg <= 90:
            raise ValueError(f"half_angle_deg must be 0 to 90, got {self.half_angle_deg:g}")
        check_numbers(self.gamma_deg, "gamma_deg", -_LARGEST_ANGLE_DEG, _LARGEST_ANGLE_DEG)


@dataclass(frozen=True, kw_only=True)
class ViewsPlan:
    """Named views, each as likely, with jitter.

    Attributes:
        names: views, such as AP and inlet.
        jitter_deg: added to each of the three angles, drawn for each.
    """

    names: tuple[str, ...]
    jitter_deg: Distribution = _NOUGHT

    def __post_init__(self) -> None:
        if not self.names:
            raise ValueError("names must be of one view or more, got none")
        for name in self.names:
            view(name)
        check_numbers(self.jitter_deg, "jitter_deg", -_LARGEST_ANGLE_DEG, _LARGEST_ANGLE_DEG)


@dataclass(frozen=True, kw_only=True)
class TargetPlan:
    """What lies at the isocenter: a landmark, a structure's centre, or else the CT's centre.

    Attributes:
        landmark: name of a landmark.
        structure: name of a label; the centre of its voxels.
        ball_mm: radius of the ball about it in which the isocenter lies, each part of its volume as likely, mm.
    """

    landmark: str | None = None
    structure: str | None = None
    ball_mm: float = 0.0

    def __post_init__(self) -> None:
        if self.landmark is not None and self.structure is not None:
            raise ValueError(f"target must be a landmark or a structure, got {self.landmark!r} and {self.structure!r}")
        if not 0 <= self.ball_mm < 1000:
            raise ValueError(f"ball_mm must be 0 to 1000 mm, got {self.ball_mm:g}")


@dataclass(frozen=True, kw_only=True)
class PosePlan:
    """Where the C-arm stands: angles, a cone, views or a list, one of them; and what lies at the isocenter.

    A pose is drawn again if source or detector are inside the body, or a landmark that must be in view is not.

    Attributes:
        angles: the C-arm's angles, each by itself.
        cone: a cone of directions.
        views: named views with jitter.
        list: poses, one of which is taken, each as likely.
        target: what lies at the isocenter.
        in_view: landmarks that must be in view.
        attempts: how often a pose is drawn before the sample counts as failed.
    """

    angles: AnglesPlan | None = None
    cone: ConePlan | None = None
    views: ViewsPlan | None = None
    list: tuple[AnglesPlan, ...] | None = None
    target: TargetPlan = field(default_factory=TargetPlan)
    in_view: tuple[str, ...] = ()
    attempts: int = 100

    def __post_init__(self) -> None:
        given = [name for name in ("angles", "cone", "views", "list") if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"pose must be angles, cone, views or list, one of them, got {' and '.join(given)}")
        if self.list is not None and not self.list:
            raise ValueError("list must hold one pose or more, got none")
        if self.attempts < 1:
            raise ValueError(f"attempts must be 1 or more, got {self.attempts}")
