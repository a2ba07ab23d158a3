"""Poses of tools: a point and the way it looks."""

import math

import torch
from torch import Tensor

from deepdrr._numbers import as_number
from deepdrr.geometry import ArrayLike, as_point

__all__ = ["aligned", "unit_vector"]

_SHORTEST_MM = 1e-9
_OPPOSITE = 1e-24  # sin² of the angle to −z: below it, the smallest turn from z to the direction is not unique


def unit_vector(direction: ArrayLike, name: str) -> Tensor:
    """A direction of length one, float64 [3]; differentiable.

    Raises:
        ValueError: if it is zero.
    """
    found = as_point(direction, name)
    length = found.norm()
    if float(length.detach()) < _SHORTEST_MM:
        raise ValueError(f"{name} must not be the zero vector, got {found.tolist()}")
    unit: Tensor = found / length
    return unit


def aligned(point_tool: Tensor, point_world: ArrayLike, direction_world: ArrayLike, roll_deg: float = 0.0) -> Tensor:
    r"""The pose that has a point of a tool at a point of the room, and the tool's +z along a direction.

    The turn is the smallest from z to the direction d, \( R = I + [v]_\times + [v]_\times^2 / (1 + z \cdot d) \) with
    \( v = z \times d \), after a roll about z. For the opposite direction it is half a turn about x.

    Args:
        point_tool: [3] in the tool's frame, mm.
        point_world: where it comes to lie [3], mm.
        direction_world: where +z looks [3], any length but zero.
        roll_deg: turn about the tool's z before, degrees.

    Returns:
        world_from_tool, float64 [4, 4]; differentiable with respect to points and direction.

    Raises:
        ValueError: if the direction is zero, or a number is not finite.

    Example:
        >>> aligned(torch.zeros(3), (1, 2, 3), (0, 0, 5))[:3, 3]
        tensor([1., 2., 3.], dtype=torch.float64)
    """
    target = as_point(point_world, "point_world")
    turn = _turn_from_z(unit_vector(direction_world, "direction")) @ _about_z(as_number(roll_deg, "roll_deg"))
    offset = target - turn @ point_tool.to(torch.float64)
    last = torch.tensor([[0.0, 0.0, 0.0, 1.0]], dtype=torch.float64)
    return torch.cat([torch.cat([turn, offset[:, None]], dim=1), last])


def _turn_from_z(direction: Tensor) -> Tensor:
    x, y, z = direction.unbind()
    across, share = x * x + y * y, 1 / (1 + z)
    if float(z.detach()) < 0:
        if float(across.detach()) < _OPPOSITE:
            return torch.diag(torch.tensor([1.0, -1.0, -1.0], dtype=torch.float64))
        share = (1 - z) / across  # the same number, without the difference of 1 and almost 1
    # The formula of the docstring with v = (−y, x, 0), multiplied out.
    rows = [[1 - x * x * share, -x * y * share, x], [-x * y * share, 1 - y * y * share, y], [-x, -y, z]]
    return torch.stack([torch.stack(row) for row in rows])


def _about_z(degrees: float) -> Tensor:
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return torch.tensor([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]], dtype=torch.float64)
