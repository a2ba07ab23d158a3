"""Several slices at one place: copies of a file, which are left out, or several scans, which are refused."""

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from deepdrr.data.dicom._frames import DicomFrame
from deepdrr.data.dicom._pixels import stored_pixels
from deepdrr.data.dicom._stack import Stack
from deepdrr.data.dicom._tags import optional_number

__all__ = ["check_distinct", "step_doubt", "without_copies"]

# Slices are reconstructed 0.1 mm apart at the least, of micro-CT a few µm; below a hundredth of that, positions differ
# by rounding only.
_SAME_PLACE_MM = 0.01
_SAME_PLACE_STEPS = 0.01
# A step that the header states otherwise: rounding to a tenth of 1.25 mm is 4 %.
_SAME_STEP = 0.05


def without_copies(stack: Stack) -> tuple[Stack, list[str]]:
    """The stack with one slice of each that is there several times with the same numbers, and a note of it.

    Raises:
        ValueError: if pixels cannot be read.
    """
    doubled = _doubled(stack)
    copies = {k + 1 for k in doubled if _is_copy(stack.frames[k], stack.frames[k + 1])}
    if not copies or len(copies) == len(stack.frames) - 1:
        return stack, []
    keep = [k for k in range(len(stack.frames)) if k not in copies]
    frames = tuple(stack.frames[k] for k in keep)
    note = f"{len(copies)} slices are copies of others and were left out"
    return replace(stack, frames=frames, along=stack.along[keep], across=stack.across[keep]), [note]


def check_distinct(stack: Stack) -> None:
    """Refuse several slices at one place, and acquisitions that run through each other.

    Raises:
        ValueError: says whether the slices at one place are copies or differ.
    """
    doubled = _doubled(stack)
    if len(doubled):
        _refuse_doubled(stack, int(doubled[0]), len(doubled))
    for attribute, what in (("acquisition", "acquisitions"), ("phase", "temporal positions")):
        runs: dict[str, list[int]] = {}
        for k, frame in enumerate(stack.frames):
            runs.setdefault(getattr(frame, attribute), []).append(k)
        mixed = [name for name, places in runs.items() if places[-1] - places[0] + 1 != len(places)]
        if len(runs) > 1 and mixed:
            raise ValueError(
                f"'{stack.path}' mixes {len(runs)} {what} whose slices lie between each other "
                f"(numbers {', '.join(sorted(runs)[:6])}); put the slices of one of them into a folder of their own"
            )


def _refuse_doubled(stack: Stack, k: int, count: int) -> None:
    pair = stack.frames[k], stack.frames[k + 1]
    pixels = dict(stored_pixels(pair))
    same = np.array_equal(pixels[0], pixels[1]) and pair[0].rescale == pair[1].rescale
    if same:
        kind = "copies of each other: remove one of each"
    else:
        labels = {f.acquisition or "?" for f in stack.frames}, {f.phase or "?" for f in stack.frames}
        kind = (
            f"different pictures, so these are several scans ({len(labels[0])} acquisition numbers, "
            f"{len(labels[1])} temporal positions): put one of them into a folder of its own"
        )
    raise ValueError(
        f"'{stack.path}' has {count + 1} of {len(stack.frames)} slices at places that are taken, "
        f"for example {pair[0].name} and {pair[1].name}, which are {kind}"
    )


def step_doubt(stack: Stack) -> list[str]:
    """The warning that the step of the slices is not that which the header states, if it is not."""
    header = stack.frames[0].header
    stated = optional_number(header.dataset, "SpacingBetweenSlices", f"'{header.path}'")
    # Of a tilted stack either distance may be meant, along the normal or from centre to centre.
    steps = (stack.step_mm, stack.step_mm / math.cos(math.radians(stack.tilt_degrees)))
    if not stated or any(abs(abs(stated) - step) <= _SAME_STEP * step for step in steps):
        return []
    return [
        f"'{stack.path}' contradicts itself: SpacingBetweenSlices says {abs(stated):.4g} mm, the positions of the "
        f"slices, which are taken, {stack.step_mm:.4g} mm: are slices missing?"
    ]


def _doubled(stack: Stack) -> NDArray[np.intp]:
    """The slices whose next one is at the same place."""
    steps = np.diff(stack.along)
    apart = steps[steps > 1e-3 * steps.max()] if steps.size and steps.max() > 0.0 else steps
    usual = float(np.median(apart)) if apart.size else 0.0
    return np.flatnonzero(steps <= min(_SAME_PLACE_MM, _SAME_PLACE_STEPS * usual))


def _is_copy(one: DicomFrame, other: DicomFrame) -> bool:
    pixels = dict(stored_pixels((one, other)))
    return (one.rescale, one.padding) == (other.rescale, other.padding) and np.array_equal(pixels[0], pixels[1])
