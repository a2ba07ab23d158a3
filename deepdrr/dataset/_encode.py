"""A sample as the bytes of its files."""

import io
import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepdrr.annotations import mask_planes
from deepdrr.dataset._plan import Plan
from deepdrr.dataset._sample import LabeledImage

__all__ = ["encoded"]


def encoded(plan: Plan, sample: LabeledImage) -> dict[str, bytes]:
    """The files of a sample by what follows the sample's number in their names.

    `image.png` or `image.tiff`, `masks.png` (or `masks-1.png`, … for more than 16 structures, see
    `deepdrr.annotations.write_mask_planes`), and `json`. The same sample gives the same bytes, with the same
    versions of Pillow and zlib.
    """
    files = {"image.png" if sample.image.dtype.kind == "u" else "image.tiff": _image(sample.image)}
    if plan.results.masks and sample.notes.structures:
        planes = mask_planes(sample.notes.masks, sample.notes.structures)
        for n, plane in enumerate(planes, start=1):
            files["masks.png" if len(planes) == 1 else f"masks-{n}.png"] = plane
    text = json.dumps(sample.record, sort_keys=True, allow_nan=False, ensure_ascii=False)
    return {**files, "json": (text + "\n").encode()}


def _image(image: NDArray[Any]) -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(stream, format="PNG" if image.dtype.kind == "u" else "TIFF")
    return stream.getvalue()
