"""X-rays ready to be compared: with the pixels that count, in the polarity of line integrals."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from deepdrr.registration._checks import check_contrast
from deepdrr.registration._registration import Registration
from deepdrr.registration._sight import check_sight
from deepdrr.registration.solvers._problem import Problem
from deepdrr.registration.targets._mask import LeftOut, comparable_pixels, nearest_kept, weighted_resize
from deepdrr.registration.targets._polarity import Polarity, signs

__all__ = ["Target", "coarse_scale", "prepared_target"]

_COARSE_PX, _COARSE_SAMPLES = 40, 100  # of the longer side and along a ray: what a first look takes

Record = Callable[[float, Tensor], None]


@dataclass(frozen=True, eq=False)
class Target:
    """X-rays as they are compared.

    Attributes:
        pixels: [V, 1, H, W], bright where the patient attenuates.
        mask: weights of the pixels [V, 1, H, W]; None if all count alike.
        left_out: what has the weight 0.
        is_reversed: for each view whether its grey was reversed.
    """

    pixels: Tensor
    mask: Tensor | None
    left_out: tuple[LeftOut, ...]
    is_reversed: tuple[bool, ...]

    def problem(self, registration: Registration, n_samples: int | None, backend: str, record: Record) -> Problem:
        """The X-rays at the registration's present size, and how to render pictures like them."""
        size = (registration.height, registration.width)
        if self.mask is None:
            pixels = self.pixels if self.pixels.shape[-2:] == size else adaptive_avg_pool2d(self.pixels, size)
            return Problem(registration, pixels, None, n_samples, backend, record)
        pixels, mask = weighted_resize(self.pixels, self.mask, *size)
        problem = Problem(registration, pixels, mask, n_samples, backend, record, nearest_kept(mask))
        return replace(problem, target=problem.filled(pixels))

    def coarse_problem(self, registration: Registration, backend: str) -> Problem:
        """The same for a first look, at a registration that is at the scale `coarse_scale`."""
        return self.problem(registration, _COARSE_SAMPLES, backend, lambda loss, motion: None)


def coarse_scale(registration: Registration) -> float:
    """Pixels of a first look along a side, as a part of the registration's."""
    return min(1.0, _COARSE_PX / max(registration.height, registration.width))


def prepared_target(
    registration: Registration,
    target: Tensor,
    mask: Tensor | Literal["auto"] | None,
    polarity: Polarity,
    backend: str,
) -> Target:
    """X-rays with their mask and polarity, see `deepdrr.registration.register`.

    Raises:
        ValueError: if what counts has no contrast, or a camera sees nothing of the CT at the start.
    """
    pixels = target.to(registration.rt_inv.device)
    weights, left_out = _weights(pixels, mask)
    check_contrast(pixels, weights)
    settled = Target(pixels, weights, left_out, (polarity == "reversed",) * registration.views)
    with registration.at_scale(coarse_scale(registration)):
        problem = settled.coarse_problem(registration, backend)
        check_sight(registration, problem.images(problem.start[None])[0])
        sign = signs(problem) if polarity == "auto" else None
    if sign is not None:
        settled = replace(settled, is_reversed=tuple((sign < 0).flatten().tolist()))
    factors = torch.tensor([-1.0 if r else 1.0 for r in settled.is_reversed]).to(pixels)
    return replace(settled, pixels=pixels * factors[:, None, None, None])


def _weights(pixels: Tensor, mask: Tensor | Literal["auto"] | None) -> tuple[Tensor | None, tuple[LeftOut, ...]]:
    if mask is None:
        return None, ()
    if isinstance(mask, Tensor):
        weights = mask.to(pixels).expand_as(pixels)
        shares = [float((view == 0).double().mean()) for view in weights]
        return weights, tuple(LeftOut(view, "mask", share) for view, share in enumerate(shares) if share > 0)
    weights, left_out = comparable_pixels(pixels)
    return (weights if left_out else None), left_out
