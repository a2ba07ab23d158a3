"""`JointLimits`: how far the joints of a C-arm go."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

from deepdrr._numbers import as_number
from deepdrr.device._checks import check_keys
from deepdrr.device._pose import CArmPose

__all__ = ["JointLimits"]

# Radians turned into degrees at the edge of a range may exceed it by an ulp.
_ROUNDING_DEG = 1e-9


@dataclass(frozen=True)
class JointLimits:
    """Ranges of the joints in degrees, lowest and highest; None is no limit.

    The defaults are those of a typical isocentric mobile C-arm standing beside the table. Sliding the C in its bracket
    (orbital movement) turns it about the patient's long axis, α, through about 200°: both laterals, with a little to
    spare. Turning the bracket (angulation) tilts it toward head and feet, β, and over to tube above the table, ±180°.
    The detector itself does not turn on most mobile arms; γ turns the picture and has no limit.

    Attributes:
        alpha_deg: range of α.
        beta_deg: range of β.
        gamma_deg: range of γ.
    """

    alpha_deg: tuple[float, float] | None = (-100.0, 100.0)
    beta_deg: tuple[float, float] | None = (-180.0, 180.0)
    gamma_deg: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            object.__setattr__(self, field.name, _as_range(getattr(self, field.name), field.name))

    @classmethod
    def unlimited(cls) -> Self:
        """Joints that go anywhere, for a robotic or an imagined arm."""
        return cls(alpha_deg=None, beta_deg=None, gamma_deg=None)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """The inverse of `to_config`; a joint that is not mentioned has its default range."""
        check_keys(config, [field.name for field in fields(cls)], "limits")
        return cls(**config)

    def to_config(self) -> dict[str, list[float] | None]:
        """Plain lists and None, for YAML or JSON."""
        ranges = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: None if span is None else list(span) for name, span in ranges.items()}

    def complaint(self, pose: CArmPose) -> str | None:
        """What keeps the joints from a pose, as a sentence; None if they reach it."""
        for field in fields(self):
            span, value = getattr(self, field.name), getattr(pose, field.name)
            if span is not None and not span[0] - _ROUNDING_DEG <= value <= span[1] + _ROUNDING_DEG:
                joint = field.name.removesuffix("_deg")
                return f"{joint} must be in the joint's range from {span[0]:g} to {span[1]:g} degrees, got {value:g}"
        return None

    def allow(self, pose: CArmPose) -> bool:
        """Whether the joints reach a pose."""
        return self.complaint(pose) is None


def _as_range(span: object, name: str) -> tuple[float, float] | None:
    if span is None:
        return None
    if not isinstance(span, tuple | list) or len(span) != 2:
        raise ValueError(f"{name} must be a lowest and a highest angle or None, got {span!r}")
    lowest, highest = (as_number(value, name) for value in span)
    if lowest > highest:
        raise ValueError(f"{name} must run from the lowest to the highest angle, got {span!r}")
    return lowest, highest
