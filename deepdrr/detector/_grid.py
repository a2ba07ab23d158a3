"""The anti-scatter grid: what it lets through of the primary beam and of scatter."""

import math
import warnings
from dataclasses import dataclass

from deepdrr._numbers import plain_fields

__all__ = ["GRIDS", "Grid"]


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Transmissions of a grid, the same for all energies.

    Attributes:
        primary: share of the primary beam that passes, (0, 1].
        scatter: share of the scattered radiation that passes, [0, 1].

    Example:
        >>> f"{Grid(primary=0.706, scatter=0.21).scatter_to_primary:.2f}"
        '0.30'
    """

    primary: float
    scatter: float

    def __post_init__(self) -> None:
        plain_fields(self)
        if not 0.0 < self.primary <= 1.0:
            raise ValueError(f"primary must be a transmission in (0, 1], got {self.primary}")
        if not 0.0 <= self.scatter <= 1.0:
            raise ValueError(f"scatter must be a transmission in [0, 1], got {self.scatter}")

    @property
    def scatter_to_primary(self) -> float:
        """Factor on the scatter-to-primary ratio."""
        return self.scatter / self.primary

    def exposure_factor(self, scatter_to_primary: float = 0.0) -> float:
        r"""More exposure needed for the same signal behind the grid; with the patient's scatter, the Bucky factor.

        \( B = (1 + s) / (T_p + s\,T_s) \) for a scatter-to-primary ratio s of the signal without grid.

        Args:
            scatter_to_primary: s, 0 or more; 0 asks for the same primary signal, 1 / primary.

        Raises:
            ValueError: if the ratio is negative or not finite.

        Example:
            >>> grid = Grid(primary=0.706, scatter=0.21)
            >>> f"{grid.exposure_factor():.2f}, {grid.exposure_factor(3.0):.2f}"
            '1.42, 2.99'
        """
        if not 0.0 <= scatter_to_primary < math.inf:
            raise ValueError(f"scatter_to_primary must be finite, 0 or more, got {scatter_to_primary}")
        return (1.0 + scatter_to_primary) / (self.primary + self.scatter * scatter_to_primary)

    @property
    def bucky_factor(self) -> float:
        """Deprecated: 1 / primary, which is the Bucky factor only where there is no scatter."""
        advice = (
            "Grid.bucky_factor is 1 / primary, without scatter; exposure_factor(scatter_to_primary) takes scatter too"
        )
        warnings.warn(advice, DeprecationWarning, stacklevel=2)
        return self.exposure_factor()


# A lamella grid of ratio 10 (AAPM WE-AB-207A-10) and a focused two-dimensional one (PMC11031370).
GRIDS = {"ratio 10": Grid(primary=0.706, scatter=0.21), "two-dimensional": Grid(primary=0.85, scatter=0.058)}
