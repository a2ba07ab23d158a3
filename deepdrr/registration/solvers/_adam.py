"""Adam on any similarity, through the renderer's gradients."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from deepdrr._numbers import plain_fields
from deepdrr.metrics import GradientNormalizedCrossCorrelation2d
from deepdrr.registration.solvers._problem import Problem

__all__ = ["Adam"]

Similarity = Callable[..., Tensor]


@dataclass(frozen=True, kw_only=True)
class Adam:
    """Adam's method (Kingma and Ba 2015) on the registration's own parameters, with rates that fall as a half cosine.

    Use it for losses that are not a sum of squares, such as mutual information, and to compare parameterizations.
    Where both work, `GaussNewton` needs a tenth of the iterations.

    Attributes:
        similarity: of images and targets [V, 1, H, W], [V], greater for more alike, e.g. from `deepdrr.metrics`; given
            a mask as third argument where there is one. Those that look at intensities alone (mutual information,
            NCC of whole images) know little of depth: a millimetre along the beam changes a picture by a thousandth.
        rotation_rate: length of a first step of a rotation's number, in the parameterization's unit (radians for
            `so3_log`, degrees for `euler`).
        translation_rate: the same of a translation's, mm.
        max_iterations: stop after so many iterations.
        patience: stop when the best similarity has not grown by `tolerance` for so many iterations.
        tolerance: see `patience`.
    """

    similarity: Similarity = field(default_factory=GradientNormalizedCrossCorrelation2d)
    rotation_rate: float = 0.01
    translation_rate: float = 1.0
    max_iterations: int = 150
    patience: int = 20
    tolerance: float = 1e-5

    def __post_init__(self) -> None:
        plain_fields(self)
        for name in ("rotation_rate", "translation_rate", "max_iterations", "patience"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")

    @property
    def iterations_at_most(self) -> int:
        """How many iterations it makes at most."""
        return self.max_iterations

    def solve(self, problem: Problem) -> str:
        """Move the registration's parameters to the best place met; says why it stopped."""
        registration = problem.registration
        groups = [
            {"params": [registration.rotation], "lr": self.rotation_rate},
            {"params": [registration.translation], "lr": self.translation_rate},
        ]
        optimizer = torch.optim.Adam(groups)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, self.max_iterations)
        masks = () if problem.mask is None else (problem.mask,)
        best, best_motion, since = math.inf, problem.start, 0
        for _ in range(self.max_iterations):
            optimizer.zero_grad()
            motion = problem.start
            loss = 1.0 - self.similarity(problem.seen(), problem.target, *masks).mean()
            loss.backward()
            value = float(loss.detach())
            problem.record(value, motion)
            since = 0 if value < best - self.tolerance else since + 1
            if value < best:
                best, best_motion = value, motion
            if since >= self.patience:
                break
            optimizer.step()
            schedule.step()
        registration.set_motion_(best_motion)
        return "converged" if since >= self.patience else "iterations used up"
