"""What is laid over an X-ray: letters and other burnt-in marks, lead markers, parts of tools.

Bones and tissues have soft edges: from pixel to pixel their grey values change by a small part of the picture's range.
A mark is bounded sharply all around. So it is a region above a threshold that does not grow by more than a pixel when
the threshold falls by a good part of the range (a maximally stable region: Matas et al., BMVC 2002).
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = ["marks"]

Pixels = NDArray[np.bool_]
Grey = NDArray[np.float64]

_FALL = 0.2  # of the field's range of grey values
_LEVELS = 16
_LARGEST = 0.25  # of the field: a larger region is anatomy, or a part of it beside the patient
_MANY = 500  # regions above one threshold: noise
_MOST = 0.3  # of the field: so many sharp regions are noise
_NEIGHBOURS = np.ones((3, 3), dtype=bool)


def marks(image: Grey, field: Pixels) -> Pixels:
    """Where something sharply bounded lies over the picture.

    Args:
        image: [H, W], finite, of either polarity.
        field: [H, W], where to look.

    Returns:
        [H, W], with a pixel around, which shows a part of its edge.
    """
    low, high = np.quantile(image[field], [0.005, 0.995])
    found = np.zeros(field.shape, dtype=bool)
    if not high > low:
        return found
    values = np.clip((image - low) / (high - low), -0.1, 1.1)
    for grey in (values, 1.0 - values):
        found |= _bright_marks(np.where(field, grey, -1.0), field)
    found = ndimage.binary_dilation(found, _NEIGHBOURS) & field
    return found if found.sum() <= _MOST * field.sum() else np.zeros_like(found)


def _bright_marks(values: Grey, field: Pixels) -> Pixels:
    found = np.zeros(field.shape, dtype=bool)
    for threshold in np.linspace(_FALL, 1.0, _LEVELS, endpoint=False):
        regions, count = ndimage.label(values > threshold, _NEIGHBOURS)
        if count > _MANY:
            continue
        wider, _ = ndimage.label(values > threshold - _FALL, _NEIGHBOURS)
        size_of_wider = np.bincount(wider.ravel())
        for number, place in enumerate(ndimage.find_objects(regions), 1):
            region = regions[place] == number
            container = wider[place][region][0]
            grown = ndimage.binary_dilation(np.pad(region, 1), _NEIGHBOURS)
            is_sharp = size_of_wider[container] <= grown.sum()
            if is_sharp and region.sum() <= _LARGEST * field.sum():
                found[place] |= region
    return found
