"""`Check`: a number, its reference and the largest difference that passes; `Figure` and `Group` around it."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["Check", "Curve", "Figure", "Group", "worst"]


@dataclass(frozen=True, kw_only=True)
class Check:
    """One row of the report.

    Attributes:
        name: what was looked at, with the setting.
        value: what the package gives.
        reference: what it should give.
        unit: of value and reference; "" for a pure number.
        source: where the reference comes from.
        limit: the largest difference that passes.
        kind: `"relative"`: the difference is a share of the reference; `"absolute"`: it has the value's unit.

    Example:
        >>> Check(name="HVL1", value=2.72, reference=2.734, unit="mm Al", source="SpekPy", limit=0.01).passed
        True
    """

    name: str
    value: float
    reference: float
    unit: str = ""
    source: str
    limit: float
    kind: Literal["relative", "absolute"] = "relative"

    @property
    def difference(self) -> float:
        """Value minus reference, relative or absolute; NaN for a relative difference from 0."""
        if self.kind == "absolute":
            return self.value - self.reference
        return self.value / self.reference - 1 if self.reference else math.nan

    @property
    def passed(self) -> bool:
        """Whether the difference is within the limit; never for NaN."""
        return abs(self.difference) <= self.limit

    @property
    def difference_text(self) -> str:
        """The difference as the report shows it."""
        return _amount(self.difference, self.kind, self.unit, "+")

    @property
    def limit_text(self) -> str:
        """The limit as the report shows it."""
        return "±" + _amount(self.limit, self.kind, self.unit, "")


@dataclass(frozen=True)
class Curve:
    """One line of a figure; references are drawn as dots."""

    label: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    dots: bool = False


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A plot of the report: curves over common axes."""

    title: str
    x_label: str
    y_label: str
    curves: tuple[Curve, ...]
    log_x: bool = False
    log_y: bool = False


@dataclass(frozen=True, kw_only=True)
class Group:
    """Checks that belong together.

    Attributes:
        title: heading.
        text: what is compared with what, in a few sentences.
        checks: the rows.
        figures: the plots.
    """

    title: str
    text: str
    checks: tuple[Check, ...]
    figures: tuple[Figure, ...] = field(default=())

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that did not pass."""
        return tuple(check for check in self.checks if not check.passed)


def worst(checks: Iterable[Check]) -> Check:
    """The check that is nearest to its limit, or furthest beyond it; a NaN is beyond every limit."""

    def share(check: Check) -> float:
        used = abs(check.difference) / check.limit
        return math.inf if math.isnan(used) else used

    return max(checks, key=share)


def _amount(value: float, kind: str, unit: str, sign: str) -> str:
    if kind == "relative":
        return f"{100 * value:{sign}.2g} %"
    return f"{value:{sign}.2g} {unit}".rstrip()
