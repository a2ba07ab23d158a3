"""`deepdrr annotate`: one X-ray image of a CT with masks, boxes and landmarks."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import torch
from cyclopts import Parameter

from deepdrr._names import unknown_name
from deepdrr.annotations import (
    ImageAnnotations,
    ProjectedAnnotations,
    Structures,
    YoloTask,
    image_annotations,
    on_detector,
    project_annotations,
    structures_of,
    write_annotations,
    write_coco,
    write_mask_index,
    write_mask_planes,
    write_overlay,
    write_points,
    write_seg,
    write_yolo,
)
from deepdrr.cli._options import DisplayOptions
from deepdrr.cli._project import ProjectOptions
from deepdrr.cli._quantities import processing_of
from deepdrr.cli._scene import ISOCENTER_WORLD, camera, generator, load, projector, technique
from deepdrr.cli._status import say, stage
from deepdrr.data import Volume
from deepdrr.io import write_npz, write_png
from deepdrr.projector import Radiograph

__all__ = ["annotate"]

Form = Literal["picture", "overlay", "points", "lengths", "masks", "coco", "yolo", "markups", "dicom"]
_USUAL: tuple[Form, ...] = ("picture", "overlay", "points", "masks", "coco", "markups")
_OF_SHARES = ("label_line_integrals", "line_integrals")
_DEFAULTS, _DISPLAY = ProjectOptions(), DisplayOptions()


def annotate(
    file: Path,
    *,
    out: Path,
    write: Annotated[tuple[Form, ...], Parameter(negative=(), show_default=" ".join)] = _USUAL,
    join: Annotated[tuple[str, ...], Parameter(negative=(), show_default=False)] = (),
    options: ProjectOptions = _DEFAULTS,
    display: DisplayOptions = _DISPLAY,
    config: Path | None = None,
) -> None:
    """Take one X-ray image of a CT, with the masks and boxes of its labels and the images of its landmarks.

    Args:
        file: CT: a NIfTI, NRRD, MHA or MHD file, or a folder of DICOM files. Give it labels, landmarks or both.
        out: Folder for the files; it is made if it is not there.
        write: What to write; repeat it for several. picture: image.png; overlay: the picture with all names; points:
            pixel, depth and visibility of each landmark (CSV); lengths: path lengths and shares of the attenuation
            (NPZ); masks: a PNG with a number per pixel and PNGs with a bit per structure; coco; yolo: detect, segment
            and pose; markups: landmarks in the plane of the detector, for 3D Slicer; dicom: the image and a DICOM SEG.
        join: Two landmarks that COCO's skeleton joins, as A=B; repeated for several.
        config: YAML file with the same fields as these flags; a flag overrides the file.
    """
    if options.patient.labels is None and options.patient.landmarks is None:
        raise ValueError("annotate needs labels, landmarks or both, got neither")
    if out.exists() and not out.is_dir():
        raise NotADirectoryError(f"out must be a folder, got the file '{out}'")
    skeleton = tuple(_pair(word) for word in join)
    taken, noise = technique(options.technique), generator(options.technique.exposure)
    view = camera(options.pose, options.detector)
    with stage(f"reading {file}"):
        volume = load(file, options.patient, options.pose.isocenter or options.pose.landmark)
    say("CT", volume)
    if unknown := [name for pair in skeleton for name in pair if name not in volume.annotations]:
        raise unknown_name("landmark to join", unknown[0], list(volume.annotations))
    source = projector(volume, view, taken, options.technique)
    wanted = () if volume.labels is None else ("label_path_lengths", *(_OF_SHARES if "lengths" in write else ()))
    with stage("casting rays"):
        shot = source.project("image", "open_field", *wanted, generator=noise)
        found = structures_of(shot, [volume]) if wanted else None
        place = volume.world_from_anatomical
        seen = project_annotations(volume.annotations, view, world_from_annotations=place, scene=source.scene)
    for what, text in _facts(found, seen):
        say(what, text)
    notes = image_annotations(found, seen, height=view.height, width=view.width)
    image = _Annotated(shot, volume, found, seen, notes, display, skeleton)
    out.mkdir(parents=True, exist_ok=True)
    for form in dict.fromkeys(write):
        for path in _WRITERS[form](image, out):
            say("wrote", path)


@dataclass(frozen=True, eq=False)
class _Annotated:
    """An image, and what is known of it."""

    shot: Radiograph
    volume: Volume
    found: Structures | None
    seen: ProjectedAnnotations
    notes: ImageAnnotations
    display: DisplayOptions
    skeleton: tuple[tuple[str, str], ...]

    @property
    def picture(self) -> Any:
        """The image as displayed, uint8 [H, W]."""
        return self.shot.picture("image", processing_of("image", self.display), "uint8")


def _pair(word: str) -> tuple[str, str]:
    first, equals, second = (part.strip() for part in word.partition("="))
    if not (first and equals and second):
        raise ValueError(f"join must be two landmarks as A=B, got {word!r}")
    return first, second


def _facts(found: Structures | None, seen: ProjectedAnnotations) -> Iterator[tuple[str, str]]:
    if found is not None:
        for n, (name, box, mask) in enumerate(zip(found.names, found.boxes.tolist(), found.masks, strict=True)):
            if not bool(mask.any()):
                yield "structure", f"{name}: out of view"
                continue
            where = f"u {box[0]:.0f} to {box[2]:.0f}, v {box[1]:.0f} to {box[3]:.0f}"
            share = "" if found.shares is None else f"; at most {float(found.shares[n].max()):.0%} of the attenuation"
            yield "structure", f"{name}: {where}{share}"
    for name, pixel, depth, visibility in zip(
        seen.names, seen.pixels.tolist(), seen.depth_mm.tolist(), seen.visibility.tolist(), strict=True
    ):
        if depth != depth:
            yield "landmark", f"{name}: no image"
            continue
        how = ("out of view", "hidden behind metal", "in view")[visibility]
        yield "landmark", f"{name}: u {pixel[0]:.1f}, v {pixel[1]:.1f}, {depth:.0f} mm from the source, {how}"


# -- the files of each form ------------------------------------------------------------------------------------------


def _picture(image: _Annotated, out: Path) -> Iterator[Path]:
    write_png(image.picture, out / "image.png")
    yield out / "image.png"


def _overlay(image: _Annotated, out: Path) -> Iterator[Path]:
    write_overlay(out / "overlay.png", image.picture, image.notes)
    yield out / "overlay.png"


def _points(image: _Annotated, out: Path) -> Iterator[Path]:
    if image.seen.names:
        write_points(out / "points.csv", image.seen)
        yield out / "points.csv"


def _lengths(image: _Annotated, out: Path) -> Iterator[Path]:
    if image.found is not None and image.found.shares is not None:
        arrays = {"path_lengths_mm": image.found.path_lengths_mm, "shares": image.found.shares.to(torch.float32)}
        write_npz({**arrays, "names": list(image.found.names)}, out / "lengths.npz")
        yield out / "lengths.npz"


def _masks(image: _Annotated, out: Path) -> Iterator[Path]:
    if image.found is not None:
        write_mask_index(out / "index.png", image.notes.masks, image.notes.structures)
        yield out / "index.png"
        yield from write_mask_planes(out / "masks.png", image.notes.masks, image.notes.structures)


def _coco(image: _Annotated, out: Path) -> Iterator[Path]:
    write_coco(out / "coco.json", {"image.png": image.notes}, image.skeleton)
    yield out / "coco.json"


def _yolo(image: _Annotated, out: Path) -> Iterator[Path]:
    tasks: list[YoloTask] = ["detect", "segment"] if image.found is not None else []
    if image.seen.names:
        tasks.append("pose")
    for task in tasks:
        yield from write_yolo(out / "yolo" / task, {"image.png": image.notes}, task)


def _markups(image: _Annotated, out: Path) -> Iterator[Path]:
    if image.volume.annotations:
        place = image.volume.world_from_anatomical
        shadows = on_detector(image.volume.annotations, image.shot.camera, world_from_annotations=place)
        write_annotations(out / "detector.mrk.json", shadows)
        yield out / "detector.mrk.json"


def _dicom(image: _Annotated, out: Path) -> Iterator[Path]:
    (path,) = replace(image.shot, isocenter_world=ISOCENTER_WORLD).save(out / "image.dcm", "image")
    yield path
    if image.notes.masks.any():
        write_seg(out / "seg.dcm", image.notes, path)
        yield out / "seg.dcm"


_WRITERS: dict[Form, Callable[[_Annotated, Path], Iterator[Path]]] = {
    "picture": _picture,
    "overlay": _overlay,
    "points": _points,
    "lengths": _lengths,
    "masks": _masks,
    "coco": _coco,
    "yolo": _yolo,
    "markups": _markups,
    "dicom": _dicom,
}
assert _WRITERS.keys() == set(get_args(Form))
