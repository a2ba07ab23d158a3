"""`deepdrr annotate`: one X-ray image of a CT with masks, boxes and landmarks."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import torch
from cyclopts import Parameter

from deepdrr._names import unknown_name
from deepdrr.annotations import (
    TOOL_RESULTS,
    Annotations,
    ImageAnnotations,
    ProjectedAnnotations,
    Structures,
    YoloTask,
    annotations_in_room,
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
from deepdrr.cli._project import ProjectOptions, source_of
from deepdrr.cli._quantities import processing_of
from deepdrr.cli._scene import generator
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
    file: Path | None = None,
    *,
    out: Path,
    scene: Path | None = None,
    write: Annotated[tuple[Form, ...], Parameter(negative=(), show_default=" ".join)] = _USUAL,
    join: Annotated[tuple[str, ...], Parameter(negative=(), show_default=False)] = (),
    options: ProjectOptions = _DEFAULTS,
    display: DisplayOptions = _DISPLAY,
    config: Path | None = None,
) -> None:
    """Take one X-ray image of a CT, with masks and boxes of its labels and tools and the images of landmarks.

    Args:
        file: CT: a NIfTI, NRRD, MHA or MHD file, or a folder of DICOM files. Left out with --scene. Give it labels,
            landmarks or tools.
        scene: YAML file of volumes, tools, C-arm and technique, in the place of a CT and of the flags that say so.
        out: Folder for the files; it is made if it is not there.
        write: What to write; repeat it for several. picture: image.png; overlay: the picture with all names; points:
            pixel, depth and visibility of each landmark (CSV); lengths: path lengths and shares of the attenuation
            (NPZ); masks: a PNG with a number per pixel and PNGs with a bit per structure; coco; yolo: detect, segment
            and pose; markups: landmarks in the plane of the detector, for 3D Slicer; dicom: the image and a DICOM SEG.
        join: Two landmarks that COCO's skeleton joins, as A=B; repeated for several.
        config: YAML file with the same fields as these flags; a flag overrides the file.
    """
    patient = options.patient
    if scene is None and patient.labels is None and patient.landmarks is None and not options.tools.tool:
        raise ValueError("annotate needs labels, landmarks or tools, got none of them")
    if out.exists() and not out.is_dir():
        raise NotADirectoryError(f"out must be a folder, got the file '{out}'")
    skeleton, noise = tuple(_pair(word) for word in join), generator(options.technique.exposure)
    source, isocenter = source_of(file, scene, options)
    marks = annotations_in_room(source.scene)
    if unknown := [name for pair in skeleton for name in pair if name not in marks]:
        raise unknown_name("landmark to join", unknown[0], list(marks))
    labeled = [one for one in source.scene.volumes if isinstance(one, Volume) and one.labels is not None]
    wanted = _wanted(bool(labeled), bool(source.scene.solids), "lengths" in write)
    with stage("casting rays"):
        shot = source.project("image", "open_field", *wanted, generator=noise)
        found = structures_of(shot, labeled) if wanted else None
        seen = project_annotations(marks, source.camera, scene=source.scene)
    for what, text in _facts(found, seen):
        say(what, text)
    notes = image_annotations(found, seen, height=shot.camera.height, width=shot.camera.width)
    shot = shot if isocenter is None else replace(shot, isocenter_world=isocenter)
    image = _Annotated(shot, marks, found, seen, notes, display, skeleton)
    out.mkdir(parents=True, exist_ok=True)
    for form in dict.fromkeys(write):
        for path in _WRITERS[form](image, out):
            say("wrote", path)


def _wanted(labels: bool, tools: bool, shares: bool) -> tuple[str, ...]:
    """The results that structures need."""
    found = ("label_path_lengths", *(_OF_SHARES if shares else ())) if labels else ()
    return (*found, *(TOOL_RESULTS if tools else ()))


@dataclass(frozen=True, eq=False)
class _Annotated:
    """An image, and what is known of it."""

    shot: Radiograph
    marks: Annotations
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
    tasks: list[YoloTask] = ["detect", "segment"] if image.notes.structures else []
    if image.seen.names:
        tasks.append("pose")
    for task in tasks:
        yield from write_yolo(out / "yolo" / task, {"image.png": image.notes}, task)


def _markups(image: _Annotated, out: Path) -> Iterator[Path]:
    if image.marks:
        patient = image.shot.anatomical_from_world
        shadows = on_detector(image.marks, image.shot.camera)
        write_annotations(out / "detector.mrk.json", shadows if patient is None else shadows.moved(patient))
        yield out / "detector.mrk.json"


def _dicom(image: _Annotated, out: Path) -> Iterator[Path]:
    (path,) = image.shot.save(out / "image.dcm", "image")
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
