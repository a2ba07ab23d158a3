"""How sure a pose is: the curvature of the similarity at its optimum, against what the picture does not explain."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from deepdrr.registration._motion import ARM_MM, small_motions
from deepdrr.registration._registration import Registration
from deepdrr.registration.solvers._features import features
from deepdrr.registration.solvers._problem import Problem
from deepdrr.registration.targets._target import Target

__all__ = ["Certainty", "certainty_of"]

_LONGER_SIDE, _SAMPLES = 160, 300  # pixels, and samples along a ray: those of the last standard stage
_STEP_PX = 0.25
_BLOCKS = 8  # along a side: errors in one block of pixels go together, those of different blocks do not


@dataclass(frozen=True, eq=False)
class Certainty:
    r"""Standard deviations of a pose, seen by the first camera.

    With the residual r of all pixels and its derivative J with respect to the six numbers of a small motion, the
    covariance is \( H^{-1} (\sum_b g_b g_b^T) H^{-1} \), H = Jᵀ J, with the part g of the gradient Jᵀ r that each of
    the blocks b of the pictures contributes (White, Econometrica 50, 1982; by blocks: Liang and Zeger, Biometrika 73,
    1986). It knows noise and what the model leaves out here and there, but no error that all blocks share, such as a
    wrong distance or another position of the patient's joints. So these are least values: `docs/registration.md`.

    Attributes:
        covariance: [6, 6] of turns about the camera's x, y, z in radians, then of shifts along them in mm, about the
            isocenter; NaN where nothing holds the pose.
    """

    covariance: Tensor

    @property
    def in_plane_mm(self) -> float:
        """Of a shift across the beam, in its worse direction."""
        return self._worse(slice(3, 5))

    @property
    def depth_mm(self) -> float:
        """Of a shift along the beam."""
        return self._worse(slice(5, 6))

    @property
    def in_plane_deg(self) -> float:
        """Of a turn about the beam."""
        return math.degrees(self._worse(slice(2, 3)))

    @property
    def out_of_plane_deg(self) -> float:
        """Of a turn about an axis across the beam, the worse one."""
        return math.degrees(self._worse(slice(0, 2)))

    def _worse(self, part: slice) -> float:
        block = self.covariance[part, part]
        if not bool(torch.isfinite(block).all()):
            return math.inf
        return math.sqrt(max(0.0, float(torch.linalg.eigvalsh(block).max())))

    def __str__(self) -> str:
        return (
            f"±{self.in_plane_mm:.2g} mm across the beam, ±{self.depth_mm:.2g} mm in depth, "
            f"±{self.in_plane_deg:.2g}° about the beam, ±{self.out_of_plane_deg:.2g}° out of the plane"
        )


@torch.no_grad()
def certainty_of(registration: Registration, target: Target, backend: str = "auto") -> Certainty:
    """The certainty at a registration's present pose.

    Args:
        registration: cameras and patient, at an optimum.
        target: the X-rays, with what of them counts.
        backend: see `deepdrr.drr.render`.
    """
    with registration.at_scale(min(1.0, _LONGER_SIDE / max(registration.height, registration.width))):
        problem = target.problem(registration, _SAMPLES, backend, lambda loss, motion: None)
        step = _STEP_PX * problem.pixel_mm
        motion = problem.start
        beside = small_motions(step * torch.eye(6, dtype=torch.float64)) @ motion
        seen = _features(problem, problem.images(torch.cat([motion[None], beside])))
    residual = seen[0] - _features(problem, problem.target[None])[0]
    jacobian = (seen[1:] - seen[0]) / step
    normal = jacobian.flatten(1) @ jacobian.flatten(1).T
    scores = _by_block(jacobian * residual)
    # Blocks are few: with six numbers fitted to them, the residuals are smaller than the errors.
    scores = scores * math.sqrt(len(scores) / max(1, len(scores) - 6))
    inverse, failed = torch.linalg.inv_ex(normal)
    if int(failed) or not bool(torch.isfinite(inverse).all()):
        return Certainty(torch.full((6, 6), math.nan, dtype=torch.float64))
    along_start = inverse @ (scores.T @ scores) @ inverse
    # From turns as mm at an arm's length to radians, and from the axes of the first camera at the start to its own.
    axes = motion[:3, :3].T
    change = torch.block_diag(axes / ARM_MM, axes)
    return Certainty(change @ along_start @ change.T)


def _features(problem: Problem, images: Tensor) -> Tensor:
    """[K, V, P, H, W], each view with the same weight."""
    found: Tensor = features(images, "edges", 1.0, problem.mask).cpu().double()
    return found / math.sqrt(problem.registration.views)


def _by_block(products: Tensor) -> Tensor:
    """Sums over blocks of pixels: [6, V, P, H, W] → [blocks, 6]."""
    summed = products.sum(dim=2)
    height, width = summed.shape[-2:]
    size = (max(1, -(-height // _BLOCKS)), max(1, -(-width // _BLOCKS)))
    sums: Tensor = avg_pool2d(summed, size, ceil_mode=True, count_include_pad=False, divisor_override=1)
    return sums.flatten(1).T
