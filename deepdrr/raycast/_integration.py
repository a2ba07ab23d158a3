"""How the integral along a ray is formed: the choices a caller names."""

import math
from dataclasses import dataclass
from typing import Literal

__all__ = ["Exact", "Integration", "Interpolation", "Routing", "Step"]

Interpolation = Literal["nearest", "linear", "cubic"]

# Which channel a label map sends what to, see `Field`.
Routing = Literal["hard", "soft"]


@dataclass(frozen=True)
class Exact:
    """The integral of the interpolated field itself, without discretisation error.

    Nearest: the chord of every voxel times its value (Siddon 1985, Med. Phys. 12:252). Linear: two-point
    Gauss–Legendre per crossed cell; a trilinear field along a ray is a cubic in each cell, which two points integrate
    exactly.
    """


@dataclass(frozen=True)
class Step:
    """Midpoint rule with samples evenly spaced over the part of the ray inside the volume.

    A chord of length ℓ gets n = ⌈ℓ / mm⌉ samples, each standing for ℓ / n ≤ mm, so that a constant is integrated
    exactly. (n is rounded up from ℓ / mm − 1e-6: a chord of a whole number of steps has that number.)

    Attributes:
        mm: largest distance between samples, mm.
    """

    mm: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.mm) and self.mm > 0):
            raise ValueError(f"Step.mm must be a positive length in mm, got {self.mm}")


Integration = Exact | Step
