"""The Gauss–Newton method with Levenberg–Marquardt damping."""

from dataclasses import dataclass

import torch
from torch import Tensor

from deepdrr._numbers import plain_fields
from deepdrr.registration._motion import small_motions
from deepdrr.registration.solvers._features import Compared, features
from deepdrr.registration.solvers._problem import Problem

__all__ = ["GaussNewton"]

_STEP_PX = 0.25  # of the finite differences: far above float32's rounding, well within what is linear
_LONGEST_STEP_PX = 4.0  # beyond, a slope says nothing about where it leads
_FIRST_DAMPING = 1e-2
_MOST_ATTEMPTS = 6  # each with six times the damping: 5e4 in all, a step far below a pixel


@dataclass(frozen=True, kw_only=True)
class GaussNewton:
    """Least squares in six dimensions, for starts from where the structures overlap.

    Images become unit vectors (mean 0, length 1), so that half their squared distance is 1 − NCC, a sum of squares
    over all pixels of all views. Each iteration renders the seven images at the pose and beside it, solves the normal
    equations for the step (Marquardt, J. SIAM 11, 1963) and takes it if it helps. No gradient is asked for: it works
    with every backend, interpolation and label map, and a handful of iterations end well below a tenth of a pixel.

    Attributes:
        compared: `"intensity"`: NCC; `"edges"`: gradient NCC; `"both"`: their mean by planes, one to two.
        sigma_px: of the Gaussian before derivatives are taken, pixels.
        max_iterations: to stop after.
        tolerance_px: stop when a step is shorter, in pixels as they look at the isocenter.
    """

    compared: Compared = "edges"
    sigma_px: float = 1.0
    max_iterations: int = 15
    tolerance_px: float = 0.02

    def __post_init__(self) -> None:
        plain_fields(self)
        if self.compared not in ("intensity", "edges", "both"):
            raise ValueError(f"compared must be 'intensity', 'edges' or 'both', got {self.compared!r}")
        if not 0.0 <= self.sigma_px < 100.0:
            raise ValueError(f"sigma_px must be 0 to 100 pixels, got {self.sigma_px}")
        if self.max_iterations < 1 or not self.tolerance_px > 0.0:
            raise ValueError(
                f"max_iterations and tolerance_px must be positive, got {self.max_iterations} and {self.tolerance_px}"
            )

    @property
    def iterations_at_most(self) -> int:
        """How many iterations it makes at most."""
        return self.max_iterations

    def solve(self, problem: Problem) -> str:
        """Move the registration's parameters; says why it stopped."""
        wanted = self._vector(problem, problem.target[None])[0]
        motion, damping = problem.start, _FIRST_DAMPING
        beside = small_motions(_STEP_PX * problem.pixel_mm * torch.eye(6, dtype=torch.float64))
        seen = self._vector(problem, problem.images(motion[None]))[0]
        loss = _half_square(seen - wanted)
        for _ in range(self.max_iterations):
            around = self._vector(problem, problem.images(beside @ motion))
            jacobian = (around - seen) / (_STEP_PX * problem.pixel_mm)
            normal, slope = jacobian @ jacobian.T, jacobian @ (seen - wanted)
            for _ in range(_MOST_ATTEMPTS):
                step = _shortened(_damped_step(normal, slope, damping), _LONGEST_STEP_PX * problem.pixel_mm)
                tried = small_motions(step[None])[0] @ motion
                image = self._vector(problem, problem.images(tried[None]))[0]
                if _half_square(image - wanted) < loss:
                    break
                damping *= 6.0
            else:
                problem.record(loss, motion)
                return "no shorter step helps"
            motion, seen, loss, damping = tried, image, _half_square(image - wanted), max(damping / 5.0, 1e-6)
            problem.registration.set_motion_(motion)
            problem.record(loss, motion)
            if float(step.norm()) < self.tolerance_px * problem.pixel_mm:
                return "converged"
        return "iterations used up"

    def losses(self, problem: Problem, motions: Tensor) -> Tensor:
        """What it makes small, at motions [K, 4, 4]: [K]."""
        wanted = self._vector(problem, problem.target[None])
        return 0.5 * (self._vector(problem, problem.images(motions)) - wanted).square().sum(dim=1)

    def _vector(self, problem: Problem, images: Tensor) -> Tensor:
        """Feature vectors [K, N] of images [K, V, 1, H, W], each view with the same weight."""
        found = features(images, self.compared, self.sigma_px, problem.mask)
        vector: Tensor = found.flatten(1).cpu().double() / problem.registration.views**0.5
        return vector


def _damped_step(normal: Tensor, slope: Tensor, damping: float) -> Tensor:
    diagonal = normal.diagonal()
    # What moves nothing (a turn of a sphere) stays where it is.
    ridge = damping * diagonal + 1e-12 * diagonal.max() + torch.finfo(normal.dtype).tiny
    step: Tensor = torch.linalg.solve(normal + torch.diag(ridge), -slope)
    return step


def _shortened(step: Tensor, longest: float) -> Tensor:
    length = float(step.norm())
    return step if length <= longest else step * (longest / length)


def _half_square(residual: Tensor) -> float:
    return 0.5 * float(residual @ residual)
