"""`deepdrr register`: find the pose of a CT from one or several X-rays."""

import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import torch
from cyclopts import Group, Parameter

from deepdrr._atomic import check_target
from deepdrr.camera import Camera
from deepdrr.cli._describe import describe_camera
from deepdrr.cli._options import OptionalWhole, PatientOptions, PoseOptions, Whole
from deepdrr.cli._quantities import check_not_input
from deepdrr.cli._scene import read, stand_of
from deepdrr.cli._status import Verdict, say, stage
from deepdrr.data import Volume
from deepdrr.geometry import ArrayLike

if TYPE_CHECKING:
    from deepdrr.io import Xray
    from deepdrr.registration import Registration, RegistrationResult

__all__ = ["RegisterOptions", "XrayOptions", "register"]


@Parameter(name="*", group=Group("X-ray", sort_key=3))
@dataclass(frozen=True)
class XrayOptions:
    """Facts about the X-rays, if neither their files nor --init state them."""

    sdd_mm: float | None = None
    """Source-to-detector distance, mm."""
    sid_mm: float | None = None
    """Source-to-isocenter distance, mm."""
    pixel_mm: float | None = None
    """Side of a pixel, mm."""
    values: Literal["signal", "line_integrals", "bone_white", "bone_black"] | None = None
    """What a pixel is. [default: by the file: DICOM says it, NPY and float TIFF are signals, others bone white]"""
    frame: OptionalWhole = None
    """Which frame of files with several, such as cine runs, from 1."""
    crop: Whole = 0
    """Leave out this many pixels along each edge, such as a collimator's."""
    mask: Annotated[tuple[str, ...], Parameter(negative=(), show_default=" ".join)] = ("auto",)
    """What counts: auto (the exposed field without letters and markers), all, or an image of the X-ray's size with 0
    where something is to be left out; repeated for several X-rays."""
    polarity: Literal["auto", "as_given", "reversed"] = "auto"
    """Whether the grey of the X-rays is reversed; auto tries."""


@Parameter(name="*")
@dataclass(frozen=True)
class RegisterOptions:
    """The patient and the presumed position of the C-arm."""

    patient: PatientOptions = field(default_factory=PatientOptions)
    pose: PoseOptions = field(default_factory=PoseOptions)
    xrays: XrayOptions = field(default_factory=XrayOptions)


_DEFAULTS = RegisterOptions()


def register(
    *,
    ct: Path,
    xray: Annotated[tuple[Path, ...], Parameter(negative=())],
    out: Path,
    init: Path | None = None,
    start: Literal["near", "far"] = "near",
    report: Path | None = None,
    options: RegisterOptions = _DEFAULTS,
    config: Path | None = None,
) -> Verdict:
    """Find the pose at which a CT looks like one or several X-rays.

    What is written is marked with how well the picture at the end agrees with the X-rays. Where it does not, there is a
    warning, and the exit code is 3.

    Args:
        ct: CT: a NIfTI, NRRD, MHA or MHD file, or a folder of DICOM files.
        xray: X-ray image, DICOM, NPY, PNG or TIFF; repeat it for several of the patient in one position.
        out: JSON file to write: cameras in the CT's frame (RAS, mm), loss, iterations. It may be the next --init.
        init: JSON or YAML file with the cameras to start from. [default: the DICOM headers, or the flags below]
        start: near is for starts within some 12° and 35 mm in each direction; far searches 30° and 80 mm first.
        report: Folder for an overlay, the trajectory and an animation.
        config: YAML file with the same fields as these flags; a flag overrides the file.
    """
    from deepdrr.data import Subject
    from deepdrr.io import read_xray, write_cameras
    from deepdrr.registration import in_words, standard_stages, summary_of, write_report
    from deepdrr.registration import register as search

    _check_out(out, xray, ct)
    xrays = [read_xray(path, options.xrays.values, frame=options.xrays.frame) for path in xray]
    with stage(f"reading {ct}"):
        volume = read(ct, options.patient)
    say("CT", volume)
    cameras = _cameras(xrays, xray, init, volume, options)
    for path, camera in zip(xray, cameras, strict=True):
        say("X-ray", f"{path}: {describe_camera(camera)}")
    masks = _masks(options.xrays.mask, xrays)
    registration, target, mask = _problem(Subject.from_volume(volume), xrays, cameras, masks, options.xrays.crop)
    stages = standard_stages(registration.height, registration.width, start)
    polarity = options.xrays.polarity
    result = search(registration, target, mask=mask, polarity=polarity, stages=stages, progress=_is_watched())
    for sentence in in_words(result, [str(path) for path in xray]):
        say("X-ray", sentence)
    say("result", _sentence(result))
    say("quality", f"{result.quality}; {result.certainty}" if result.quality.is_good else str(result.quality))
    moved = [camera.moved(result.motion) for camera in cameras]
    write_cameras(out, moved, [str(path) for path in xray], {"ct": str(ct), **summary_of(result)})
    say("wrote", f"{out}: {len(moved)} camera{'s' * (len(moved) > 1)} in the CT's frame")
    if report is not None:
        with stage("drawing the report"):
            written = write_report(registration, target, result, report)
        say("wrote", f"{report}: {', '.join(path.name for path in written)}")
    return Verdict.GOOD if result.quality.is_good else Verdict.DOUBTFUL


def _check_out(out: Path, xrays: tuple[Path, ...], ct: Path) -> None:
    if out.suffix.lower() != ".json":
        raise ValueError(f"out must end in .json, got '{out}'")
    check_target(out, "out")
    check_not_input((out,), ct)
    if out.resolve() in [path.resolve() for path in xrays]:
        raise ValueError(f"out must not be an X-ray, got '{out}'")


def _cameras(
    xrays: "list[Xray]", paths: tuple[Path, ...], init: Path | None, volume: Volume, options: RegisterOptions
) -> list[Camera]:
    """The presumed cameras, in the CT's frame."""
    from deepdrr.io import read_cameras

    pose, given = options.pose, options.xrays
    by_flags = [pose.view, pose.alpha, pose.beta, pose.gamma, pose.viewed_from]
    if init is not None:
        flags = [*by_flags, pose.isocenter, pose.landmark, given.sdd_mm, given.sid_mm, given.pixel_mm]
        if any(value is not None for value in flags):
            raise ValueError(f"give --init or flags for the C-arm, not both: got --init {init}")
        return read_cameras(init, [(x.image.shape[0], x.image.shape[1]) for x in xrays])
    center = _isocenter(volume, pose)
    if any(value is not None for value in by_flags) and len(xrays) > 1:
        raise ValueError(f"the C-arm's flags are for one X-ray, got {len(xrays)}: give --init")
    return [_camera(xray, str(path), center, options) for xray, path in zip(xrays, paths, strict=True)]


def _camera(xray: "Xray", path: str, center: ArrayLike, options: RegisterOptions) -> Camera:
    from deepdrr.io import camera_of_header

    given, pose = options.xrays, options.pose
    header = replace(
        xray.header,
        sdd_mm=xray.header.sdd_mm if given.sdd_mm is None else given.sdd_mm,
        sid_mm=xray.header.sid_mm if given.sid_mm is None else given.sid_mm,
        pixel_spacing_mm=xray.header.pixel_spacing_mm if given.pixel_mm is None else (given.pixel_mm,) * 2,
    )
    height, width = xray.image.shape
    stand = stand_of(pose)
    if stand is not None or pose.viewed_from is not None:
        header = replace(header, patient_orientation=None)
    if stand is None:
        return camera_of_header(header, height, width, center, f"'{path}'", viewed_from=pose.viewed_from or "detector")
    arm, viewed_from = stand
    header = replace(header, positioner_angles_deg=(arm.alpha_deg, arm.beta_deg))
    return camera_of_header(
        header, height, width, center, f"'{path}'", gamma_deg=arm.gamma_deg, viewed_from=viewed_from
    )


def _isocenter(volume: Volume, pose: PoseOptions) -> ArrayLike:
    if pose.isocenter is not None and pose.landmark is not None:
        raise ValueError(f"give an isocenter or a landmark, not both: got {pose.isocenter} and {pose.landmark!r}")
    if pose.landmark is not None:
        return volume.landmark_in_world(pose.landmark)
    return volume.center_in_anatomical if pose.isocenter is None else pose.isocenter


def _masks(given: tuple[str, ...], xrays: "list[Xray]") -> "list[torch.Tensor] | Literal['auto'] | None":
    """One mask [H, W] for each X-ray, or how all of them are masked."""
    from deepdrr.io import read_xray

    if given == ("auto",):
        return "auto"
    if given == ("all",):
        return None
    if len(given) != len(xrays):
        raise ValueError(f"mask must be auto, all, or {len(xrays)} images, one for each X-ray, got {' '.join(given)}")
    masks = [(read_xray(path, "line_integrals").image != 0).float() for path in given]
    for path, mask, xray in zip(given, masks, xrays, strict=True):
        if mask.shape != xray.image.shape:
            sizes = ["×".join(map(str, image.shape)) for image in (xray.image, mask)]
            raise ValueError(f"mask must have the X-ray's {sizes[0]} pixels, '{path}' has {sizes[1]}")
    return masks


def _problem(
    subject: Any,
    xrays: "list[Xray]",
    cameras: list[Camera],
    masks: "list[torch.Tensor] | Literal['auto'] | None",
    crop: int,
) -> "tuple[Registration, torch.Tensor, torch.Tensor | Literal['auto'] | None]":
    """The cropped X-rays with the same number of pixels, the fewest of all, the cameras that see them, the masks."""
    from torch.nn.functional import adaptive_avg_pool2d

    from deepdrr.registration import Registration

    least = min(min(xray.image.shape) for xray in xrays)
    if not 0 <= 2 * crop < least:
        raise ValueError(f"crop must leave pixels of an image {least} pixels wide, got {crop}")
    shapes = [(c.height - 2 * crop, c.width - 2 * crop) for c in cameras]
    size = (min(height for height, _ in shapes), min(width for _, width in shapes))

    def fitted(images: "list[torch.Tensor]") -> torch.Tensor:
        """[V, 1, H, W]"""
        kept = (i[crop : crop + h, crop : crop + w] for i, (h, w) in zip(images, shapes, strict=True))
        return torch.stack([adaptive_avg_pool2d(image[None], size) for image in kept])

    seeing = [c.cropped(crop, crop, *shape).resized(*size) for c, shape in zip(cameras, shapes, strict=True)]
    views = Camera.stack(seeing).to(torch.float32)
    registration = Registration(subject, views.rt_inv, views.k_inv, views.sdd_mm, *size)
    # A pixel of which a part is left out would show that part.
    mask = (fitted(masks) == 1).float() if isinstance(masks, list) else masks
    return registration, fitted([xray.image for xray in xrays]), mask


def _is_watched() -> bool:
    from rich.console import Console

    return Console(stderr=True).is_terminal


def _sentence(result: "RegistrationResult") -> str:
    from deepdrr.metrics import rotation_angle

    turn = math.degrees(float(rotation_angle(torch.eye(3).double(), result.motion[:3, :3])))
    across, depth = result.shift_mm
    return (
        f"{result.stopped[-1]} after {result.iterations} iterations in {result.seconds:.1f} s, loss {result.loss:.4f}; "
        f"camera turned by {turn:.2f}°, patient shifted by {across:.1f} mm across the beam and {depth:.1f} mm along it"
    )
