"""Where solids overlap each other and the anatomy: what is where along each ray."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from deepdrr._names import unknown_name
from deepdrr.tools._intervals import Intervals
from deepdrr.tools._solid import Solid

__all__ = ["Occupancy", "PairRules", "displacements", "settle"]

PairRules = Mapping[tuple[str, str], str]
"""For pairs of solids by name, which of the two is there where they overlap, or `"add"` for both."""


@dataclass(frozen=True, eq=False)
class Occupancy:
    """What is where along the rays.

    Attributes:
        present: the parts in which each solid is there.
        displaced: the parts in which there is no anatomy; their `solid` says nothing.
    """

    present: Intervals
    displaced: Intervals


def displacements(solids: Sequence[Solid], rules: PairRules | None = None) -> Tensor:
    """Which solid displaces what, bool [T, T + 1]: row by column; the last column is the anatomy.

    A solid displaces those of lower priority, and of its own priority those that come before it and those that add. One
    that adds displaces nothing.

    Args:
        solids: T solids, each with a name of its own.
        rules: for pairs of names, the name of the one that is there where both are, or `"add"`.

    Raises:
        TypeError: if the rules are no mapping.
        ValueError: for a name that no solid has, a pair of one solid or with two rules, or a rule that is neither of
            the two names nor `"add"`.
    """
    names = [solid.name for solid in solids]
    found = torch.zeros(len(solids), len(solids) + 1, dtype=torch.bool)
    for u, one in enumerate(solids):
        if one.mode == "add":
            continue
        found[u, -1] = True
        for v, other in enumerate(solids):
            later = v < u or other.mode == "add"
            found[u, v] = u != v and (one.priority > other.priority or (one.priority == other.priority and later))
    for (u, v), winner in _numbered(rules or {}, names):
        found[u, v], found[v, u] = winner == names[u], winner == names[v]
    return found


def _numbered(rules: PairRules, names: list[str]) -> Iterator[tuple[tuple[int, int], str]]:
    """The rules with numbers of solids."""
    if not isinstance(rules, Mapping):
        raise TypeError(f"rules must be a mapping from pairs of names to one of the two or 'add', got {rules!r}")
    pairs = []
    for pair, winner in rules.items():
        if not isinstance(pair, tuple) or len(pair) != 2 or pair[0] == pair[1]:
            raise ValueError(f"a rule must be of two solids, ('screw', 'plate'), got {pair!r}")
        for name in pair:
            if name not in names:
                raise unknown_name("solid", name, names)
        if winner not in (*pair, "add"):
            raise ValueError(f"the rule for {pair} must be one of the two, or 'add', got {winner!r}")
        if set(pair) in pairs:
            raise ValueError(f"each pair must have one rule, got two of {' and '.join(pair)}")
        pairs.append(set(pair))
        yield (names.index(pair[0]), names.index(pair[1])), winner


def settle(intervals: Intervals, displaces: Tensor) -> Occupancy:
    """What is where along the rays.

    A solid is there where a ray is inside it and inside none that displaces it.

    Args:
        intervals: the parts of rays inside each solid.
        displaces: which solid displaces what [T, T + 1], see `displacements`.
    """
    displaces = displaces.to(intervals.ray.device)
    shared = _shared(intervals)
    alone = intervals.chosen(~shared)
    without_anatomy = alone.chosen(displaces[alone.solid, -1])
    if not bool(shared.any()):
        return Occupancy(alone, without_anatomy)
    both = _swept(intervals.chosen(shared), displaces)
    return Occupancy(alone.and_those(both.present), without_anatomy.and_those(both.displaced))


def _shared(intervals: Intervals) -> Tensor:
    """Which parts are on a ray that is inside several solids, bool [K]."""
    ray, solid = intervals.ray, intervals.solid
    if intervals.solids < 2 or not len(ray):
        return torch.zeros_like(ray, dtype=torch.bool)
    last = solid.new_full((intervals.lines.shape.numel(),), -1)
    last[ray] = solid
    several = torch.zeros_like(last, dtype=torch.bool)
    several[ray[last[ray] != solid]] = True
    return several[ray]


def _swept(intervals: Intervals, displaces: Tensor) -> Occupancy:
    """The same from the ends of all parts of a ray, in order: what is inside changes only there."""
    count = len(intervals.ray)
    ends = torch.cat([intervals.enter, intervals.leave])
    order = torch.argsort(ends.detach(), stable=True)
    order = order[torch.argsort(intervals.ray.repeat(2)[order], stable=True)]
    part, ends = order % count, ends[order]
    ray, solid = intervals.ray[part], intervals.solid[part]
    changes = torch.zeros(2 * count, intervals.solids, dtype=torch.int16, device=ray.device)
    changes[torch.arange(2 * count, device=ray.device), solid] = torch.where(order < count, 1, -1).to(torch.int16)
    is_inside = changes.cumsum(dim=0) > 0  # up to the next end
    taken = (is_inside.float() @ displaces.float()) > 0

    def parts(there: Tensor) -> Intervals:
        """From where columns [E, C] begin to hold to where they end to; after the last end of a ray none does."""
        was = there.roll(1, dims=0)
        of, first = (there & ~was).T.nonzero(as_tuple=True)
        _, last = (~there & was).T.nonzero(as_tuple=True)
        found = Intervals(intervals.lines, intervals.solids, ray[first], of, ends[first], ends[last])
        return found.chosen((ends[last] > ends[first]).detach())

    return Occupancy(parts(is_inside & ~taken[:, :-1]), parts(taken[:, -1:]))
