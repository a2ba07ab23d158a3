"""`Intervals`: the parts of rays that are inside solids."""

from dataclasses import dataclass

import torch
from torch import Tensor

from deepdrr.tools.crossings._cross import Crossings
from deepdrr.tools.crossings._lines import Lines

__all__ = ["Intervals", "inside", "parts_between"]


@dataclass(frozen=True, eq=False)
class Intervals:
    """K parts of rays, each inside one solid; those of one ray in one solid follow each other and do not overlap.

    Attributes:
        lines: the rays.
        solids: how many solids there are.
        ray: number of the ray [K], by view, row and column.
        solid: number of the solid [K].
        enter, leave: ends of the part [K], 0 at the source and 1 at the target; float64, differentiable.
    """

    lines: Lines
    solids: int
    ray: Tensor
    solid: Tensor
    enter: Tensor
    leave: Tensor

    @property
    def ray_mm(self) -> Tensor:
        """Length of the whole ray of each part [K], mm; differentiable. Computed when asked for."""
        return self.lines.length_mm(self.ray)

    @property
    def length_mm(self) -> Tensor:
        """Length of each part [K], mm."""
        return (self.leave - self.enter) * self.ray_mm

    def chosen(self, which: Tensor) -> "Intervals":
        """Some of them, by a mask or by numbers."""
        return Intervals(self.lines, self.solids, *(tensor[which] for tensor in self._tensors))

    def and_those(self, other: "Intervals") -> "Intervals":
        """These and others of the same rays and solids."""
        pairs = zip(self._tensors, other._tensors, strict=True)
        return Intervals(self.lines, self.solids, *(torch.cat(pair) for pair in pairs))

    @property
    def _tensors(self) -> tuple[Tensor, ...]:
        return self.ray, self.solid, self.enter, self.leave


def inside(crossings: Crossings) -> Intervals:
    """The parts of rays between source and target, or between their limits, around which a surface winds.

    Args:
        crossings: where the rays cross the surfaces, see `cross`.

    Raises:
        RuntimeError: if a surface is crossed inwards more often than outwards, which no closed one is.
    """
    after = crossings.winding.long().cumsum(dim=0)  # of each ray and solid it ends with 0
    if len(after) and int(after[-1]) != 0:
        raise RuntimeError("a solid's surface is not closed: rays leave it less often than they enter it")
    before = after - crossings.winding
    enter = ((after > 0) & (before <= 0)).nonzero()[:, 0]
    leave = ((after <= 0) & (before > 0)).nonzero()[:, 0]
    return parts_between(crossings, crossings.solid[enter].long(), enter, leave)


def parts_between(crossings: Crossings, solid: Tensor, first: Tensor, last: Tensor) -> Intervals:
    """The parts of rays from one crossing to another that lie between source and target, or between their limits.

    Args:
        crossings: the crossings.
        solid: number of the solid of each part [K].
        first, last: numbers of the crossings [K] in which each part begins and ends.
    """
    ray, t = crossings.ray[first], crossings.t
    start, stop = crossings.lines.limits(ray)
    enter = torch.maximum(t[first], torch.as_tensor(start).to(t))
    leave = torch.minimum(t[last], torch.as_tensor(stop).to(t))
    kept = (leave > enter).detach()
    if not bool(kept.all()):
        ray, solid, enter, leave = ray[kept], solid[kept], enter[kept], leave[kept]
    return Intervals(crossings.lines, crossings.solids, ray, solid, enter, leave)
