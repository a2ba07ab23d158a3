"""What would explain that a registration failed."""

from collections.abc import Sequence

from torch import Tensor

from deepdrr.registration._quality import Quality, quality_of
from deepdrr.registration._registration import Registration
from deepdrr.registration._stages import Stage
from deepdrr.registration.solvers._multi_start import MultiStart
from deepdrr.registration.targets._polarity import Polarity
from deepdrr.registration.targets._target import coarse_scale, prepared_target

__all__ = ["hint_of", "hint_of_distance"]

# Of agreement: by so much a mirrored picture must be better, and as good as a search on few pixels makes it at least.
_BETTER, _LIKELY = 0.1, 0.7
_OVERSHOT = 1.5  # times its reach: a walk may well end a little beyond


def hint_of(
    registration: Registration, first: Tensor, target: Tensor, quality: Quality, polarity: Polarity, backend: str
) -> str:
    """What is likely to be wrong with the X-rays of a registration that failed, as a sentence; empty if nothing is.

    The pictures are registered once more, on a few pixels, mirrored from left to right.

    Args:
        registration: cameras and patient; its parameters are left as they are.
        first: the motion [4, 4] that it started from.
        target: the X-rays [V, 1, H, W], as given.
        quality: of the result.
        polarity, backend: see `deepdrr.registration.register`.
    """
    last = registration.motion.detach().clone()
    registration.set_motion_(first)
    try:
        mirrored = prepared_target(registration, target.flip(-1), "auto", polarity, backend)
        with registration.at_scale(coarse_scale(registration)):
            MultiStart().solve(mirrored.coarse_problem(registration, backend))
        other = quality_of(registration, mirrored, backend)
    finally:
        registration.set_motion_(last)
    if other.least < max(_LIKELY, quality.least + _BETTER):
        return ""
    return (
        f"mirrored from left to right the X-ray fits better (agreement {other.least:.2f}): "
        "is it seen from the other side?"
    )


def hint_of_distance(first: Tensor, last: Tensor, stages: Sequence[Stage]) -> str:
    """Whether a registration has ended further from its start than its stages look; a sentence, empty if not.

    A wrong distance from source to detector, or a wrong size of a pixel, magnifies the picture, and a shift along the
    beam makes good for it: 15 % too short, the patient comes to lie 110 mm off, with an agreement above 0.9.

    Args:
        first, last: the motion [4, 4] at the start and at the end.
        stages: those taken; they look as far as their solvers' `reach_mm`, those without one to any distance.
    """
    reaches_mm = [float(stage.solver.reach_mm) for stage in stages if hasattr(stage.solver, "reach_mm")]
    depth_mm = abs(float(last[2, 3] - first[2, 3]))
    if not reaches_mm or depth_mm <= _OVERSHOT * max(reaches_mm):
        return ""
    return (
        f"it ended {depth_mm:.0f} mm along the beam from its start, further than it looks ({max(reaches_mm):g} mm): "
        "are the source-to-detector distance and the size of a pixel right, and the start?"
    )
