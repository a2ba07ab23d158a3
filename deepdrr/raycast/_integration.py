"""The integration rules along a ray that a caller can choose."""

import math
from dataclasses import dataclass
from typing import Literal

from deepdrr._numbers import as_count, plain_fields

__all__ = [
    "MOST_SAMPLES",
    "Exact",
    "Integration",
    "Interpolation",
    "Routing",
    "Samples",
    "Step",
    "from_number",
    "number_of",
]

Interpolation = Literal["nearest", "linear", "cubic"]

# Far beyond any use; float32 represents integers up to 2^24.
MOST_SAMPLES = 1_000_000

# How a label map distributes values to channels, see `Field`.
Routing = Literal["hard", "soft"]


@dataclass(frozen=True)
class Exact:
    """The exact integral of the interpolated field, without discretisation error.

    Nearest: the chord of every voxel times its value (Siddon 1985, Med. Phys. 12:252). Linear: two-point
    Gauss–Legendre per crossed cell; a trilinear field along a ray is a cubic in each cell, which two points integrate
    exactly.
    """


@dataclass(frozen=True)
class Step:
    """Midpoint rule with samples evenly spaced over the part of the ray inside the volume.

    A chord of length ℓ gets n = ⌈ℓ / mm⌉ samples, each representing ℓ / n ≤ mm, so that a constant is integrated
    exactly. (n is rounded up from ℓ / mm − 1e-6, so that a chord of a whole number of steps gets that number.)

    Attributes:
        mm: largest distance between samples, mm.
    """

    mm: float

    def __post_init__(self) -> None:
        plain_fields(self)
        if not (math.isfinite(self.mm) and self.mm > 0):
            raise ValueError(f"Step.mm must be a positive length in mm, got {self.mm}")


@dataclass(frozen=True)
class Samples:
    """Midpoint rule with the same number of samples on every ray, evenly spaced over its part inside the volume.

    Attributes:
        count: number of samples, at most a million.
    """

    count: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "count", as_count(self.count, "Samples.count"))
        if not 1 <= self.count <= MOST_SAMPLES:
            raise ValueError(f"Samples.count must be 1 to {MOST_SAMPLES}, got {self.count}")


Integration = Exact | Step | Samples


def number_of(integration: Integration) -> float:
    """The rule as one number for the kernels: mm of `Step`, minus the count of `Samples`, 0 for `Exact`."""
    if isinstance(integration, Step):
        return integration.mm
    return -float(integration.count) if isinstance(integration, Samples) else 0.0


def from_number(number: float) -> Integration:
    """The rule that `number_of` has encoded."""
    if number == 0:
        return Exact()
    return Step(number) if number > 0 else Samples(round(-number))
