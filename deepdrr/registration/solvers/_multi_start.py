"""Several starts around the given one; the best wins."""

import math
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor
from torch.quasirandom import SobolEngine

from deepdrr._numbers import plain_fields
from deepdrr.registration._motion import ARM_MM, small_motions
from deepdrr.registration.solvers._gauss_newton import GaussNewton
from deepdrr.registration.solvers._problem import Problem

__all__ = ["MultiStart"]


@dataclass(frozen=True, kw_only=True)
class MultiStart:
    """Look around before walking: render an even cloud of motions at once, then walk on from the best of them.

    From 30 mm away the way downhill leads elsewhere in some starts out of a hundred (ribs and vertebrae repeat); a look
    around on few pixels costs less than one walk and finds a better slope. The cloud is a scrambled Sobol sequence,
    the same each time, and holds the given start.

    Attributes:
        reach_deg, reach_mm: how far the cloud reaches, in each angle and each direction.
        count: motions in the cloud.
        keep: how many of them to walk on from.
        solver: how.
    """

    reach_deg: float = 12.0
    reach_mm: float = 35.0
    count: int = 64
    keep: int = 3
    solver: GaussNewton = field(default_factory=lambda: GaussNewton(compared="both", sigma_px=2.0))

    def __post_init__(self) -> None:
        plain_fields(self)
        for name in ("reach_deg", "reach_mm"):
            if not 0.0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        if not 1 <= self.keep <= self.count:
            raise ValueError(f"keep must be 1 to count ({self.count}), got {self.keep}")

    @property
    def iterations_at_most(self) -> int:
        """How many iterations it makes at most."""
        return self.solver.iterations_at_most

    def solve(self, problem: Problem) -> str:
        """Move the registration's parameters to the best end; says why its walk stopped. Records that walk alone."""
        motions = self.cloud() @ problem.start
        order = self.solver.losses(problem, motions).argsort()
        best: tuple[float, str, list[tuple[float, Tensor]]] = (math.inf, "no shorter step helps", [])
        end = problem.start
        for motion in motions[order[: self.keep]]:
            walk: list[tuple[float, Tensor]] = []
            problem.registration.set_motion_(motion)
            stopped = self.solver.solve(replace(problem, record=lambda *step, walk=walk: walk.append(step)))
            last = problem.start
            loss = float(self.solver.losses(problem, last[None])[0])
            if loss < best[0]:
                best, end = (loss, stopped, walk), last
        problem.registration.set_motion_(end)
        for loss, motion in best[2]:
            problem.record(loss, motion)
        return best[1]

    def cloud(self) -> Tensor:
        """Motions [K, 4, 4], the first of them the identity."""
        even = 2.0 * SobolEngine(6, scramble=True, seed=0).draw(self.count, dtype=torch.float64) - 1.0
        even[0] = 0.0
        turn = math.radians(self.reach_deg) * ARM_MM
        return small_motions(even * torch.tensor([turn] * 3 + [self.reach_mm] * 3, dtype=torch.float64))
