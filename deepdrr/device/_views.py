"""Named views of radiography and fluoroscopy, as angles about a patient."""

from dataclasses import dataclass, replace
from typing import Self

from torch import Tensor

from deepdrr._names import unknown_name
from deepdrr.camera import Camera
from deepdrr.device._geometry import CArmGeometry
from deepdrr.device._pose import CArmPose
from deepdrr.geometry import ArrayLike, as_point, carm_direction, check_affine, check_rigid, rigid

__all__ = ["VIEWS", "View", "camera_for_view", "view"]

_OTHER_SIDE = {"source": "detector", "detector": "source"}


@dataclass(frozen=True)
class View:
    """A way to look at a patient.

    Attributes:
        name: what it is called.
        alpha_deg, beta_deg: positioner primary and secondary angle (LAO and cranial positive).
        viewed_from: the side from which its picture is looked at, `"source"` or `"detector"`.
        description: one sentence.
    """

    name: str
    alpha_deg: float
    beta_deg: float
    viewed_from: str
    description: str

    @property
    def beam_anatomical(self) -> Tensor:
        """Direction of the beam from source to detector, unit vector [3] in RAS."""
        return carm_direction(self.alpha_deg, self.beta_deg)

    def pose(self, isocenter: ArrayLike = (0.0, 0.0, 0.0)) -> CArmPose:
        """The view as a C-arm's pose about a patient lying head first and supine, isocenter in mm."""
        x, y, z = as_point(isocenter, "isocenter").tolist()
        return CArmPose(self.alpha_deg, self.beta_deg, 0.0, (x, y, z))

    def reversed(self) -> Self:
        """Source and detector exchanged, the picture still looked at from the same side of the patient.

        With a C-arm the radiographic AP views are mostly taken this way, tube under the table: the same lines through
        the patient, what is near the detector being magnified less.
        """
        return replace(
            self,
            name=f"{self.name} reversed",
            alpha_deg=self.alpha_deg + (180.0 if self.alpha_deg <= 0.0 else -180.0),
            beta_deg=-self.beta_deg,
            viewed_from=_OTHER_SIDE[self.viewed_from],
            description=f"{self.description} Source and detector exchanged.",
        )


_TABLE = (
    View("AP", 180, 0, "source", "Beam from front to back, the picture as if facing the patient."),
    View("PA", 0, 0, "detector", "Beam from back to front, the picture as if facing the patient."),
    View("left lateral", 90, 0, "detector", "Left side at the detector, the patient faces the picture's left."),
    View("right lateral", -90, 0, "detector", "Right side at the detector, the patient faces the picture's right."),
    View("inlet", 180, -40, "source", "AP with the beam tilted 40° toward the feet: into the ring of the pelvis."),
    View("outlet", 180, 40, "source", "AP with the beam tilted 40° toward the head: sacrum and obturator foramina."),
    View("left iliac oblique", 135, 0, "source", "Judet: AP, patient rolled 45° onto the left side."),
    View("right iliac oblique", -135, 0, "source", "Judet: AP, patient rolled 45° onto the right side."),
    View("left obturator oblique", -135, 0, "source", "Judet: AP, left side of the patient raised 45°."),
    View("right obturator oblique", 135, 0, "source", "Judet: AP, right side of the patient raised 45°."),
    View("LAO", 45, 0, "detector", "Detector 45° toward the left: left anterior oblique."),
    View("RAO", -45, 0, "detector", "Detector 45° toward the right: right anterior oblique."),
    View("cranial", 0, 30, "detector", "Detector in front of the patient, 30° toward the head."),
    View("caudal", 0, -30, "detector", "Detector in front of the patient, 30° toward the feet."),
)

VIEWS = {entry.name: entry for entry in _TABLE}
"""The named views. Angles within the range that radiographers use for each; hospitals differ by some degrees, and
in the side from which they look at laterals. Judet's obliques come in pairs: the iliac oblique of one side is the
obturator oblique of the other."""

_SHORT = {"lateral": "left lateral", "oblique": "lao"}


def view(name: str | View) -> View:
    """A named view; case, spaces, hyphens and underscores do not matter. A view itself is returned as it is.

    `"lateral"` is the left lateral, the usual one of the chest, and `"oblique"` the left anterior oblique.

    Raises:
        TypeError: for anything but a name or a view.
        ValueError: for an unknown name, with the near ones.

    Example:
        >>> view("left-lateral").alpha_deg
        90
    """
    if isinstance(name, View):
        return name
    if not isinstance(name, str):
        raise TypeError(f"name must be a view or its name, got {name!r}")
    by_key = {_key(known): entry for known, entry in VIEWS.items()}
    key = _SHORT.get(_key(name), _key(name))
    if key not in by_key:
        raise unknown_name("view", name, VIEWS)
    return by_key[key]


def camera_for_view(
    name: str | View,
    geometry: CArmGeometry | None = None,
    *,
    isocenter: ArrayLike = (0.0, 0.0, 0.0),
    world_from_anatomical: Tensor | None = None,
) -> Camera:
    """The camera of a named view, without joints that could stand in its way.

    Args:
        name: a view or its name.
        geometry: distances and detector; a mobile C-arm's by default.
        isocenter: point of the world [3] on the beam's axis at the source-to-isocenter distance, mm.
        world_from_anatomical: rigid placement of the patient [4, 4]; head first and supine by default. The view follows
            the patient: AP is from the patient's front, however the patient lies.

    Returns:
        An unbatched float64 camera.
    """
    chosen = view(name)
    device = CArmGeometry() if geometry is None else geometry
    camera = device.camera(chosen.pose(isocenter), viewed_from=chosen.viewed_from)
    if world_from_anatomical is None:
        return camera
    placement = check_affine(world_from_anatomical, "world_from_anatomical")
    check_rigid(placement, "world_from_anatomical")
    turn, fixed = placement[:3, :3], as_point(isocenter, "isocenter")
    return camera.moved(rigid(turn, fixed - turn @ fixed))


def _key(name: str) -> str:
    return name.casefold().replace("-", " ").replace("_", " ").strip()
