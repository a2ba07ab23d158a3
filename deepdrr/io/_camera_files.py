"""Cameras of X-rays: read from DICOM headers, read from and written to JSON files."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from deepdrr._atomic import atomic_path
from deepdrr._door import shown
from deepdrr._names import unknown_name
from deepdrr._numbers import as_number
from deepdrr._structured import read_fields
from deepdrr.camera import Camera
from deepdrr.geometry import ArrayLike, check_rigid
from deepdrr.io._metadata import RadiographMetadata
from deepdrr.io._xray_header import XrayHeader

__all__ = ["camera_of_header", "read_cameras", "write_cameras"]

Value = TypeVar("Value")

_POSE, _K = "anatomical_from_camera", "intrinsics"
_ANGLES = ("alpha_deg", "beta_deg", "gamma_deg", "sid_mm", "isocenter_mm", "viewed_from")
_FIELDS = (
    "xray",
    "height",
    "width",
    "sdd_mm",
    _K,
    "pixel_mm",
    "principal_point_px",
    _POSE,
    *_ANGLES,
)


def camera_of_header(
    header: XrayHeader,
    height: int,
    width: int,
    isocenter: ArrayLike,
    what: str,
    *,
    gamma_deg: float = 0.0,
    viewed_from: str = "detector",
) -> Camera:
    """The camera that a DICOM header describes, in the patient's frame (RAS).

    The header's angles refer to the patient, so the position on the table does not matter. Patient Orientation tells
    how the picture was mirrored or turned.

    Args:
        header: the header of the X-ray.
        height, width: its rows and columns.
        isocenter: point [3] about which the arm turned, RAS mm; headers do not contain it.
        what: name of the X-ray, for errors.
        gamma_deg, viewed_from: turn and side of the picture if Patient Orientation is missing, see `Camera.carm`.

    Raises:
        ValueError: if a distance, the pixel spacing or the angles are missing, or no turn matches the orientation.
    """
    sdd_mm, sid_mm = _stated(header.sdd_mm, "sdd_mm", what), _stated(header.sid_mm, "sid_mm", what)
    rows_mm, columns_mm = _stated(header.pixel_spacing_mm, "pixel_mm", what)
    primary, secondary = _stated(header.positioner_angles_deg, "the positioner's angles", what)

    def made(gamma: float, side: str) -> Camera:
        camera = Camera.carm(
            sdd_mm=sdd_mm,
            sid_mm=sid_mm,
            height=height,
            width=width,
            pixel_mm=rows_mm,
            angles_deg=(primary, secondary, gamma),
            isocenter=isocenter,
            viewed_from=side,
        )
        intrinsics = camera.intrinsics.clone()
        intrinsics[0, 0] *= rows_mm / columns_mm
        return replace(camera, intrinsics=intrinsics)

    if header.patient_orientation is None:
        return made(gamma_deg, viewed_from)
    wanted = tuple(letters[:1] for letters in header.patient_orientation)
    for side in ("detector", "source"):
        for gamma in (0.0, 180.0, 90.0, -90.0):
            camera = made(gamma, side)
            found = RadiographMetadata.from_camera(camera, torch.eye(4, dtype=torch.float64)).patient_orientation
            if tuple(letters[:1] for letters in found) == wanted:
                return camera
    shown = "\\".join(header.patient_orientation)
    raise ValueError(f"{what} has Patient Orientation {shown}, which no turn of a camera at its angles gives")


def read_cameras(path: str | os.PathLike[str], sizes: Sequence[tuple[int, int]]) -> list[Camera]:
    """Read cameras in the patient's frame (RAS) from a JSON or YAML file such as `write_cameras` writes.

    The file holds a list `views`, and for each X-ray

    - `sdd_mm`, and `intrinsics` (K, 3×3, pixels) or `pixel_mm` (one number, or rows and columns) with an optional
      `principal_point_px` (u, v);
    - `anatomical_from_camera` (4×4, mm), or `alpha_deg`, `beta_deg`, `gamma_deg`, `sid_mm`, `isocenter_mm` (R, A, S)
      and `viewed_from`;
    - optionally `height` and `width`, which must be those of the image.

    Args:
        path: the file.
        sizes: rows and columns of the X-rays, in order.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if it is not such a file, or does not match these X-rays.
    """
    file = Path(path)
    views = read_fields(path, "init").get("views")
    if not isinstance(views, list) or len(views) != len(sizes) or not all(isinstance(v, dict) for v in views):
        count = len(views) if isinstance(views, list) else "none"
        raise ValueError(f"'{file}' must hold views, one for each of {len(sizes)} X-rays, got {count}")
    return [
        _camera(view, size, f"view {number} of '{file}'")
        for number, (view, size) in enumerate(zip(views, sizes, strict=True), 1)
    ]


def write_cameras(
    path: str | os.PathLike[str], cameras: Sequence[Camera], xrays: Sequence[str], about: Mapping[str, Any]
) -> None:
    """Write cameras in the patient's frame as JSON, whole or not at all.

    Args:
        path: the file; its folder must exist.
        cameras: one per X-ray, unbatched; their world is the patient's frame (RAS).
        xrays: names of the X-rays.
        about: further fields at the top of the file.

    Raises:
        ValueError: if one of them holds NaN or infinity, which JSON has no word for.
        OSError: if the file cannot be written.
    """
    views = [
        {
            "xray": name,
            "height": camera.height,
            "width": camera.width,
            "sdd_mm": float(camera.sdd_mm),
            _K: camera.intrinsics.cpu().double().tolist(),
            _POSE: camera.world_from_camera.cpu().double().tolist(),
        }
        for camera, name in zip(cameras, xrays, strict=True)
    ]
    content = {"frame": "RAS", "unit": "mm", **about, "views": views}
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def _camera(view: dict[str, Any], size: tuple[int, int], what: str) -> Camera:
    for name in view:
        if name not in _FIELDS:
            raise unknown_name(f"field of {what}:", str(name), _FIELDS)
    stated = (view.get("height", size[0]), view.get("width", size[1]))
    if stated != size:
        raise ValueError(
            f"{what} is for {shown(stated[0])}×{shown(stated[1])} pixels, the X-ray has {size[0]}×{size[1]}"
        )
    sdd_mm = _positive(view, "sdd_mm", what)
    intrinsics = _intrinsics(view, sdd_mm, size, what)
    _check_said_once(view, what)
    if _POSE in view:
        pose = _matrix(view[_POSE], (4, 4), _POSE, what)
        check_rigid(pose, f"{_POSE} of {what}")
        camera_from_world = torch.linalg.inv(pose)
        return Camera(intrinsics, camera_from_world, torch.tensor(sdd_mm, dtype=torch.float64), *size)
    angles = [_number(view.get(f"{name}_deg", 0.0), f"{name}_deg", what) for name in ("alpha", "beta", "gamma")]
    if not any(f"{name}_deg" in view for name in ("alpha", "beta")):
        raise ValueError(f"{what} must have {_POSE}, or alpha_deg and beta_deg, got {', '.join(map(str, view))}")
    if "isocenter_mm" not in view:
        raise ValueError(f"{what} must have isocenter_mm (R, A, S) beside its angles, got {', '.join(map(str, view))}")
    center = _matrix(view["isocenter_mm"], (3,), "isocenter_mm", what)
    viewed_from = view.get("viewed_from", "detector")
    if not isinstance(viewed_from, str):
        raise ValueError(f"viewed_from of {what} must be detector or source, got {shown(viewed_from)}")
    carm = Camera.carm(
        sdd_mm=sdd_mm,
        sid_mm=_positive(view, "sid_mm", what),
        height=size[0],
        width=size[1],
        pixel_mm=1.0,
        angles_deg=angles,
        isocenter=center,
        viewed_from=viewed_from,
    )
    intrinsics[0, 0] = intrinsics[0, 0].abs() * carm.intrinsics[0, 0].sign()
    return replace(carm, intrinsics=intrinsics)


def _check_said_once(view: dict[str, Any], what: str) -> None:
    """Refuse a pose or intrinsics that are given in two ways, of which one would be ignored."""
    for whole, parts in ((_POSE, _ANGLES), (_K, ("pixel_mm", "principal_point_px"))):
        both = [name for name in parts if name in view]
        if whole in view and both:
            raise ValueError(f"{what} must give {whole} or {', '.join(parts)}, got {whole} and {', '.join(both)}")


def _intrinsics(view: dict[str, Any], sdd_mm: float, size: tuple[int, int], what: str) -> Tensor:
    if _K in view:
        return _matrix(view[_K], (3, 3), _K, what)
    if "pixel_mm" not in view:
        raise ValueError(f"{what} must have {_K} or pixel_mm, got {', '.join(map(str, view))}")
    spacing = view["pixel_mm"] if isinstance(view["pixel_mm"], list) else [view["pixel_mm"]] * 2
    rows_mm, columns_mm = _matrix(spacing, (2,), "pixel_mm", what).tolist()
    if not (rows_mm > 0 and columns_mm > 0):
        raise ValueError(f"pixel_mm of {what} must be positive, got {shown(view['pixel_mm'])}")
    middle = view.get("principal_point_px", [size[1] / 2, size[0] / 2])
    u, v = _matrix(middle, (2,), "principal_point_px", what).tolist()
    return torch.tensor([[sdd_mm / columns_mm, 0, u], [0, sdd_mm / rows_mm, v], [0, 0, 1]], dtype=torch.float64)


def _matrix(value: object, shape: tuple[int, ...], name: str, what: str) -> Tensor:
    try:
        found = torch.tensor(value, dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError):
        found = torch.zeros(0)
    if tuple(found.shape) != shape or not bool(torch.isfinite(found).all()):
        raise ValueError(f"{name} of {what} must be {'×'.join(map(str, shape))} finite numbers, got {shown(value)}")
    return found


def _positive(view: dict[str, Any], name: str, what: str) -> float:
    value = _number(_stated(view.get(name), name, what), name, what)
    if value <= 0:
        raise ValueError(f"{name} of {what} must be positive, got {value:g}")
    return value


def _number(value: object, name: str, what: str) -> float:
    try:
        return as_number(value, name)
    except (TypeError, ValueError):
        raise ValueError(f"{name} of {what} must be a finite number, got {shown(value)}") from None


def _stated(value: Value | None, name: str, what: str) -> Value:
    if value is None:
        raise ValueError(f"{what} does not state {name}: give it")
    return value
