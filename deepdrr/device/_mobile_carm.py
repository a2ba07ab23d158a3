"""`MobileCArm`: a C-arm with joints, the object whose state a user moves."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Self

from torch import Tensor

from deepdrr._state import NamedState
from deepdrr.camera import Camera
from deepdrr.device._checks import as_angle_deg, check_keys, check_kind
from deepdrr.device._geometry import CArmGeometry
from deepdrr.device._limits import JointLimits
from deepdrr.device._pose import CArmPose, equivalent_poses
from deepdrr.device._views import View, view
from deepdrr.geometry import ArrayLike, as_point

__all__ = ["MobileCArm"]

_CONFIG_KEYS = ("isocenter", "alpha_deg", "beta_deg", "gamma_deg", "viewed_from", "geometry", "limits")


class MobileCArm(NamedState):
    """A C-arm that stands in the room and turns about its isocenter.

    The angles are DICOM's for a patient lying head first and supine: alpha the positioner primary angle (LAO positive),
    beta the secondary angle (cranial positive), gamma the rotation of the detector about the beam. At zero the detector
    is above the patient and the tube under the table. See docs/concepts/conventions.md.

    All state is `pose`, `viewed_from`, `geometry` and `limits`; `camera` is made from them whenever it is asked for.
    They can be assigned, and so can the angles and the isocenter. A move that is refused leaves the arm where it was.

    Args:
        isocenter: point of the world [3] about which the arm turns, mm.
        alpha, beta, gamma: angles.
        degrees: whether the angles are degrees (radians otherwise).
        geometry: distances and detector.
        limits: ranges of the joints.
        viewed_from: side from which the picture is seen, `"detector"` or `"source"`, see `Camera.carm`.

    Example:
        >>> carm = MobileCArm(isocenter=(0, 0, 100))
        >>> carm.move_to(alpha=30, beta=10, degrees=True)
        >>> carm
        MobileCArm(isocenter=(0, 0, 100) mm, alpha=30°, beta=10°, gamma=0°, SDD 1020 mm, 1536×1536 pixels of 0.194 mm)
    """

    INSTEAD = "assign pose, geometry or viewed_from, from which it is made"

    _pose: CArmPose
    _viewed_from: str

    def __init__(
        self,
        isocenter: ArrayLike = (0.0, 0.0, 0.0),
        alpha: float = 0.0,
        beta: float = 0.0,
        gamma: float = 0.0,
        *,
        degrees: bool = True,
        geometry: CArmGeometry | None = None,
        limits: JointLimits | None = None,
        viewed_from: str = "detector",
    ) -> None:
        self._geometry = CArmGeometry() if geometry is None else geometry
        self._limits = JointLimits() if limits is None else limits
        check_kind(self._geometry, CArmGeometry, "geometry")
        check_kind(self._limits, JointLimits, "limits")
        self._set(_moved(CArmPose(), isocenter, alpha, beta, gamma, degrees), viewed_from)

    # -- state -------------------------------------------------------------------------------------------------------

    @property
    def pose(self) -> CArmPose:
        """Angles and isocenter."""
        return self._pose

    @pose.setter
    def pose(self, pose: CArmPose) -> None:
        check_kind(pose, CArmPose, "pose")
        self._set(pose)

    @property
    def alpha_deg(self) -> float:
        """Primary angle α, degrees."""
        return self._pose.alpha_deg

    @alpha_deg.setter
    def alpha_deg(self, alpha_deg: float) -> None:
        self.move_to(alpha=alpha_deg)

    @property
    def beta_deg(self) -> float:
        """Secondary angle β, degrees."""
        return self._pose.beta_deg

    @beta_deg.setter
    def beta_deg(self, beta_deg: float) -> None:
        self.move_to(beta=beta_deg)

    @property
    def gamma_deg(self) -> float:
        """Rotation γ of the detector, degrees."""
        return self._pose.gamma_deg

    @gamma_deg.setter
    def gamma_deg(self, gamma_deg: float) -> None:
        self.move_to(gamma=gamma_deg)

    @property
    def isocenter(self) -> Tensor:
        """Point of the world about which the arm turns, float64 [3], mm; a copy."""
        return as_point(self._pose.isocenter, "isocenter")

    @isocenter.setter
    def isocenter(self, isocenter: ArrayLike) -> None:
        self.reposition(isocenter)

    @property
    def viewed_from(self) -> str:
        """Side from which the picture is seen."""
        return self._viewed_from

    @viewed_from.setter
    def viewed_from(self, viewed_from: str) -> None:
        self._set(self._pose, viewed_from)

    @property
    def geometry(self) -> CArmGeometry:
        """Distances and detector."""
        return self._geometry

    @geometry.setter
    def geometry(self, geometry: CArmGeometry) -> None:
        check_kind(geometry, CArmGeometry, "geometry")
        self._geometry = geometry

    @property
    def limits(self) -> JointLimits:
        """Ranges of the joints."""
        return self._limits

    @limits.setter
    def limits(self, limits: JointLimits) -> None:
        check_kind(limits, JointLimits, "limits")
        complaint = limits.complaint(self._pose)
        if complaint is not None:
            raise ValueError(complaint)
        self._limits = limits

    @property
    def camera(self) -> Camera:
        """The camera of the present pose, float64."""
        return self._geometry.camera(self._pose, viewed_from=self._viewed_from)

    # -- moves -------------------------------------------------------------------------------------------------------

    def move_to(
        self,
        *,
        alpha: float | None = None,
        beta: float | None = None,
        gamma: float | None = None,
        isocenter: ArrayLike | None = None,
        viewed_from: str | None = None,
        degrees: bool = True,
    ) -> None:
        """Move to the given values; what is not given stays.

        Args:
            alpha, beta, gamma: angles.
            isocenter: point of the world [3], mm.
            viewed_from: side from which the picture is seen.
            degrees: whether the angles are degrees (radians otherwise).

        Raises:
            ValueError: if a joint does not reach so far; nothing has moved then.
        """
        self._set(_moved(self._pose, isocenter, alpha, beta, gamma, degrees), viewed_from)

    def move_by(
        self,
        *,
        alpha: float = 0.0,
        beta: float = 0.0,
        gamma: float = 0.0,
        isocenter: ArrayLike = (0.0, 0.0, 0.0),
        degrees: bool = True,
    ) -> None:
        """Move from the present pose.

        Args:
            alpha, beta, gamma: changes of the angles.
            isocenter: displacement of the isocenter [3] in the world, mm.
            degrees: whether the angles are degrees (radians otherwise).

        Raises:
            ValueError: if a joint does not reach so far; nothing has moved then.
        """
        change = _moved(CArmPose(), isocenter, alpha, beta, gamma, degrees)
        a, b, c = (now + by for now, by in zip(self._pose.angles_deg, change.angles_deg, strict=True))
        self._set(_moved(self._pose, self.isocenter + as_point(change.isocenter, "isocenter"), a, b, c, True))

    def reposition(self, point_world: ArrayLike) -> None:
        """Move the arm so that its isocenter is at a point [3] of the world (mm); the angles stay."""
        self._set(_moved(self._pose, as_point(point_world, "point_world")))

    def move_to_view(self, name: str | View) -> None:
        """Move to a named view of a patient lying head first and supine; the isocenter stays.

        Where the joints do not reach the view's own angles, an equal pose is taken (the arm tipped over in beta instead
        of swung round in alpha, see `deepdrr.device.View`): source, detector and picture are the same. The view also
        sets the side from which the picture is seen.

        Args:
            name: a view or its name; `view("AP").reversed()` has the tube under the table.

        Raises:
            ValueError: if no joint position gives the view; nothing has moved then.
        """
        chosen = view(name)
        reachable = self._reachable(chosen.pose(self._pose.isocenter))
        if reachable is None:
            raise ValueError(f"the joints do not reach the view {chosen.name!r}: {self._limits}")
        self._set(reachable, chosen.viewed_from)

    # -- configuration -----------------------------------------------------------------------------------------------

    def to_config(self) -> dict[str, Any]:
        """The whole state in plain types for YAML or JSON; angles in degrees, lengths in mm."""
        return {
            "isocenter": list(self._pose.isocenter),
            "alpha_deg": self._pose.alpha_deg,
            "beta_deg": self._pose.beta_deg,
            "gamma_deg": self._pose.gamma_deg,
            "viewed_from": self._viewed_from,
            "geometry": self._geometry.to_config(),
            "limits": self._limits.to_config(),
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """The inverse of `to_config`; missing entries have their defaults, `geometry` may be a preset's name.

        Raises:
            TypeError: if a value is of the wrong kind.
            ValueError: for an unknown key (with the near one) or a value that is not accepted.

        Example:
            >>> MobileCArm.from_config({"alpha_deg": 30, "geometry": "angiography"}).camera.width
            1240
        """
        check_keys(config, _CONFIG_KEYS, "the configuration of a C-arm")
        return cls(
            config.get("isocenter", (0.0, 0.0, 0.0)),
            *(config.get(key, 0.0) for key in ("alpha_deg", "beta_deg", "gamma_deg")),
            geometry=CArmGeometry.from_config(config.get("geometry", {})),
            limits=JointLimits.from_config(config.get("limits", {})),
            viewed_from=config.get("viewed_from", "detector"),
        )

    def __repr__(self) -> str:
        x, y, z = self._pose.isocenter
        a, b, c = self._pose.angles_deg
        g = self._geometry
        mirrored = "" if self._viewed_from == "detector" else ", viewed from the source"
        return (
            f"MobileCArm(isocenter=({x:g}, {y:g}, {z:g}) mm, alpha={a:g}°, beta={b:g}°, gamma={c:g}°, "
            f"SDD {g.sdd_mm:g} mm, {g.height}×{g.width} pixels of {g.pixel_mm:g} mm{mirrored})"
        )

    # -- the one place where state changes ---------------------------------------------------------------------------

    def _set(self, pose: CArmPose, viewed_from: str | None = None) -> None:
        side = self._viewed_from if viewed_from is None else viewed_from
        complaint = self._limits.complaint(pose)
        if complaint is not None:
            raise ValueError(complaint + self._advice(pose))
        self._geometry.camera(pose, viewed_from=side)  # what the camera refuses is refused before anything moves
        self._pose, self._viewed_from = pose, side

    def _reachable(self, pose: CArmPose) -> CArmPose | None:
        return next((equal for equal in equivalent_poses(pose) if self._limits.allow(equal)), None)

    def _advice(self, pose: CArmPose) -> str:
        equal = self._reachable(pose)
        if equal is None:
            return ""
        a, b, c = equal.angles_deg
        return f"; alpha={a:g}, beta={b:g}, gamma={c:g} is the same beam and picture"


def _moved(
    pose: CArmPose,
    isocenter: ArrayLike | None = None,
    alpha: float | None = None,
    beta: float | None = None,
    gamma: float | None = None,
    degrees: bool = True,
) -> CArmPose:
    """The pose with some values replaced."""
    given = {"alpha": alpha, "beta": beta, "gamma": gamma}
    changes: dict[str, Any] = {
        f"{name}_deg": as_angle_deg(value, name, degrees) for name, value in given.items() if value is not None
    }
    if isocenter is not None:
        changes["isocenter"] = tuple(as_point(isocenter, "isocenter").tolist())
    return replace(pose, **changes)
