"""A derivative-free search of the neighbourhood, for starts that are far off."""

from dataclasses import dataclass

import numpy as np
import torch

from deepdrr._extras import require
from deepdrr._numbers import plain_fields
from deepdrr.registration._motion import ARM_MM, small_motions
from deepdrr.registration.solvers._features import Compared, features
from deepdrr.registration.solvers._problem import Problem

__all__ = ["CmaEs"]


_FIRST_SIGMA = 0.4  # of the reach: a tenth of the first cloud's numbers would lie beyond it, and are folded back


@dataclass(frozen=True, kw_only=True)
class CmaEs:
    """Covariance matrix adaptation (Hansen and Ostermeier 2001), with the package `cma` (the extra `registration`).

    A cloud of motions about the start is rendered at once, and moves to where the images are alike. It steps over
    local optima as wide as the cloud; let it work on a few pixels, and use `GaussNewton` after it.

    Attributes:
        reach_deg, reach_mm: how far off the start may be, in each angle and each direction: nothing beyond is tried.
        population: motions per iteration.
        max_iterations: to stop after.
        tolerance_px: stop when the cloud is smaller, in pixels as they look at the isocenter.
        compared, sigma_px: what is compared, see `GaussNewton`.
        seed: of the cloud.
    """

    reach_deg: float = 30.0
    reach_mm: float = 80.0
    population: int = 40
    max_iterations: int = 50
    tolerance_px: float = 0.3
    compared: Compared = "both"
    sigma_px: float = 2.5
    seed: int = 0

    def __post_init__(self) -> None:
        plain_fields(self)
        for name in ("reach_deg", "reach_mm", "max_iterations", "tolerance_px"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        if self.population < 4:
            raise ValueError(f"population must be 4 or more, got {self.population}")

    @property
    def iterations_at_most(self) -> int:
        """How many iterations it makes at most."""
        return self.max_iterations

    def solve(self, problem: Problem) -> str:
        """Move the registration's parameters to the best motion met; says why it stopped."""
        cma = require("cma", "registration", "a derivative-free start")
        start, pixel = problem.start, problem.pixel_mm
        wanted = features(problem.target[None], self.compared, self.sigma_px, problem.mask)
        reach = np.repeat([np.radians(self.reach_deg) * ARM_MM, self.reach_mm], 3)
        random = np.random.default_rng(self.seed)
        options = {
            "popsize": self.population,
            "bounds": [-1.0, 1.0],
            "randn": lambda *shape: random.standard_normal(shape),
            "seed": np.nan,  # cma is to leave NumPy's global state alone
            "verbose": -9,
        }
        search = cma.CMAEvolutionStrategy(np.zeros(6), _FIRST_SIGMA, options)
        best = (np.inf, start)
        for _ in range(self.max_iterations):
            steps = search.ask()
            motions = small_motions(torch.as_tensor(np.stack(steps) * reach)) @ start
            found = features(problem.images(motions), self.compared, self.sigma_px, problem.mask)
            losses = 0.5 * (found - wanted).square().flatten(1).sum(dim=1).cpu() / problem.registration.views
            search.tell(steps, losses.tolist())
            least = int(losses.argmin())
            best = min(best, (float(losses[least]), motions[least]), key=lambda pair: pair[0])
            problem.record(*best)
            if (search.sigma * np.sqrt(np.diag(search.C)) * reach).max() < self.tolerance_px * pixel:
                break
        problem.registration.set_motion_(best[1])
        return "iterations used up" if search.countiter >= self.max_iterations else "converged"
