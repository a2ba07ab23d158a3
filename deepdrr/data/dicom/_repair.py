"""Slices brought onto an even, straight grid by linear interpolation, on the caller's request."""

import math

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from deepdrr.data._checks import AIR_HU
from deepdrr.data.dicom._stack import Stack

__all__ = ["resample"]


def resample(stack: Stack, hu: NDArray[np.float32]) -> tuple[NDArray[np.float32], Tensor, str]:
    """Interpolate slices linearly along their normal, each moved in its plane to where it lies.

    The new slices run from the first to the last in steps as near to the usual step as evenly fits, so slices
    that are in place keep their values. Where slices are shifted against each other (tilted gantry) the grid
    widens to hold all of them; what no slice covers is air.

    Args:
        stack: the slices.
        hu: their Hounsfield units [I, J, K].

    Returns:
        hu [I', J', K'], anatomical_from_ijk float64 [4, 4], and the sentence that says what was done.
    """
    first, length = stack.frames[0], float(stack.along[-1])
    count = round(length / stack.step_mm) + 1
    places = np.linspace(0.0, length, count)
    shifts = stack.across / np.array(first.spacing)
    # Shifts below a thousandth of a pixel are rounding of the header: they would only blur.
    shifts = np.where(np.abs(shifts) < 1e-3, 0.0, shifts)
    low = np.floor(shifts.min(axis=0)).astype(int)
    extra = np.ceil(shifts.max(axis=0)).astype(int) - low
    size = (hu.shape[0] + int(extra[0]), hu.shape[1] + int(extra[1]))
    out = np.empty((count, size[1], size[0]), dtype=np.float32)
    for k, place in enumerate(places):
        out[k] = _slice_at(stack, hu, shifts - low, place, size).T
    normal = np.cross(first.row, first.column)
    origin = first.position + first.row * (low[0] * first.spacing[0]) + first.column * (low[1] * first.spacing[1])
    affine = stack.affine_of(origin, normal / np.linalg.norm(normal) * (length / (count - 1)))
    gap = float(np.diff(stack.along).max())
    note = (
        f"{len(stack.frames)} slices, up to {gap:.4g} mm apart and tilted by {stack.tilt_degrees:.2f}°, were "
        f"resampled linearly to {count} slices every {length / (count - 1):.4g} mm"
    )
    return out.transpose(2, 1, 0), affine, note


def _slice_at(
    stack: Stack, hu: NDArray[np.float32], shifts: NDArray[np.float64], place: float, size: tuple[int, int]
) -> NDArray[np.float32]:
    """The new slice [I', J'] at a place along the normal (mm)."""
    after = int(np.clip(np.searchsorted(stack.along, place), 1, len(stack.along) - 1))
    before = after - 1
    weight = (place - stack.along[before]) / (stack.along[after] - stack.along[before])
    parts = [
        np.float32(share) * _moved(hu[:, :, k], shifts[k], size)
        for k, share in ((before, 1.0 - weight), (after, weight))
        if share > 1e-9
    ]
    return np.asarray(sum(parts), dtype=np.float32)


def _moved(picture: NDArray[np.float32], shift: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.float32]:
    """A slice moved by a shift of fractions of pixels onto a canvas of air [I', J'], bilinearly."""
    canvas = np.full(size, AIR_HU, dtype=np.float32)
    whole = [math.floor(s) for s in shift]
    canvas[whole[0] : whole[0] + picture.shape[0], whole[1] : whole[1] + picture.shape[1]] = picture
    for axis in (0, 1):
        fraction = np.float32(shift[axis] - whole[axis])
        if fraction > 0.0:
            # The canvas ends in a row of air wherever a fraction is left, so rolling around brings in air only.
            canvas = (1 - fraction) * canvas + fraction * np.roll(canvas, 1, axis=axis)
    return canvas
