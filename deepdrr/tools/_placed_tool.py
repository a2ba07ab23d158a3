"""`PlacedTool`: where a tool is in the room, and what it hangs on."""

from collections.abc import Mapping

import torch
from torch import Tensor

from deepdrr._names import unknown_name
from deepdrr._numbers import as_number
from deepdrr._state import NamedState
from deepdrr.geometry import ArrayLike, as_point, check_affine, check_rigid, invert_rigid, transform_points
from deepdrr.tools._attachment import OnTool, Parent, check_no_cycle, point_of, world_from_parent
from deepdrr.tools._pose import aligned, unit_vector

__all__ = ["PlacedTool"]


class PlacedTool(NamedState):
    """A named frame with named points, placed in the room, movable and scalable.

    Args:
        name: its name.
        key_points: named points [3] of its frame, mm.
    """

    def __init__(self, name: str, key_points: Mapping[str, ArrayLike]) -> None:
        self._key_points = {n: as_point(p, f"key point {n!r}") for n, p in key_points.items()}
        self._scale: Tensor = torch.ones((), dtype=torch.float64)
        self._parent: Parent | None = None
        self._parent_from_tool = torch.eye(4, dtype=torch.float64)
        self.name = name

    @property
    def name(self) -> str:
        """Its name, of which a scene has only one. It can be assigned."""
        return self._name

    @name.setter
    def name(self, name: str) -> None:
        if not isinstance(name, str) or not name.strip():
            raise TypeError(f"name must be a text that is not empty, got {name!r}")
        self._name = name

    @property
    def key_points(self) -> dict[str, Tensor]:
        """Named points [3] of its own frame, mm."""
        return {name: point.clone() for name, point in self._key_points.items()}

    @property
    def scale(self) -> Tensor:
        """Factor of its size about the origin of its own frame, a float64 scalar. It can be assigned."""
        return self._scale

    @scale.setter
    def scale(self, scale: Tensor | float) -> None:
        found = _scalar(scale, "scale")
        if not float(found.detach()) > 0:
            raise ValueError(f"scale must be one positive number, got {float(found.detach()):g}")
        self._scale = found

    # -- where it is -------------------------------------------------------------------------------------------------

    @property
    def rigid_world_from_tool(self) -> Tensor:
        """Rigid transform from its own frame to the room, without the scale, float64 [4, 4]."""
        above = world_from_parent(self._parent)
        return self._parent_from_tool if above is None else above @ self._parent_from_tool

    @property
    def parent_from_tool(self) -> Tensor:
        """Rigid transform from its own frame to that of what it hangs on, or to the room, float64 [4, 4]."""
        return self._parent_from_tool

    @property
    def world_from_tool(self) -> Tensor:
        """Transform from its own frame to the room, with the scale, float64 [4, 4].

        A rigid transform can be assigned to it; a gradient goes to it. The scale has its own attribute.
        """
        factors = torch.cat([self._scale.expand(3), torch.ones(1, dtype=torch.float64)])
        return self.rigid_world_from_tool * factors

    @world_from_tool.setter
    def world_from_tool(self, matrix: ArrayLike) -> None:
        checked = check_affine(matrix, "world_from_tool").to("cpu")
        check_rigid(checked, "world_from_tool")
        above = world_from_parent(self._parent)
        self._parent_from_tool = checked if above is None else invert_rigid(above) @ checked

    def point_in_world(self, name: str) -> Tensor:
        """A key point in the room [3], mm.

        Raises:
            ValueError: if there is no such point; near names are shown.
        """
        return transform_points(self.world_from_tool, self._key_point(name))

    @property
    def direction_in_world(self) -> Tensor:
        """The way its own +z looks, a unit vector [3]."""
        return self.rigid_world_from_tool[:3, 2]

    def align(self, *, tip: ArrayLike | str, direction: ArrayLike, roll_deg: float = 0.0, point: str = "tip") -> None:
        """Place the tool by a point and a direction.

        Args:
            tip: where the point comes to lie, world mm [3]; or the name of a landmark of what it hangs on.
            direction: where its +z looks, world [3], any length but zero.
            roll_deg: turn about its own axis, degrees.
            point: the key point that is placed; the origin if it has no tip.

        Example:
            >>> from deepdrr.tools import Tool
            >>> screw = Tool.make("bone screw", length_mm=40.0)
            >>> screw.align(tip=(0, 0, 10), direction=(0, -1, 0))
            >>> screw.point_in_world("head")
            tensor([ 0., 40., 10.], dtype=torch.float64)
        """
        scaled = self._key_point(point) * self._scale
        self.world_from_tool = aligned(scaled, self._point_in_world(tip, "tip"), direction, roll_deg)

    def insert(
        self, *, along: tuple[ArrayLike | str, ArrayLike | str], depth_mm: float | Tensor, roll_deg: float = 0.0
    ) -> None:
        """Drive the tool in along a line: its tip comes to lie `depth_mm` behind the entry, towards the target.

        Args:
            along: entry and target, each a point, world mm [3], or the name of a landmark of what it hangs on.
            depth_mm: from the entry to the tip, mm; negative before the entry. May carry a gradient.
            roll_deg: turn about its own axis, degrees.

        Example:
            >>> from deepdrr.tools import Tool
            >>> wire = Tool.make("k-wire")
            >>> wire.insert(along=((0, 100, 0), (0, 0, 0)), depth_mm=30)
            >>> wire.point_in_world("tip")
            tensor([ 0., 70.,  0.], dtype=torch.float64)
        """
        if len(along) != 2:
            raise ValueError(f"along must be two points, entry and target, got {len(along)}")
        entry, target = (self._point_in_world(p, name) for p, name in zip(along, ("entry", "target"), strict=True))
        way = unit_vector(target - entry, "target − entry")
        self.align(tip=entry + _scalar(depth_mm, "depth_mm") * way, direction=way, roll_deg=roll_deg)

    # -- what it hangs on --------------------------------------------------------------------------------------------

    @property
    def parent(self) -> Parent | None:
        """The volume or tool that it hangs on, or None."""
        return self._parent

    def attach(self, parent: Parent, *, parent_from_tool: ArrayLike | None = None) -> None:
        """Hang the tool on a volume or another tool: it moves with it from now on, but not with its scale.

        Args:
            parent: a `Volume`, whose frame is its patient's RAS frame, or a `Tool`.
            parent_from_tool: its pose in the parent's frame, a rigid transform [4, 4]; None leaves it where it is.

        Raises:
            TypeError: if the parent is neither.
            ValueError: if the parent hangs on this tool.

        Example:
            >>> from deepdrr.tools import Tool
            >>> nail, screw = Tool.make("nail"), Tool.make("bone screw")
            >>> screw.attach(nail)
            >>> nail.align(tip=(0, 0, 50), direction=(0, 0, 1))
            >>> screw.point_in_world("tip")
            tensor([ 0.,  0., 50.], dtype=torch.float64)
        """
        assert isinstance(self, OnTool)
        check_no_cycle(self, parent)
        here = self.rigid_world_from_tool
        self._parent = parent
        if parent_from_tool is None:
            above = world_from_parent(parent)
            assert above is not None  # there is a parent
            self._parent_from_tool = invert_rigid(above) @ here
        else:
            checked = check_affine(parent_from_tool, "parent_from_tool").to("cpu")
            check_rigid(checked, "parent_from_tool")
            self._parent_from_tool = checked

    def detach(self) -> None:
        """Let the tool stay where it is in the room."""
        here = self.rigid_world_from_tool
        self._parent, self._parent_from_tool = None, here

    def _key_point(self, name: str) -> Tensor:
        if name in self._key_points:
            return self._key_points[name]
        if name == "tip":
            return torch.zeros(3, dtype=torch.float64)
        raise unknown_name(f"key point of the tool {self.name!r}:", name, sorted(self._key_points))

    def _point_in_world(self, place: ArrayLike | str, name: str) -> Tensor:
        return point_of(self._parent, place) if isinstance(place, str) else as_point(place, name)


def _scalar(value: Tensor | float, name: str) -> Tensor:
    """A finite number, or a tensor of no axes, as float64; differentiable."""
    if not isinstance(value, Tensor):
        return torch.tensor(as_number(value, name), dtype=torch.float64)
    if value.ndim != 0 or value.is_complex() or value.dtype == torch.bool:
        raise TypeError(f"{name} must be one number, got {value.dtype} {tuple(value.shape)}")
    if not bool(torch.isfinite(value)):
        raise ValueError(f"{name} must be finite, got {float(value.detach())}")
    return value.to("cpu", torch.float64)
