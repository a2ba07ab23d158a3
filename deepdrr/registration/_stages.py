"""`Stage`: one resolution of a registration, and the stages that it takes by default."""

from dataclasses import dataclass
from typing import Literal

from deepdrr._numbers import plain_fields
from deepdrr.registration.solvers._cma_es import CmaEs
from deepdrr.registration.solvers._gauss_newton import GaussNewton
from deepdrr.registration.solvers._multi_start import MultiStart
from deepdrr.registration.solvers._problem import Solver

__all__ = ["Stage", "standard_stages"]


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One resolution, and how to search at it.

    Attributes:
        scale: pixels along a side, as a part of the registration's, in (0, 1].
        solver: `GaussNewton`, `MultiStart`, `Adam`, `CmaEs` or another `Solver`.
        n_samples: samples along each ray; None for the exact integral.
    """

    scale: float
    solver: Solver
    n_samples: int | None = 200

    def __post_init__(self) -> None:
        plain_fields(self)
        if not 0.0 < self.scale <= 1.0:
            raise ValueError(f"scale must be above 0 and at most 1, got {self.scale}")
        if self.n_samples is not None and self.n_samples < 2:
            raise ValueError(f"n_samples must be at least 2, got {self.n_samples}")


def standard_stages(height: int, width: int, start: Literal["near", "far"] = "near") -> tuple[Stage, ...]:
    """The stages that `register` takes for images of a size: 40, 80 and 160 pixels along the longer side.

    Args:
        height, width: of the images, pixels.
        start: `"near"` looks around a little (`MultiStart`), for starts within some 12° and 35 mm in each direction;
            `"far"` searches a wide neighbourhood (`CmaEs`, the extra `registration`), 30° and 80 mm.

    Returns:
        The stages, coarse first; fewer for small images.

    Example:
        >>> [(stage.scale, type(stage.solver).__name__) for stage in standard_stages(320, 320)]
        [(0.125, 'MultiStart'), (0.25, 'GaussNewton'), (0.5, 'GaussNewton')]
    """
    if start not in ("near", "far"):
        raise ValueError(f"start must be 'near' or 'far', got {start!r}")
    first: Solver = MultiStart() if start == "near" else GaussNewton(compared="both", sigma_px=2.0)
    sizes: dict[int, tuple[Solver, int]] = {
        40: (first, 100),
        80: (GaussNewton(compared="both", sigma_px=1.0), 150),
        160: (GaussNewton(compared="edges", sigma_px=1.0), 300),
    }
    longer = max(height, width)
    stages = [
        Stage(scale=min(1.0, size / longer), solver=solver, n_samples=n_samples)
        for size, (solver, n_samples) in sizes.items()
        if size < 2 * longer or size == 40
    ]
    if start == "far":
        stages.insert(0, Stage(scale=stages[0].scale, solver=CmaEs(), n_samples=stages[0].n_samples))
    return tuple(stages)
