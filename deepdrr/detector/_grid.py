"""The anti-scatter grid: what it lets through of the primary beam and of scatter."""

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

    @property
    def bucky_factor(self) -> float:
        """More exposure needed for the same primary signal, 1 / primary."""
        return 1.0 / self.primary


# A lamella grid of ratio 10 (AAPM WE-AB-207A-10) and a focused two-dimensional one (PMC11031370).
GRIDS = {"ratio 10": Grid(primary=0.706, scatter=0.21), "two-dimensional": Grid(primary=0.85, scatter=0.058)}
