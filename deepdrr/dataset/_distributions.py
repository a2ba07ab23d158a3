"""Distributions of numbers and words by name, as plans give them."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np

from deepdrr._door import shown
from deepdrr._names import unknown_name

__all__ = [
    "DISTRIBUTIONS",
    "Choice",
    "Distribution",
    "Fixed",
    "LogUniform",
    "TruncatedNormal",
    "Uniform",
    "check_numbers",
    "distribution_of",
]

Value: TypeAlias = float | str


class Distribution(Protocol):
    """Where the values of a field come from."""

    def draw(self, generator: np.random.Generator) -> Value:
        """A value."""

    @property
    def values(self) -> tuple[Value, ...]:
        """The ends of an interval, or all values there are: what a field checks once for all draws."""


@dataclass(frozen=True)
class Fixed:
    """The same value for every sample.

    Attributes:
        value: the value.
    """

    value: Value

    def draw(self, generator: np.random.Generator) -> Value:
        """The value; nothing is drawn."""
        return self.value

    @property
    def values(self) -> tuple[Value, ...]:
        """The value."""
        return (self.value,)


@dataclass(frozen=True)
class Uniform:
    """Any number between two.

    Attributes:
        low, high: the ends.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        _check_ends(self.low, self.high, "uniform")

    def draw(self, generator: np.random.Generator) -> Value:
        """A number from low to high."""
        return float(generator.uniform(self.low, self.high))

    @property
    def values(self) -> tuple[Value, ...]:
        """The ends."""
        return self.low, self.high


@dataclass(frozen=True)
class LogUniform:
    """Any number between two positive ones, its logarithm uniform: each doubling is as likely.

    Attributes:
        low, high: the ends.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        _check_ends(self.low, self.high, "log_uniform")
        if self.low <= 0:
            raise ValueError(f"log_uniform must lie between positive numbers, got {self.low:g} to {self.high:g}")

    def draw(self, generator: np.random.Generator) -> Value:
        """A number from low to high."""
        share = float(generator.uniform())
        return float(np.clip(self.low * (self.high / self.low) ** share, self.low, self.high))

    @property
    def values(self) -> tuple[Value, ...]:
        """The ends."""
        return self.low, self.high


@dataclass(frozen=True)
class TruncatedNormal:
    """A normal distribution without its tails.

    Attributes:
        mean, sd: of the whole normal distribution.
        low, high: where it is cut; what lies beyond is drawn again.
    """

    mean: float
    sd: float
    low: float
    high: float

    def __post_init__(self) -> None:
        _check_ends(self.low, self.high, "normal")
        if not (math.isfinite(self.mean) and math.isfinite(self.sd) and self.sd > 0):
            raise ValueError(f"normal must have a finite mean and a positive sd, got {self.mean} and {self.sd}")
        if self.low > self.mean + 6 * self.sd or self.high < self.mean - 6 * self.sd:
            raise ValueError(f"normal must be cut within 6 sd of its mean, got {self.low:g} to {self.high:g}")

    def draw(self, generator: np.random.Generator) -> Value:
        """A number from low to high, by the inverse of the cut distribution function."""
        from scipy.special import ndtr, ndtri

        # In the tail that holds the cut part, where the function has digits left.
        sign = 1.0 if self.low + self.high < 2 * self.mean else -1.0
        ends = sorted((sign * (self.low - self.mean) / self.sd, sign * (self.high - self.mean) / self.sd))
        below, above = ndtr(ends[0]), ndtr(ends[1])
        z = sign * float(ndtri(below + (above - below) * float(generator.uniform())))
        return float(np.clip(self.mean + self.sd * z, self.low, self.high))

    @property
    def values(self) -> tuple[Value, ...]:
        """The ends."""
        return self.low, self.high


@dataclass(frozen=True)
class Choice:
    """One of several values.

    Attributes:
        options: the values.
        weights: how often each, in any unit; None for equally often.
    """

    options: tuple[Value, ...]
    weights: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if not self.options:
            raise ValueError("choice must have values, got none")
        if self.weights is None:
            return
        if len(self.weights) != len(self.options):
            raise ValueError(f"choice must have a weight per value, got {len(self.weights)} for {len(self.options)}")
        if not all(math.isfinite(w) and w >= 0 for w in self.weights) or sum(self.weights) <= 0:
            raise ValueError(f"choice must have weights of 0 or more, not all 0, got {list(self.weights)}")

    def draw(self, generator: np.random.Generator) -> Value:
        """One of the values."""
        weights = np.ones(len(self.options)) if self.weights is None else np.array(self.weights, dtype=np.float64)
        return self.options[int(generator.choice(len(self.options), p=weights / weights.sum()))]

    @property
    def values(self) -> tuple[Value, ...]:
        """All of them."""
        return self.options


def distribution_of(given: Any) -> Distribution:
    """The distribution that a plan gives.

    Args:
        given: a number or a word, the same for every sample; or one name and what belongs to it: `{"uniform": [a, b]}`,
            `{"log_uniform": [a, b]}`, `{"normal": {"mean": …, "sd": …, "low": …, "high": …}}`,
            `{"choice": [a, b, …]}`, `{"choice": {"values": […], "weights": […]}}`, `{"fixed": a}`.

    Raises:
        ValueError: for anything else.

    Example:
        >>> distribution_of({"uniform": [60, 100]})
        Uniform(low=60.0, high=100.0)
        >>> distribution_of(80).values
        (80.0,)
    """
    if not isinstance(given, Mapping):
        return Fixed(_value(given))
    if len(given) != 1:
        raise ValueError(f"a distribution must be one name with its values, got {shown(dict(given))}")
    ((name, values),) = given.items()
    if name not in DISTRIBUTIONS:
        raise unknown_name("distribution", name, DISTRIBUTIONS)
    return DISTRIBUTIONS[name](values)


def check_numbers(distribution: Distribution, name: str, low: float, high: float) -> None:
    """Refuse a distribution that gives words, or numbers out of range."""
    for value in distribution.values:
        if isinstance(value, str) or not low <= value <= high:
            raise ValueError(f"{name} must be {low:g} to {high:g}, got {value!r}")


def _value(given: Any) -> Value:
    if isinstance(given, str):
        return given
    if isinstance(given, bool) or not isinstance(given, int | float) or not math.isfinite(given):
        raise ValueError(f"a value must be a finite number or a word, got {shown(given)}")
    return float(given)


def _number(given: Any, name: str) -> float:
    value = _value(given)
    if isinstance(value, str):
        raise ValueError(f"{name} must be of numbers, got {value!r}")
    return value


def _pair(kind: Callable[[float, float], Distribution], name: str) -> Callable[[Any], Distribution]:
    def made(values: Any) -> Distribution:
        if not isinstance(values, Sequence) or isinstance(values, str) or len(values) != 2:
            raise ValueError(f"{name} must be two numbers, [low, high], got {shown(values)}")
        return kind(_number(values[0], name), _number(values[1], name))

    return made


def _normal(values: Any) -> Distribution:
    names = ("mean", "sd", "low", "high")
    if not isinstance(values, Mapping) or set(values) != set(names):
        raise ValueError(f"normal must have {', '.join(names)}, got {shown(values)}")
    return TruncatedNormal(**{name: _number(values[name], f"normal's {name}") for name in names})


def _choice(values: Any) -> Distribution:
    weights = None
    if isinstance(values, Mapping):
        if set(values) != {"values", "weights"}:
            raise ValueError(f"choice must be a list, or values and weights, got {shown(dict(values))}")
        values, weights = values["values"], values["weights"]
    for listed in (values, weights):
        if listed is not None and (not isinstance(listed, Sequence) or isinstance(listed, str)):
            raise ValueError(f"choice must be a list, or values and weights, got {shown(listed)}")
    numbers = None if weights is None else tuple(_number(w, "weights") for w in weights)
    return Choice(tuple(map(_value, values)), numbers)


def _check_ends(low: float, high: float, name: str) -> None:
    if not (math.isfinite(low) and math.isfinite(high) and low <= high):
        raise ValueError(f"{name} must go from a finite number to one that is not smaller, got {low:g} to {high:g}")


DISTRIBUTIONS: Mapping[str, Callable[[Any], Distribution]] = {
    "fixed": lambda given: Fixed(_value(given)),
    "uniform": _pair(Uniform, "uniform"),
    "log_uniform": _pair(LogUniform, "log_uniform"),
    "normal": _normal,
    "choice": _choice,
}
"""What makes each distribution from the values in a plan, by its name."""
