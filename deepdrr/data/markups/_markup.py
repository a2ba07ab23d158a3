"""The kinds of markup: `Point`, `Path`, `Plane` and `Box`, in mm in one frame."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, product
from typing import Any, Literal, Self, TypeAlias, get_args

import torch
from torch import Tensor

from deepdrr._names import unknown_name
from deepdrr._numbers import plain
from deepdrr.geometry import ArrayLike, as_point, transform_directions, transform_points

__all__ = ["Box", "Markup", "Path", "PathKind", "Plane", "Point", "Status"]

Rows: TypeAlias = ArrayLike | Sequence[Sequence[float]]
Status: TypeAlias = Literal["defined", "undefined", "missing"]
PathKind: TypeAlias = Literal["line", "angle", "curve", "closed curve"]

_FEWEST = {"line": 2, "angle": 3, "curve": 1, "closed curve": 1}
_EXACTLY = ("line", "angle")
_ROTATION_TOLERANCE = 1e-4  # files hold six digits or so; 3D Slicer writes all of them


@dataclass(frozen=True, eq=False)
class Point:
    """A landmark.

    Attributes:
        name: its name.
        position_mm: where it is [3], mm; None for one that is named but not placed.
        status: `"defined"`, `"undefined"`: still to be placed, or `"missing"`: this patient does not have it.

    Example:
        >>> Point("tip", (1, 2, 3)).position_mm
        tensor([1., 2., 3.], dtype=torch.float64)
        >>> Point("appendix", status="missing").points_mm.shape
        torch.Size([0, 3])
    """

    name: str
    position_mm: Tensor | None = None
    status: Status = "defined"

    def __init__(self, name: str, position_mm: ArrayLike | None = None, status: Status | None = None) -> None:
        found = ("undefined" if position_mm is None else "defined") if status is None else status
        if found not in get_args(Status):
            raise unknown_name("status of a point", found, get_args(Status))
        if (found == "defined") != (position_mm is not None):
            raise ValueError(f"position_mm of {name!r} must be given if, and only if, it is defined, got {position_mm}")
        point = None if position_mm is None else as_point(position_mm, f"landmark {name!r}").clone()
        _set(self, name=_checked_name(name), position_mm=point, status=found)

    @property
    def points_mm(self) -> Tensor:
        """The point [1, 3], or none [0, 3]."""
        return _none() if self.position_mm is None else self.position_mm[None]

    @property
    def edges(self) -> tuple[tuple[int, int], ...]:
        """A point has no lines."""
        return ()

    def moved(self, b_from_a: Tensor) -> Self:
        """The same in another frame, by a rigid transform [4, 4]."""
        if self.position_mm is None:
            return self
        return replace(self, position_mm=transform_points(b_from_a, self.position_mm))


@dataclass(frozen=True, eq=False)
class Path:
    """Points in order, joined by straight lines.

    Attributes:
        name: its name.
        points_mm: control points [N, 3], mm: two of a `"line"`, three of an `"angle"`, its vertex the second, and any
            number of a `"curve"` or a `"closed curve"`, whose last point is joined to the first.
        kind: what it is.
    """

    name: str
    points_mm: Tensor
    kind: PathKind = "line"

    def __init__(self, name: str, points_mm: Rows, kind: PathKind = "line") -> None:
        if kind not in get_args(PathKind):
            raise unknown_name("kind of a path", kind, get_args(PathKind))
        points = _as_points(points_mm, f"points_mm of {name!r}")
        fewest, exactly = _FEWEST[kind], kind in _EXACTLY
        if len(points) < fewest or (exactly and len(points) != fewest):
            wanted = f"{'' if exactly else 'at least '}{fewest}"
            raise ValueError(f"{name!r} must have {wanted} points as a {kind}, got {len(points)}")
        _set(self, name=_checked_name(name), points_mm=points, kind=kind)

    @property
    def edges(self) -> tuple[tuple[int, int], ...]:
        """Pairs of points that are joined."""
        joined = tuple(pairwise(range(len(self.points_mm))))
        closed = self.kind == "closed curve" and len(self.points_mm) > 2
        return (*joined, (len(self.points_mm) - 1, 0)) if closed else joined

    def moved(self, b_from_a: Tensor) -> Self:
        """The same in another frame, by a rigid transform [4, 4]."""
        return replace(self, points_mm=transform_points(b_from_a, self.points_mm))


@dataclass(frozen=True, eq=False)
class Plane:
    """A rectangle of a plane.

    Attributes:
        name: its name.
        center_mm: its middle [3], mm.
        axes: rotation [3, 3]; its columns are the directions of the two sides and the normal.
        size_mm: lengths of the two sides.
    """

    name: str
    center_mm: Tensor
    axes: Tensor
    size_mm: tuple[float, ...]

    def __init__(self, name: str, center_mm: ArrayLike, axes: Rows, size_mm: ArrayLike = (100.0, 100.0)) -> None:
        _set(self, name=_checked_name(name), **_placed(name, center_mm, axes, size_mm, 2))

    @property
    def points_mm(self) -> Tensor:
        """Its four corners, around it [4, 3], mm."""
        signs = torch.tensor([(-1, -1, 0), (1, -1, 0), (1, 1, 0), (-1, 1, 0)], dtype=torch.float64)
        return _corners(self, signs)

    @property
    def edges(self) -> tuple[tuple[int, int], ...]:
        """Pairs of corners that are joined."""
        return (0, 1), (1, 2), (2, 3), (3, 0)

    def moved(self, b_from_a: Tensor) -> Self:
        """The same in another frame, by a rigid transform [4, 4]."""
        return replace(self, **_turned(self, b_from_a))


@dataclass(frozen=True, eq=False)
class Box:
    """A box, of any orientation.

    Attributes:
        name: its name.
        center_mm: its middle [3], mm.
        axes: rotation [3, 3]; its columns are the directions of the edges.
        size_mm: lengths of the edges.
    """

    name: str
    center_mm: Tensor
    axes: Tensor
    size_mm: tuple[float, ...]

    def __init__(self, name: str, center_mm: ArrayLike, axes: Rows, size_mm: ArrayLike) -> None:
        _set(self, name=_checked_name(name), **_placed(name, center_mm, axes, size_mm, 3))

    @property
    def points_mm(self) -> Tensor:
        """Its eight corners [8, 3], mm."""
        return _corners(self, torch.tensor(list(product((-1, 1), repeat=3)), dtype=torch.float64))

    @property
    def edges(self) -> tuple[tuple[int, int], ...]:
        """Pairs of corners that are joined: those that differ in one sign."""
        return tuple((a, a | bit) for a in range(8) for bit in (1, 2, 4) if not a & bit)

    def moved(self, b_from_a: Tensor) -> Self:
        """The same in another frame, by a rigid transform [4, 4]."""
        return replace(self, **_turned(self, b_from_a))


Markup: TypeAlias = Point | Path | Plane | Box


def _set(record: object, **fields: object) -> None:
    for name, value in fields.items():
        object.__setattr__(record, name, value)


def _turned(one: Plane | Box, b_from_a: Tensor) -> dict[str, Any]:
    return {
        "center_mm": transform_points(b_from_a, one.center_mm),
        "axes": transform_directions(b_from_a, one.axes.T).T,
    }


def _corners(one: Plane | Box, signs: Tensor) -> Tensor:
    half = torch.zeros(3, dtype=torch.float64)
    half[: len(one.size_mm)] = torch.tensor(one.size_mm, dtype=torch.float64) / 2
    return one.center_mm + (signs * half) @ one.axes.T


def _placed(name: str, center_mm: ArrayLike, axes: Rows, size_mm: ArrayLike, count: int) -> dict[str, object]:
    turn = torch.as_tensor(plain(axes), dtype=torch.float64)
    if turn.shape != (3, 3):
        raise ValueError(f"axes of {name!r} must be a rotation [3, 3], got shape {tuple(turn.shape)}")
    error = (turn.T @ turn - torch.eye(3, dtype=torch.float64)).abs().max()
    if not (float(error) < _ROTATION_TOLERANCE and float(torch.linalg.det(turn)) > 0):
        raise ValueError(f"axes of {name!r} must be a rotation: columns of length 1, right-handed, got {turn.tolist()}")
    size = torch.as_tensor(plain(size_mm), dtype=torch.float64)
    if size.shape != (count,) or not bool((size.isfinite() & (size > 0)).all()):
        raise ValueError(f"size_mm of {name!r} must be {count} positive lengths, got {size.tolist()}")
    center = as_point(center_mm, f"center_mm of {name!r}").clone()
    return {"center_mm": center, "axes": turn.clone(), "size_mm": tuple(size.tolist())}


def _as_points(points: Rows, what: str) -> Tensor:
    try:
        found = torch.as_tensor(plain(points), dtype=torch.float64).clone()
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(f"{what} must be points of three coordinates in mm, got {points!r}") from error
    if found.dim() != 2 or found.shape[1] != 3:
        raise ValueError(f"{what} must be points [N, 3], got shape {tuple(found.shape)}")
    if not bool(found.isfinite().all()):
        raise ValueError(f"{what} must be finite, got {found.tolist()}")
    return found


def _none() -> Tensor:
    return torch.zeros(0, 3, dtype=torch.float64)


def _checked_name(name: object) -> str:
    if not isinstance(name, str) or not name.strip():
        raise ValueError(f"a markup must have a name, got {name!r}")
    return name
