"""`SimpleDevice`: source and detector held in free space, without joints."""

from dataclasses import replace

import torch
from torch import Tensor

from deepdrr._numbers import as_number
from deepdrr._state import NamedState
from deepdrr.camera import Camera
from deepdrr.device._checks import check_kind
from deepdrr.device._geometry import CArmGeometry
from deepdrr.geometry import ArrayLike, as_point, invert_rigid, rigid

__all__ = ["SimpleDevice"]

# Below this sine of the angle between the beam and `up` the picture's upright is rounding error.
_PARALLEL = 1e-6


class SimpleDevice(NamedState):
    """A device of any geometry that looks where it is told.

    Args:
        geometry: distances and detector; a mobile C-arm's by default.

    Until `set_view` is called it stands like a `MobileCArm` at zero angles about the world's origin.

    Example:
        >>> device = SimpleDevice()
        >>> device.set_view(point=(0, 0, 50), direction=(0, -1, 0), up=(0, 0, 1), source_to_point_mm=600)
        >>> device.camera.source_world
        tensor([  0., 600.,  50.], dtype=torch.float64)
    """

    INSTEAD = "set_view moves it; another geometry makes another SimpleDevice"

    def __init__(self, geometry: CArmGeometry | None = None) -> None:
        self._geometry = CArmGeometry() if geometry is None else geometry
        check_kind(self._geometry, CArmGeometry, "geometry")
        self._camera_from_world = self._geometry.camera().camera_from_world
        self._viewed_from = "detector"

    @property
    def geometry(self) -> CArmGeometry:
        """Distances and detector."""
        return self._geometry

    @property
    def camera(self) -> Camera:
        """The camera of the present view, float64."""
        camera = self._geometry.camera(viewed_from=self._viewed_from)
        return replace(camera, camera_from_world=self._camera_from_world.clone())

    def set_view(
        self,
        point: ArrayLike,
        direction: ArrayLike,
        up: ArrayLike,
        *,
        source_to_point_mm: float | None = None,
        source_to_point_fraction: float | None = None,
        viewed_from: str = "detector",
    ) -> None:
        """Look at a point along a direction.

        Args:
            point: point of the world [3] that falls on the detector's centre, mm.
            direction: of the beam at the centre, from source to detector [3], any length.
            up: direction of the world [3] that points up in the picture, as far as it is across the beam.
            source_to_point_mm: distance from the source to the point, mm; the geometry's `sid_mm` by default.
            source_to_point_fraction: the same as a fraction of the source-to-detector distance.
            viewed_from: side from which the picture is seen, as in `Camera.carm`.

        Raises:
            ValueError: if `up` is parallel to `direction`, one of them is zero, or the point is not between source and
                detector; the view is unchanged then.
        """
        target = as_point(point, "point")
        forward = _unit(direction, "direction")
        distance = self._source_to_point(source_to_point_mm, source_to_point_fraction)
        world_from_camera = rigid(_axes(forward, _unit(up, "up")), target - distance * forward)
        self._geometry.camera(viewed_from=viewed_from)  # a wrong side is refused before anything changes
        self._camera_from_world, self._viewed_from = invert_rigid(world_from_camera), viewed_from

    def __repr__(self) -> str:
        camera = self.camera
        x, y, z = camera.source_world.tolist()
        a, b, c = camera.principal_axis_world.tolist()
        return f"SimpleDevice(source=({x:g}, {y:g}, {z:g}) mm, direction=({a:g}, {b:g}, {c:g}), {self._geometry})"

    def _source_to_point(self, distance_mm: float | None, fraction: float | None) -> float:
        if distance_mm is not None and fraction is not None:
            raise ValueError("give source_to_point_mm or source_to_point_fraction, not both")
        if fraction is not None:
            part = as_number(fraction, "source_to_point_fraction")
            if not 0.0 < part < 1.0:
                raise ValueError(f"source_to_point_fraction must be between 0 and 1, got {part}")
            return part * self._geometry.sdd_mm
        distance = self._geometry.sid_mm if distance_mm is None else as_number(distance_mm, "source_to_point_mm")
        if not 0.0 < distance < self._geometry.sdd_mm:
            raise ValueError(
                f"source_to_point_mm must be between 0 and the source-to-detector distance of "
                f"{self._geometry.sdd_mm:g} mm, got {distance}"
            )
        return distance


def _unit(value: ArrayLike, name: str) -> Tensor:
    vector = as_point(value, name)
    length = float(vector.norm())
    if length == 0.0:
        raise ValueError(f"{name} must not be the zero vector, got [0, 0, 0]")
    return vector / length


def _axes(forward: Tensor, up: Tensor) -> Tensor:
    """Columns: the camera's x (right), y (down) and z (forward) in the world, [3, 3]."""
    right = torch.linalg.cross(forward, up)
    sine = float(right.norm())
    if sine < _PARALLEL:
        raise ValueError(f"up must not be parallel to direction, got {up.tolist()} and {forward.tolist()}")
    right = right / sine
    return torch.stack([right, torch.linalg.cross(forward, right), forward], dim=1)
