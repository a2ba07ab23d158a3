"""How a radiograph was taken: the contents of its file header."""

import math
import re
from dataclasses import dataclass
from typing import Literal, Self

import torch
from torch import Tensor

from deepdrr._numbers import plain_fields
from deepdrr.camera import Camera, positioner_angles
from deepdrr.geometry import ArrayLike, as_point, transform_directions, transform_points

__all__ = ["BODY_PARTS", "RadiographMetadata"]

# DICOM's Body Part Examined (PS3.16 annex L) with pydicom's name for its code in CID 4009.
BODY_PARTS = {
    "ABDOMEN": "Abdomen",
    "ANKLE": "AnkleJoint",
    "CHEST": "Chest",
    "CSPINE": "CervicalSpine",
    "ELBOW": "ElbowJoint",
    "FEMUR": "Femur",
    "FOOT": "Foot",
    "HAND": "Hand",
    "HEAD": "Head",
    "HIP": "HipJoint",
    "KNEE": "Knee",
    "LSPINE": "LumbarSpine",
    "PELVIS": "Pelvis",
    "SHOULDER": "Shoulder",
    "SKULL": "Skull",
    "SPINE": "Spine",
    "TSPINE": "ThoracicSpine",
    "WRIST": "WristJoint",
}

PAIRED_PARTS = ("ANKLE", "ELBOW", "FEMUR", "FOOT", "HAND", "HIP", "KNEE", "SHOULDER", "WRIST")

_LETTERS = ("RL", "AP", "HF")  # toward the positive and the negative end of each RAS axis


@dataclass(frozen=True, kw_only=True)
class RadiographMetadata:
    """Geometry and exposure of one radiograph. Nothing here identifies a patient.

    Attributes:
        sdd_mm: source-to-detector distance, mm.
        pixel_spacing_mm: distance between the centres of rows and between those of columns on the detector, mm.
        positioner_angles_deg: DICOM's primary (LAO +) and secondary (cranial +) angle, degrees.
        patient_orientation: direction of the rows (rightward) and columns (downward) in the patient, in DICOM's
            letters, e.g. `("L", "F")` where the picture's right is the patient's left and its foot the feet.
        source_to_isocenter_mm: distance to the point about which the arm turns, along the detector's normal, mm.
        kvp: tube voltage, kV.
        mas: tube load, mAs.
        body_part: DICOM's defined term, e.g. `"PELVIS"`.
        laterality: `"L"` or `"R"` for a paired body part, e.g. `"HIP"`; otherwise None.
        description: free text about the series.
        unit: unit of the raw signal, e.g. `"keV"` or `"ADU"`; the detector's `unit`.
        detector: `"SCINTILLATOR"` for a flat panel, `"DIRECT"` for a photon counter; None for an ideal detector.
        grid: whether an anti-scatter grid was used; None if unknown.
        processing: how a picture was processed, in words, see `deepdrr.display.Processing.description`.
        circular_field: whether viewers shall show the picture as a disk, with the inscribed circle as display shutter.
    """

    sdd_mm: float
    pixel_spacing_mm: tuple[float, float]
    positioner_angles_deg: tuple[float, float]
    patient_orientation: tuple[str, str]
    source_to_isocenter_mm: float | None = None
    kvp: float | None = None
    mas: float | None = None
    body_part: str | None = None
    laterality: str | None = None
    description: str = "Simulated radiograph"
    unit: str = "keV"
    detector: Literal["SCINTILLATOR", "DIRECT"] | None = None
    grid: bool | None = None
    processing: str | None = None
    circular_field: bool = False

    def __post_init__(self) -> None:
        plain_fields(self)
        for name in ("sdd_mm", "source_to_isocenter_mm", "kvp", "mas"):
            if (value := getattr(self, name)) is not None:
                _check_positive(value, name)
        for spacing in self.pixel_spacing_mm:
            _check_positive(spacing, "pixel_spacing_mm")
        if self.body_part not in (None, *BODY_PARTS):
            raise ValueError(f"body_part must be one of {', '.join(BODY_PARTS)}, got {self.body_part!r}")
        sides = ("L", "R") if self.body_part in PAIRED_PARTS else (None,)
        if self.laterality not in sides:
            accepted = " or ".join(map(str, sides))
            raise ValueError(f"laterality must be {accepted} for body_part {self.body_part}, got {self.laterality!r}")
        if not re.fullmatch(r"[^\\\x00-\x1f]{0,64}", self.description):
            raise ValueError(f"description must be at most 64 characters without a backslash, got {self.description!r}")
        for name, longest in (("unit", 16), ("processing", 400)):
            if not re.fullmatch(rf"[^\\\x00-\x1f]{{0,{longest}}}", getattr(self, name) or ""):
                shown = getattr(self, name)
                raise ValueError(f"{name} must be at most {longest} characters without a backslash, got {shown!r}")
        if self.detector not in (None, "SCINTILLATOR", "DIRECT"):
            raise ValueError(f"detector must be SCINTILLATOR, DIRECT or None, got {self.detector!r}")
        primary, secondary = self.positioner_angles_deg
        if not (-180.0 <= primary <= 180.0 and -90.0 <= secondary <= 90.0):
            raise ValueError(
                f"positioner_angles_deg must be within ±180 and ±90 degrees, got {self.positioner_angles_deg}"
            )

    @property
    def magnification(self) -> float | None:
        """Magnification of objects at the isocenter; None if the isocenter is unknown."""
        return None if self.source_to_isocenter_mm is None else self.sdd_mm / self.source_to_isocenter_mm

    @classmethod
    def from_camera(
        cls,
        camera: Camera,
        anatomical_from_world: Tensor,
        *,
        isocenter_world: ArrayLike | None = None,
        kvp: float | None = None,
        mas: float | None = None,
        body_part: str | None = None,
        laterality: str | None = None,
    ) -> Self:
        """The header of a radiograph from a camera and the patient's position in the room.

        Args:
            camera: position of source and detector; a single camera with a point source.
            anatomical_from_world: transform [4, 4] into the patient's RAS frame, mm.
            isocenter_world: point [3] about which the arm turns, mm; None if there is none.
            kvp: tube voltage, kV.
            mas: tube load, mAs; see `deepdrr.detector.equivalent_mas`.
            body_part: DICOM's defined term, e.g. `"PELVIS"`.
            laterality: `"L"` or `"R"` for a paired body part.

        Raises:
            ValueError: if the camera is batched or orthographic, or the isocenter is behind the source.
        """
        if camera.batch_shape or camera.orthographic:
            kind = "orthographic" if camera.orthographic else f"batched {tuple(camera.batch_shape)}"
            raise ValueError(f"camera must be one camera with a point source, got a {kind} one")
        between_rows, between_columns = camera.pixel_spacing_mm
        return cls(
            sdd_mm=float(camera.sdd_mm),
            pixel_spacing_mm=(float(between_rows), float(between_columns)),
            positioner_angles_deg=positioner_angles(camera, anatomical_from_world),
            patient_orientation=_patient_orientation(camera, anatomical_from_world),
            source_to_isocenter_mm=None if isocenter_world is None else _depth(camera, isocenter_world),
            kvp=kvp,
            mas=mas,
            body_part=body_part,
            laterality=laterality,
        )


def _depth(camera: Camera, point_world: ArrayLike) -> float:
    point = as_point(point_world, "isocenter_world")
    depth = float(transform_points(camera.camera_from_world.double().cpu(), point)[2])
    if depth <= 0.0:
        raise ValueError(f"isocenter_world must be in front of the source, got a depth of {depth:g} mm")
    return depth


def _patient_orientation(camera: Camera, anatomical_from_world: Tensor) -> tuple[str, str]:
    """Directions of rows and columns as letters, the largest component first (PS3.3 C.7.6.1.1.1)."""
    corners = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]], dtype=camera.intrinsics.dtype)
    origin, right, down = camera.backproject(corners.to(camera.intrinsics.device)).detach().cpu().double()
    to_patient = anatomical_from_world.detach().cpu().double()
    return _letters(transform_directions(to_patient, right - origin)), _letters(
        transform_directions(to_patient, down - origin)
    )


def _letters(direction_ras: Tensor) -> str:
    """Letters of all components above a tenth (5.7°) of the direction, the largest first."""
    parts = (direction_ras / direction_ras.norm()).tolist()
    order = sorted(range(3), key=lambda axis: -abs(parts[axis]))
    return "".join(_LETTERS[axis][0 if parts[axis] > 0 else 1] for axis in order if abs(parts[axis]) > 0.1)


def _check_positive(value: float, name: str) -> None:
    if not 0.0 < value < math.inf:
        raise ValueError(f"{name} must be positive and finite, got {value}")
