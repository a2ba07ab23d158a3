"""`Annotations`: markups by name, in one frame."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Self

import torch
from torch import Tensor

from deepdrr.data.markups._markup import Box, Markup, Path, Plane, Point
from deepdrr.geometry import RAS_FROM_LPS, transform_points

__all__ = ["Annotations", "check_near"]

# A landmark of a bone that a CT cuts off lies some cm beyond it; another frame of reference is further away.
_FAR_MM = 100.0


class Annotations(Mapping[str, Markup]):
    """Points, paths, planes and boxes by name, in mm in one frame: the patient's RAS, a tool's own, or the room's.

    Args:
        markups: in order; no two of a name.

    Raises:
        TypeError: if one is no markup.
        ValueError: if two have a name.

    Example:
        >>> notes = Annotations([Point("tip", (0, 0, 10)), Path("shaft", [(0, 0, 10), (0, 0, 90)])])
        >>> list(notes), notes["shaft"].kind
        (['tip', 'shaft'], 'line')
        >>> notes.points
        {'tip': tensor([ 0.,  0., 10.], dtype=torch.float64)}
    """

    def __init__(self, markups: Iterable[Markup] = ()) -> None:
        self._markups: dict[str, Markup] = {}
        for one in markups:
            if not isinstance(one, Point | Path | Plane | Box):
                raise TypeError(f"markups must be points, paths, planes and boxes, got {one!r}")
            if one.name in self._markups:
                raise ValueError(f"markups must have different names, got {one.name!r} twice")
            self._markups[one.name] = one

    def __getitem__(self, name: str) -> Markup:
        return self._markups[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._markups)

    def __len__(self) -> int:
        return len(self._markups)

    def __repr__(self) -> str:
        return f"Annotations({', '.join(f'{type(one).__name__} {name!r}' for name, one in self.items())})"

    @property
    def points(self) -> dict[str, Tensor]:
        """The landmarks that have a place, by name: [3] each, mm."""
        found = ((name, one.position_mm) for name, one in self.items() if isinstance(one, Point))
        return {name: position.clone() for name, position in found if position is not None}

    def moved(self, b_from_a: Tensor) -> Self:
        """The same in another frame.

        Args:
            b_from_a: rigid transform [4, 4], such as `volume.world_from_anatomical`.
        """
        return type(self)(one.moved(b_from_a) for one in self.values())


def check_near(
    annotations: Annotations, shape: tuple[int, int, int], anatomical_from_ijk: Tensor, what: str = "landmarks"
) -> None:
    """Refuse annotations most of which lie far outside a CT: they are in another frame of reference.

    Far is more than 100 mm beyond the box of all voxels, along any of its axes; most is more than half of all points,
    the corners of planes and boxes among them.

    Args:
        annotations: in RAS mm.
        shape: voxels of the CT.
        anatomical_from_ijk: affine [4, 4] from voxel centres to RAS mm.
        what: what the annotations are, for the error.

    Raises:
        ValueError: if they are; the sentence says whether they would fit with the first two signs turned.
    """
    points = torch.cat([torch.zeros(0, 3, dtype=torch.float64), *(one.points_mm for one in annotations.values())])
    outside = _outside_mm(points, shape, anatomical_from_ijk)
    far = outside > _FAR_MM
    if 2 * int(far.sum()) <= len(points):
        return
    flipped = _outside_mm(transform_points(RAS_FROM_LPS, points), shape, anatomical_from_ijk) > _FAR_MM
    hint = "; with R and A negated they fit: are they LPS?" if 2 * int(flipped.sum()) <= len(points) else ""
    raise ValueError(
        f"{what} must be in the CT's frame of reference, but {int(far.sum())} of {len(points)} points lie more than "
        f"{_FAR_MM:g} mm outside the CT, up to {float(outside.max()):.0f} mm{hint}"
    )


def _outside_mm(points: Tensor, shape: tuple[int, int, int], anatomical_from_ijk: Tensor) -> Tensor:
    """How far points [N, 3] lie beyond the box of all voxels, along the axis on which it is most [N], mm."""
    ijk_from_anatomical = torch.linalg.inv(anatomical_from_ijk)
    ijk = transform_points(ijk_from_anatomical, points)
    spacing = anatomical_from_ijk[:3, :3].norm(dim=0)
    last = torch.tensor(shape, dtype=torch.float64) - 0.5
    beyond = torch.maximum(-0.5 - ijk, ijk - last).clamp_min(0.0) * spacing
    furthest: Tensor = beyond.amax(dim=-1)
    return furthest
