"""Annotations of images as YOLO reads them: a text file per image, in shares of its width and height."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from deepdrr._atomic import atomic_path
from deepdrr._extras import require
from deepdrr._names import unknown_name
from deepdrr.annotations._image_annotations import ImageAnnotations

__all__ = ["YoloTask", "write_yolo"]

YoloTask: TypeAlias = Literal["detect", "segment", "pose"]

_DIGITS = 7  # a tenth of a pixel in a million


def write_yolo(
    folder: str | os.PathLike[str], images: Mapping[str, ImageAnnotations], task: YoloTask, *, split: str = "train"
) -> list[Path]:
    """Write `labels/SPLIT/NAME.txt` for each image, and `data.yaml` with the names of the classes.

    `detect`: class and box of each structure in view. `segment`: class and outline of each part of its mask; an outline
    has no holes, so they are filled. `pose`: one class, `patient`, with the box around all structures, or else around
    the landmarks, and all landmarks as u, v and visibility, as in COCO. The images themselves belong into
    `images/SPLIT`.

    Args:
        folder: where; it is made if it is not there.
        images: by file name.
        task: what a network learns from them.
        split: name of the part of the data.

    Returns:
        The files written, data.yaml the first.

    Raises:
        OSError: if a file cannot be written.
        ValueError: for another task, one for which the images have nothing, images whose file names differ only in
            their ending, or a split that is no name.
    """
    if task not in get_args(YoloTask):
        raise unknown_name("task", task, get_args(YoloTask))
    stems = [Path(name).stem for name in images]
    if twice := [stem for stem in stems if stems.count(stem) > 1]:
        raise ValueError(f"images must have names that differ before their endings, got {twice[0]!r} twice")
    structures = tuple(dict.fromkeys(name for image in images.values() for name in image.structures))
    points = tuple(dict.fromkeys(name for image in images.values() for name in image.points))
    if not (points if task == "pose" else structures):
        raise ValueError(
            f"the task {task!r} needs {'landmarks' if task == 'pose' else 'structures'}, the images have none"
        )
    if split in ("", "..") or Path(split).name != split:
        raise ValueError(f"split must be the name of a folder, such as 'train', got {split!r}")
    labels = Path(folder) / "labels" / split
    labels.mkdir(parents=True, exist_ok=True)
    written = [_write_text(Path(folder) / "data.yaml", _description(task, split, structures, points))]
    for stem, image in zip(stems, images.values(), strict=True):
        lines = "".join(f"{line}\n" for line in _lines(image, task, structures, points))
        written.append(_write_text(labels / f"{stem}.txt", lines))
    return written


def _write_text(path: Path, text: str) -> Path:
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def _description(task: YoloTask, split: str, structures: tuple[str, ...], points: tuple[str, ...]) -> str:
    import yaml

    names = ["patient"] if task == "pose" else structures
    content: dict[str, Any] = {"path": ".", split: f"images/{split}", "names": dict(enumerate(names))}
    if task == "pose":
        content |= {"kpt_shape": [len(points), 3], "kpt_names": {0: list(points)}}
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True)


def _lines(
    image: ImageAnnotations, task: YoloTask, structures: tuple[str, ...], points: tuple[str, ...]
) -> Iterator[str]:
    size = np.array([image.width, image.height], dtype=np.float64)
    if task == "pose":
        box = image.body_box
        if box is not None:
            yield " ".join(["0", *_box(box, size), *_key_points(image, points, size)])
        return
    for name, mask, box in zip(image.structures, image.masks, image.boxes, strict=True):
        number = str(structures.index(name))
        if task == "detect" and mask.any():
            yield " ".join([number, *_box(box, size)])
        if task == "segment":
            for outline in _outlines(mask):
                yield " ".join([number, *_numbers((outline / size).reshape(-1))])


def _box(box: NDArray[np.float64], size: NDArray[np.float64]) -> list[str]:
    """Centre, width and height of the part of a box in the image, in shares."""
    low, high = np.clip(box.reshape(2, 2) / size, 0.0, 1.0)
    return _numbers(np.concatenate([(low + high) / 2, high - low]))


def _key_points(image: ImageAnnotations, points: tuple[str, ...], size: NDArray[np.float64]) -> Iterator[str]:
    for name in points:
        n = image.points.index(name) if name in image.points else None
        if n is None or image.visibility[n] == 0:
            yield from ("0", "0", "0")
        else:
            yield from (*_numbers(image.pixels[n] / size), str(image.visibility[n]))


def _outlines(mask: NDArray[np.bool_]) -> Iterator[NDArray[np.float64]]:
    """(u, v) around each part of a mask [N, 2], half-way between centres of pixels; holes are filled."""
    from scipy.ndimage import binary_fill_holes

    measure = require("skimage.measure", "annotations", "outlines of masks")
    filled = np.pad(binary_fill_holes(mask), 1)
    for outline in measure.find_contours(filled.astype(np.float64), 0.5):
        # From (row, column) with centres at integers and a margin of one pixel; the last point is the first again.
        yield np.clip(outline[:-1, ::-1] - 0.5, 0.0, [mask.shape[1], mask.shape[0]])


def _numbers(values: NDArray[np.float64]) -> list[str]:
    return [f"{value:.{_DIGITS}g}" for value in values.tolist()]
