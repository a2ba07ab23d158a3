"""Slices in order, and what is wrong with their positions.

Slices are ordered by where they lie along their common normal, never by InstanceNumber or file name. A volume has an
affine grid, so positions must follow a straight line in even steps; how far they are from that is measured here.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deepdrr.data.dicom._frames import DicomFrame
from deepdrr.data.dicom._tags import text
from deepdrr.geometry import RAS_FROM_LPS

__all__ = ["Fault", "Stack", "find_faults", "has_own_references", "stack_frames"]

# A slice may lie this far from its even place: a tenth of the step, and at most 0.1 mm, which is half a pixel of the
# default detector. Writers that round positions to 0.1 mm stay below; a missing slice is 10 times above.
_PLACE_TOLERANCE_MM = 0.1
_PLACE_TOLERANCE_STEPS = 0.1

# What lies between slices further apart than this is made up, whatever the interpolation: the length of a vertebra.
_WIDEST_GAP_MM = 20.0

# Of all steps, those over missing slices; more of them are a scan in steps of several widths.
_MOST_GAPS = 0.25

# Gantries tilt by half a degree or more; cosines rounded to 3 decimals look like 0.05 degrees. What is below
# stays in the affine, which follows the positions exactly in any case.
_TILT_TOLERANCE_DEG = 0.1

# Cosines and spacings of one series come from one reconstruction and differ by their rounding only.
_COSINE_TOLERANCE = 1e-3
_SPACING_TOLERANCE = 1e-3


@dataclass(frozen=True, eq=False)
class Stack:
    """Slices in the order of k, alike in size, spacing and orientation.

    Attributes:
        path: the caller's path, for error messages.
        frames: the slices.
        along: their places along the normal, rising, 0 at the first (mm) [K].
        across: how far they are shifted in their plane against the first, along row and column (mm) [K, 2].
    """

    path: Path
    frames: tuple[DicomFrame, ...]
    along: NDArray[np.float64]
    across: NDArray[np.float64]

    @property
    def step_mm(self) -> float:
        """The usual distance of neighbours along the normal: the median, which missing slices do not change."""
        return float(np.median(np.diff(self.along)))

    @property
    def drift(self) -> NDArray[np.float64]:
        """In-plane shift per mm along the normal from the first slice to the last [2], not 0 for a tilted gantry."""
        return np.asarray((self.across[-1] - self.across[0]) / self.along[-1])

    @property
    def tilt_degrees(self) -> float:
        """Angle between the way from slice to slice and the normal of the slices."""
        return float(np.degrees(np.arctan(np.linalg.norm(self.drift))))

    def affine(self) -> Tensor:
        """anatomical_from_ijk (RAS mm) of the slices where they lie, float64 [4, 4].

        Its third column runs from the first slice to the last, so that a tilted gantry is in it exactly.
        """
        first, last = self.frames[0], self.frames[-1]
        return self.affine_of(first.position, (last.position - first.position) / (len(self.frames) - 1))

    def affine_of(self, origin: NDArray[np.float64], step: NDArray[np.float64]) -> Tensor:
        """anatomical_from_ijk for the pixels of the slices, a first voxel and a step to the next slice (LPS mm)."""
        first = self.frames[0]
        columns = [first.row * first.spacing[0], first.column * first.spacing[1], step, origin]
        lps_from_ijk = np.eye(4)
        lps_from_ijk[:3] = np.stack(columns, axis=1)
        return RAS_FROM_LPS @ torch.from_numpy(lps_from_ijk)


@dataclass(frozen=True)
class Fault:
    """Why slices do not lie on an even grid straight above each other.

    Attributes:
        sentence: what was found, with numbers.
        repairs: the values of `repair` that deal with it.
    """

    sentence: str
    repairs: tuple[str, ...]


def stack_frames(path: Path, frames: Sequence[DicomFrame]) -> Stack:
    """Put slices in order along their normal.

    Args:
        path: the caller's path, for error messages.
        frames: slices in any order.

    Raises:
        ValueError: if there is one slice only, or if they differ in size, spacing, orientation or frame of reference.
    """
    if len(frames) < 2:
        raise ValueError(f"'{path}' must hold two slices or more to make a volume, got one; give the whole folder")
    _check_alike(path, frames)
    first = frames[0]
    normal = np.cross(first.row, first.column)
    offsets = np.stack([frame.position for frame in frames]) - first.position
    places = offsets @ normal / np.linalg.norm(normal)
    order = np.argsort(places, kind="stable")
    shifts = offsets[order] - offsets[order[0]]
    across = shifts @ np.stack([first.row, first.column], axis=1)
    return Stack(path, tuple(frames[k] for k in order), places[order] - places[order[0]], across)


def find_faults(stack: Stack) -> list[Fault]:
    """What keeps a stack of distinct positions from being a grid: gaps, uneven steps, sideways jumps, tilt.

    Args:
        stack: slices in order.
    """
    along, across, step = stack.along, stack.across, stack.step_mm
    faults = []
    even = np.linspace(0.0, along[-1], len(along))
    worst = int(np.argmax(np.abs(along - even)))
    if abs(along[worst] - even[worst]) > _tolerance(step):
        near = np.diff(along).max() <= _WIDEST_GAP_MM
        faults.append(Fault(_gap_sentence(stack) or _uneven_sentence(stack), ("resample",) if near else ()))
    sideways = np.linalg.norm(across - along[:, None] * stack.drift, axis=1)
    jump = int(np.argmax(sideways))
    if sideways[jump] > _tolerance(min(stack.frames[0].spacing)):
        faults.append(
            Fault(f"{stack.frames[jump].name} lies {sideways[jump]:.3g} mm beside the line of slices", ("resample",))
        )
    if stack.tilt_degrees > _TILT_TOLERANCE_DEG:
        faults.append(
            Fault(
                f"the gantry was tilted: slices are shifted by {stack.tilt_degrees:.2f}° against their normal",
                ("shear", "resample"),
            )
        )
    return faults


def _tolerance(step_mm: float) -> float:
    return min(_PLACE_TOLERANCE_MM, _PLACE_TOLERANCE_STEPS * step_mm)


def _gap_sentence(stack: Stack) -> str:
    """The sentence for a stack that would be even if whole slices were added, "" for any other."""
    step = stack.step_mm
    slots = stack.along / step
    # Against the line between the ends, so that a median step rounded by 1e-3 does not add up over 500 slices.
    whole = np.rint(slots)
    even = whole * (stack.along[-1] / whole[-1])
    missing = int(whole[-1]) + 1 - len(stack.along)
    if missing <= 0 or np.abs(stack.along - even).max() > _tolerance(step) or np.diff(whole).min() < 1:
        return ""
    # Where much of a scan has wider steps, they were chosen so.
    if np.count_nonzero(np.diff(whole) > 1) > _MOST_GAPS * len(whole):
        return ""
    gap = int(np.argmax(np.diff(stack.along)))
    return (
        f"{missing} of {int(whole[-1]) + 1} slices are missing, most after {stack.frames[gap].name}: the next is "
        f"{stack.along[gap + 1] - stack.along[gap]:.4g} mm away where the step is {step:.4g} mm"
    )


def _uneven_sentence(stack: Stack) -> str:
    steps = np.diff(stack.along)
    widest = int(np.argmax(steps))
    return (
        f"slices are unevenly spaced, from {steps.min():.4g} to {steps.max():.4g} mm "
        f"(widest after {stack.frames[widest].name}), more than {_tolerance(stack.step_mm):.2g} mm from even places"
    )


def _check_alike(path: Path, frames: Sequence[DicomFrame]) -> None:
    first = frames[0]
    _check_one(path, "sizes", Counter(f"{f.shape[1]}×{f.shape[0]}" for f in frames))
    references = Counter(text(f.header.dataset, "FrameOfReferenceUID") for f in frames)
    del references[""]
    if not has_own_references(frames):
        _check_one(path, "frames of reference", references)
    for frame in frames:
        if not np.allclose(frame.spacing, first.spacing, rtol=_SPACING_TOLERANCE, atol=0.0):
            seen = Counter(f"{f.spacing[0]:g}×{f.spacing[1]:g} mm" for f in frames)
            _check_one(path, "pixel spacings", seen)
        turn = max(np.abs(frame.row - first.row).max(), np.abs(frame.column - first.column).max())
        if turn > _COSINE_TOLERANCE:
            _check_one(path, "orientations", Counter(_orientation(f) for f in frames))


def has_own_references(frames: Sequence[DicomFrame]) -> bool:
    """Whether every slice of several has a frame of reference of its own, as some anonymisers and exporters give."""
    found = {text(frame.header.dataset, "FrameOfReferenceUID") for frame in frames} - {""}
    return len(found) == len(frames) > 2


def _orientation(frame: DicomFrame) -> str:
    # + 0.0 makes −0 a 0
    return "\\".join(f"{v:g}" for v in np.round(np.concatenate([frame.row, frame.column]), 3) + 0.0)


def _check_one(path: Path, what: str, seen: Counter[str]) -> None:
    """Refuse a series of several kinds, with how many slices are of which (frames of reference by number only)."""
    if len(seen) < 2:
        return
    named = what != "frames of reference"
    kinds = ", ".join(f"{count} × {kind}" if named else f"{count} slices" for kind, count in seen.most_common(4))
    raise ValueError(f"slices of '{path}' must all be alike, got {len(seen)} {what}: {kinds}")
