"""From a camera back to the numbers of a C-arm: the angles of a DICOM header, the arguments of `Camera.carm`."""

from typing import TypedDict

from torch import Tensor

from deepdrr.camera._camera import Camera
from deepdrr.camera._conversions import arm_rotation
from deepdrr.geometry import (
    ArrayLike,
    as_point,
    beam_angles,
    carm_angles,
    in_double,
    transform_directions,
    transform_points,
)

__all__ = ["CArmParameters", "carm_parameters", "positioner_angles"]

# mm and pixels: far above the rounding of float64 or float32 matrices, far below what a picture shows.
_TOLERANCE = 1e-3


class CArmParameters(TypedDict):
    """The arguments of `Camera.carm`."""

    sdd_mm: float
    sid_mm: float
    height: int
    width: int
    pixel_mm: float
    angles_deg: tuple[float, float, float]
    isocenter: tuple[float, float, float]
    viewed_from: str


def carm_parameters(camera: Camera, isocenter: ArrayLike) -> CArmParameters:
    """The numbers of the C-arm that takes such a picture, the inverse of `Camera.carm`.

    Args:
        camera: an unbatched perspective camera with square pixels, its principal axis through the detector's centre.
        isocenter: point of the world [3] on the principal axis between source and detector, mm. A camera does not
            know about which point of its axis the arm turns.

    Returns:
        Arguments of `Camera.carm`, which make the same camera.

    Raises:
        ValueError: if no C-arm can take the place of this camera.

    Example:
        >>> camera = Camera.carm(sdd_mm=1020, sid_mm=530, height=64, width=64, pixel_mm=4.0, angles_deg=(30, 10, 0))
        >>> [round(a, 6) + 0.0 for a in carm_parameters(camera, (0, 0, 0))["angles_deg"]]
        [30.0, 10.0, 0.0]
    """
    if camera.batch_shape or camera.orthographic:
        raise ValueError(
            f"camera must be unbatched and perspective, got batch shape {tuple(camera.batch_shape)}, "
            f"orthographic={camera.orthographic}"
        )
    (fx, skew, cx), (_, fy, cy), _ = camera.intrinsics.tolist()
    center = (camera.width / 2, camera.height / 2)
    off = max(abs(cx - center[0]), abs(cy - center[1]), abs(skew), abs(abs(fx) - abs(fy)))
    if off > _TOLERANCE or fy < 0:
        raise ValueError(
            f"camera must have square, unskewed pixels, its principal point at the detector's centre {center} and rows "
            f"running down, got intrinsics {camera.intrinsics.tolist()}"
        )
    x, y, sid_mm = transform_points(in_double(camera.camera_from_world), as_point(isocenter, "isocenter")).tolist()
    sdd_mm = float(camera.sdd_mm)
    if max(abs(x), abs(y)) > _TOLERANCE or not 0 < sid_mm < sdd_mm:
        raise ValueError(
            "isocenter must lie on the camera's principal axis between source and detector, got a point "
            f"({x:.3g}, {y:.3g}) mm off it at {sid_mm:.6g} mm of {sdd_mm:.6g} mm"
        )
    ix, iy, iz = as_point(isocenter, "isocenter").tolist()
    return CArmParameters(
        sdd_mm=sdd_mm,
        sid_mm=sid_mm,
        height=camera.height,
        width=camera.width,
        pixel_mm=sdd_mm / fy,
        angles_deg=carm_angles(arm_rotation(in_double(camera.camera_from_world.detach()))),
        isocenter=(ix, iy, iz),
        viewed_from="source" if fx > 0 else "detector",
    )


def positioner_angles(camera: Camera, anatomical_from_world: Tensor) -> tuple[float, float]:
    """Positioner primary and secondary angle (DICOM 0018,1510 and 0018,1511) of a camera about a patient.

    Args:
        camera: an unbatched camera.
        anatomical_from_world: transform [4, 4] into the patient's RAS frame, mm.

    Returns:
        (primary, secondary) in degrees: LAO and cranial positive.

    Raises:
        ValueError: if the camera is batched.
    """
    if camera.batch_shape:
        raise ValueError(f"camera must not be batched, got batch shape {tuple(camera.batch_shape)}")
    return beam_angles(transform_directions(anatomical_from_world, camera.principal_axis_world.detach()))
