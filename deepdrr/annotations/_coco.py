"""Annotations of images as COCO writes them."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepdrr._atomic import atomic_path
from deepdrr._names import unknown_name
from deepdrr.annotations._image_annotations import ImageAnnotations
from deepdrr.annotations._rle import run_lengths

__all__ = ["coco_dataset", "write_coco"]

# The category of the landmarks, one instance per image.
_BODY = "landmarks"


def coco_dataset(images: Mapping[str, ImageAnnotations], skeleton: Sequence[tuple[str, str]] = ()) -> dict[str, Any]:
    """The content of a COCO file: boxes, masks and key points.

    Each structure is a category, and has an annotation in each image that shows it: its box, its mask by run lengths,
    and `amodal_bbox`, the box of the whole structure, also beyond the image. If there are landmarks, the last category
    is `landmarks`, with an annotation per image: key points (u, v, visibility), centres of pixels at +0.5, with
    visibility 2 in view, 1 hidden behind metal, and 0, at 0, 0, out of view or without a place. Its box is that around
    all structures in view, or else that around the key points.

    Args:
        images: by file name. Ids count from 1 in this order.
        skeleton: pairs of landmarks that are joined.

    Raises:
        ValueError: if the skeleton names a landmark that no image has, or a structure is called landmarks.
    """
    structures = tuple(dict.fromkeys(name for image in images.values() for name in image.structures))
    points = tuple(dict.fromkeys(name for image in images.values() for name in image.points))
    if points and _BODY in structures:
        raise ValueError(f"a structure must not be called {_BODY!r}, which is the category of the key points")
    if unknown := [name for pair in skeleton for name in pair if name not in points]:
        raise unknown_name("landmark of the skeleton", unknown[0], points)
    categories: list[dict[str, Any]] = [
        {"id": n, "name": name, "supercategory": "structure"} for n, name in enumerate(structures, start=1)
    ]
    if points:
        joined = [[points.index(a) + 1, points.index(b) + 1] for a, b in skeleton]
        categories.append(
            {
                "id": len(structures) + 1,
                "name": _BODY,
                "supercategory": "patient",
                "keypoints": list(points),
                "skeleton": joined,
            }
        )
    listed: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for image_id, (file_name, image) in enumerate(images.items(), start=1):
        listed.append({"id": image_id, "file_name": file_name, "width": image.width, "height": image.height})
        for entry in _entries(image, structures, points):
            annotations.append({"id": len(annotations) + 1, "image_id": image_id, "iscrowd": 0, **entry})
    return {"images": listed, "categories": categories, "annotations": annotations}


def write_coco(
    path: str | os.PathLike[str],
    images: Mapping[str, ImageAnnotations],
    skeleton: Sequence[tuple[str, str]] = (),
) -> None:
    """Write a COCO file; see `coco_dataset`.

    Raises:
        OSError: if it cannot be written.
        ValueError: as `coco_dataset`.
    """
    text = json.dumps(coco_dataset(images, skeleton), allow_nan=False)
    with atomic_path(Path(path)) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _entries(image: ImageAnnotations, structures: tuple[str, ...], points: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    for name, mask, box, amodal in zip(image.structures, image.masks, image.boxes, image.amodal_boxes, strict=True):
        if not mask.any():
            continue
        whole = {} if np.isnan(amodal).any() else {"amodal_bbox": _sides(amodal)}
        yield {
            "category_id": structures.index(name) + 1,
            "bbox": _sides(box),
            "area": int(mask.sum()),
            "segmentation": run_lengths(mask),
            **whole,
        }
    box_around = image.body_box
    if not points or box_around is None:
        return
    key_points, seen = _key_points(image, points), int((image.visibility > 0).sum())
    sides = _sides(box_around)
    yield {
        "category_id": len(structures) + 1,
        "bbox": sides,
        "area": sides[2] * sides[3],
        "segmentation": [],
        "keypoints": key_points,
        "num_keypoints": seen,
    }


def _key_points(image: ImageAnnotations, points: tuple[str, ...]) -> list[float]:
    """u, v and visibility of each point in turn."""
    found: list[float] = []
    for name in points:
        n = image.points.index(name) if name in image.points else None
        if n is None or image.visibility[n] == 0:
            found += [0, 0, 0]
        else:
            found += [*image.pixels[n].tolist(), int(image.visibility[n])]
    return found


def _sides(box: NDArray[np.float64]) -> list[float]:
    """u, v, width and height."""
    u0, v0, u1, v1 = box.tolist()
    return [u0, v0, u1 - u0, v1 - v0]
