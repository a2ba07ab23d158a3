"""How far a registration can be trusted: whether the picture agrees with the X-ray everywhere, not on the whole."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from deepdrr.metrics import image_gradients
from deepdrr.registration._registration import Registration
from deepdrr.registration.targets._target import Target

__all__ = ["SURE", "TRUSTED", "DoubtfulRegistrationWarning", "Quality", "quality_of"]

TRUSTED = 0.75
"""Least agreement of a registration that ended in the right place: `docs/registration.md`, measured by
`benchmarks/registration_quality.py`."""

SURE = 0.93
"""Agreement from which no other explanation is looked for: a mirrored pelvis, nearly symmetric, comes to 0.87."""

_LONGER_SIDE, _SAMPLES = 80, 150  # pixels, and samples along a ray
_SIGMA, _PATCH = 1 / 40, 3 / 20  # of the longer side: the Gaussian before derivatives are taken, and a patch
_KEPT = 0.6  # of a patch's pixels; others are left out
_EDGES = 0.05  # of the patch with the most: fewer edges, in the X-ray and in the picture, are noise


class DoubtfulRegistrationWarning(UserWarning):
    """The picture at the end does not look like the X-ray."""


@dataclass(frozen=True)
class Quality:
    """How well the pictures of a CT agree with X-rays.

    Attributes:
        agreement: of each view, −1 to 1: the correlation of the pictures' gradients with those of the X-rays in patches
            of 15 % of the picture's side, and the mean over all patches where either has edges.
        hint: what is likely to be wrong with the X-rays, a sentence; empty if nothing was found.
    """

    agreement: tuple[float, ...]
    hint: str = ""

    @property
    def least(self) -> float:
        """The agreement of the worst view."""
        return min(self.agreement)

    @property
    def is_good(self) -> bool:
        """Whether every view agrees as where registrations ended in the right place (0.75 and more), without a hint."""
        return self.least >= TRUSTED and not self.hint

    def __str__(self) -> str:
        views = ", ".join(f"{one:.2f}" for one in self.agreement)
        verdict = "good" if self.is_good else self.hint or f"doubtful, {TRUSTED:g} and more is good"
        return f"agreement {views} ({verdict})"


@torch.no_grad()
def quality_of(registration: Registration, target: Target, backend: str = "auto") -> Quality:
    """The agreement at a registration's present pose.

    Args:
        registration: cameras and patient.
        target: the X-rays, with what of them counts.
        backend: see `deepdrr.drr.render`.
    """
    scale = min(1.0, _LONGER_SIDE / max(registration.height, registration.width))
    with registration.at_scale(scale):
        problem = target.problem(registration, _SAMPLES, backend, lambda loss, motion: None)
        seen = problem.images(problem.start[None])[0]
    wanted = problem.target
    weights = torch.ones_like(wanted) if problem.mask is None else (problem.mask > 0).to(wanted)
    longer = max(wanted.shape[-2:])
    patch = min(max(4, round(_PATCH * longer)), *wanted.shape[-2:])
    gradients = [image_gradients(image, _SIGMA * longer).cpu().double() for image in (seen, wanted)]
    views = zip(*gradients, weights.cpu().double(), strict=True)
    return Quality(tuple(_agreement(a[None], b[None], kept[None], patch) for a, b, kept in views))


def _agreement(a: Tensor, b: Tensor, kept: Tensor, patch: int) -> float:
    """The mean correlation of two pictures' gradients [1, 2, H, W] over patches."""

    def mean(values: Tensor) -> Tensor:
        return avg_pool2d(values * kept, patch, stride=max(1, patch // 2)) / share.clamp_min(1e-9)

    share = avg_pool2d(kept, patch, stride=max(1, patch // 2))
    mean_a, mean_b = mean(a), mean(b)
    both, square_a, square_b = (
        (mean(product) - means).sum(dim=1)
        for product, means in ((a * b, mean_a * mean_b), (a * a, mean_a**2), (b * b, mean_b**2))
    )
    whole = share[:, 0] >= _KEPT
    if not bool(whole.any()):
        return 0.0
    has_edges = torch.zeros_like(whole)
    for square in (square_a, square_b):
        most = square[whole].max()
        has_edges |= whole & (square > _EDGES * most) & (most > 0)
    if not bool(has_edges.any()):
        return 0.0
    length = (square_a * square_b).clamp_min(0.0).sqrt()
    correlation = torch.where(length > 0, both / length.clamp_min(torch.finfo(length.dtype).tiny), 0.0)
    return float(correlation[has_edges].mean().clamp(-1.0, 1.0))
