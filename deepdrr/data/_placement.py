"""`PlacedGrid`: a voxel grid in the patient, and the patient in the room."""

import torch
from torch import Tensor

from deepdrr._names import unknown_name
from deepdrr._state import NamedState
from deepdrr.data.markups._annotations import Annotations
from deepdrr.geometry import (
    ArrayLike,
    as_point,
    check_affine,
    check_rigid,
    invert_rigid,
    rigid,
    rotation,
    rotation_about,
    transform_points,
    translation,
)

__all__ = ["PlacedGrid"]


class PlacedGrid(NamedState):
    """Where the voxels are in the patient (fixed), and where the patient is in the room (movable).

    Args:
        shape: voxels along i, j, k.
        anatomical_from_ijk: affine from voxel centres (integers) to RAS mm, [4, 4].
        annotations: named points and what else is marked in the patient, RAS mm.
    """

    INSTEAD = "with_labels, crop, resample and from_array make another, and world_from_anatomical can be assigned"

    def __init__(
        self,
        shape: tuple[int, int, int],
        anatomical_from_ijk: ArrayLike,
        annotations: Annotations,
    ) -> None:
        self._shape = shape
        self._anatomical_from_ijk = check_affine(anatomical_from_ijk, "anatomical_from_ijk").clone()
        self._world_from_anatomical = torch.eye(4, dtype=torch.float64)
        self._annotations = annotations

    # -- the grid in the patient -------------------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along i, j, k."""
        return self._shape

    @property
    def anatomical_from_ijk(self) -> Tensor:
        """Affine from voxel centres (integers) to RAS mm, float64 [4, 4]."""
        return self._anatomical_from_ijk.clone()

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance of neighbouring voxel centres along i, j, k, mm."""
        i, j, k = self._anatomical_from_ijk[:3, :3].norm(dim=0).tolist()
        return i, j, k

    @property
    def center_in_anatomical(self) -> Tensor:
        """Centre of the grid, RAS mm [3]."""
        middle = (torch.tensor(self._shape, dtype=torch.float64) - 1.0) / 2.0
        return transform_points(self._anatomical_from_ijk, middle)

    @property
    def landmarks(self) -> dict[str, Tensor]:
        """Named points, RAS mm [3] each."""
        return self._annotations.points

    @property
    def annotations(self) -> Annotations:
        """All that is marked in the patient, RAS mm: points, lines, curves, planes and boxes by name."""
        return self._annotations

    # -- the patient in the room -------------------------------------------------------------------------------------

    @property
    def world_from_anatomical(self) -> Tensor:
        """Rigid transform from the patient's RAS frame to the room, float64 [4, 4]. It can be assigned."""
        return self._world_from_anatomical.clone()

    @world_from_anatomical.setter
    def world_from_anatomical(self, matrix: ArrayLike) -> None:
        checked = check_affine(matrix, "world_from_anatomical").clone()
        check_rigid(checked, "world_from_anatomical")
        self._world_from_anatomical = checked

    @property
    def anatomical_from_world(self) -> Tensor:
        """Inverse of `world_from_anatomical`."""
        return invert_rigid(self._world_from_anatomical)

    @property
    def world_from_ijk(self) -> Tensor:
        """Affine from voxel centres to the room, mm."""
        return self._world_from_anatomical @ self._anatomical_from_ijk

    @property
    def ijk_from_world(self) -> Tensor:
        """Inverse of `world_from_ijk`."""
        inverse: Tensor = torch.linalg.inv(self.world_from_ijk)
        return inverse

    @property
    def center_in_world(self) -> Tensor:
        """Centre of the grid in the room, mm [3]."""
        return transform_points(self._world_from_anatomical, self.center_in_anatomical)

    def landmark_in_world(self, name: str) -> Tensor:
        """A landmark in the room.

        Args:
            name: one of `landmarks`.

        Returns:
            Point [3], mm.

        Raises:
            ValueError: if there is no such landmark; near names are shown.
        """
        return transform_points(self._world_from_anatomical, self._point(name))

    def orient_patient(
        self, *, head_first: bool = True, supine: bool = True, center: ArrayLike = (0.0, 0.0, 0.0)
    ) -> None:
        """Lay the patient on the table. What was done to the placement before is forgotten.

        Head first and supine, the patient's right, anterior and superior are the room's x, y and z. Prone is that
        turned by 180° about z, feet first by 180° about y.

        Args:
            head_first: head at the head end of the table.
            supine: on the back; face down otherwise.
            center: where the centre of the grid comes to lie, world mm [3]. The default is the isocenter of a C-arm
                that has not been moved.

        Example:
            >>> from deepdrr import Volume
            >>> from deepdrr.resources import resource_path
            >>> ct = Volume.from_nifti(resource_path("data/ct/pelvis.nii.gz"))
            >>> ct.orient_patient(head_first=True, supine=False)
            >>> ct.center_in_world.abs().max() < 1e-9
            tensor(True)
        """
        target = as_point(center, "center")
        turn = rotation((0, 0, 1), 0 if supine else 180) @ rotation((0, 1, 0), 0 if head_first else 180)
        self._world_from_anatomical = rigid(turn, target - turn @ self.center_in_anatomical)

    def place(self, point_anatomical: ArrayLike | str, point_world: ArrayLike) -> None:
        """Move the patient, without turning, until a point of the patient lies at a point of the room.

        Args:
            point_anatomical: RAS mm [3], or the name of a landmark.
            point_world: where it comes to lie, world mm [3].
        """
        self.translate(as_point(point_world, "point_world") - self.point_in_world(point_anatomical))

    def point_in_world(self, point_anatomical: ArrayLike | str) -> Tensor:
        """Where a point of the patient is in the room, mm [3].

        Args:
            point_anatomical: RAS mm [3], or the name of a landmark.
        """
        return transform_points(self._world_from_anatomical, self._point(point_anatomical))

    def translate(self, vector_world: ArrayLike) -> None:
        """Move the patient.

        Args:
            vector_world: displacement in the room, mm [3].
        """
        self._world_from_anatomical = translation(as_point(vector_world, "vector_world")) @ self._world_from_anatomical

    def rotate(self, axis: ArrayLike, degrees: float, center: ArrayLike | None = None) -> None:
        """Turn the patient.

        Args:
            axis: direction in the room [3].
            degrees: angle, right-handed.
            center: point of the room that stays where it is, mm [3]; the centre of the grid by default.
        """
        fixed = self.center_in_world if center is None else as_point(center, "center")
        self._world_from_anatomical = rotation_about(axis, degrees, fixed) @ self._world_from_anatomical

    def _point(self, point: ArrayLike | str) -> Tensor:
        """A point given by RAS coordinates or by a landmark's name."""
        if not isinstance(point, str):
            return as_point(point, "point_anatomical")
        landmarks = self._annotations.points
        if point in landmarks:
            return landmarks[point]
        raise unknown_name("landmark", point, sorted(landmarks))
