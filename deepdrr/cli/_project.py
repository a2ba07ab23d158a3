"""`deepdrr project`: one X-ray image of a CT."""

from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from deepdrr.cli._carm import move_carm
from deepdrr.cli._describe import describe_beam, describe_camera, describe_exposure
from deepdrr.cli._options import (
    DetectorOptions,
    DicomOptions,
    DisplayOptions,
    OptionalWords,
    PatientOptions,
    PoseOptions,
    TechniqueOptions,
    ToolOptions,
)
from deepdrr.cli._output import written
from deepdrr.cli._quantities import Quantity, check_files, check_labels, check_not_input, needed, quantity_help
from deepdrr.cli._scene import ISOCENTER_WORLD, camera, generator, load, pose_name, projector, technique
from deepdrr.cli._status import say, stage
from deepdrr.cli._tools import check_tools, tools, warn_if_outside
from deepdrr.projector import OUTPUTS, Projector, read_scene

__all__ = ["ProjectOptions", "project", "source_of"]


@Parameter(name="*")
@dataclass(frozen=True)
class ProjectOptions:
    """Patient, geometry and technique of one image."""

    patient: PatientOptions = field(default_factory=PatientOptions)
    pose: PoseOptions = field(default_factory=PoseOptions)
    detector: DetectorOptions = field(default_factory=DetectorOptions)
    technique: TechniqueOptions = field(default_factory=TechniqueOptions)
    tools: ToolOptions = field(default_factory=ToolOptions)


_DEFAULTS, _DISPLAY, _DICOM = ProjectOptions(), DisplayOptions(), DicomOptions()


def project(
    file: Path | None = None,
    *,
    out: Annotated[tuple[Path, ...], Parameter(negative=())],
    scene: Path | None = None,
    quantity: Annotated[Quantity, Parameter(help=quantity_help())] = "image",
    only_labels: OptionalWords = (),
    options: ProjectOptions = _DEFAULTS,
    display: DisplayOptions = _DISPLAY,
    dicom: DicomOptions = _DICOM,
    config: Path | None = None,
) -> None:
    """Take one X-ray image of a CT.

    Args:
        file: CT: a NIfTI, NRRD, MHA or MHD file, or a folder of DICOM files. Left out with --scene.
        out: File to write; repeat it for several of the same exposure. A .png is the picture as displayed, .tiff and
            .npy hold the raw values, .npz all of it with camera and units, .dcm is a DICOM X-ray image.
        scene: YAML file of volumes, tools, C-arm and technique, in the place of a CT and of the flags that say so;
            view, angles, isocenter and detector may be given beside it, and the rest of its C-arm stays.
        quantity: What to write.
        only_labels: Label of a label quantity to write, by name or number; repeated for several. [default: all]
        config: YAML file with the same fields as these flags; a flag overrides the file.
    """
    check_files(out, quantity)
    noise = generator(options.technique.exposure)
    source, isocenter = source_of(file, scene, options, out=out, quantity=quantity, only_labels=only_labels)
    camera_now = source.camera
    say("beam", describe_beam(source.technique.spectrum))
    if source.exposure is not None and OUTPUTS[quantity].depends_on_exposure:
        say("exposure", describe_exposure(source.exposure, source.technique.source, camera_now))
    with stage("casting rays"):
        shot = source.project(*needed(quantity), labels=only_labels or None, generator=noise)
    shot = replace(shot, isocenter_world=isocenter or shot.isocenter_world)
    for path in out:
        for what in written(shot, quantity, path, display, dicom):
            say("wrote", what)


def source_of(
    file: Path | None,
    scene: Path | None,
    options: ProjectOptions,
    *,
    out: tuple[Path, ...] = (),
    quantity: Quantity = "image",
    only_labels: tuple[str, ...] = (),
) -> tuple[Projector, tuple[float, float, float] | None]:
    """The projector of a CT and flags, or of a scene file, and its isocenter if that is known.

    Raises:
        ValueError: if there is neither, or flags contradict the file.
    """
    if scene is not None:
        found, isocenter = _from_scene(scene, file, options), None
    elif file is not None:
        found, isocenter = _from_flags(file, out, quantity, only_labels, options), ISOCENTER_WORLD
    else:
        raise ValueError("deepdrr needs a CT, or --scene with a scene file, got neither")
    warn_if_outside(found)
    return found, isocenter


def _from_flags(
    file: Path, out: tuple[Path, ...], quantity: Quantity, only_labels: tuple[str, ...], options: ProjectOptions
) -> Projector:
    """A CT, with tools, and a technique as flags say."""
    check_not_input(out, file)
    check_labels(quantity, options.patient.labels, only_labels, options.technique.model.label_materials)
    check_tools(options.tools)
    taken, view = technique(options.technique), camera(options.pose, options.detector)
    with stage(f"reading {file}"):
        volume = load(file, options.patient, options.pose.isocenter or options.pose.landmark)
    say("CT", volume)
    held = tools(options.tools, volume)
    for tool in held:
        say("tool", tool)
    say("C-arm", f"{pose_name(options.pose)}, {describe_camera(view)}")
    return projector(volume, view, taken, options.technique, held)


def _from_scene(scene: Path, file: Path | None, options: ProjectOptions) -> Projector:
    """Volumes, tools, C-arm and technique of a scene file; flags of pose and detector change its C-arm.

    Raises:
        ValueError: for flags that say what the file says.
    """
    if file is not None:
        raise ValueError(f"a CT and --scene must not be given together, got '{file}' and '{scene}'")
    for name in ("patient", "technique", "tools"):
        _check_default(getattr(options, name), getattr(_DEFAULTS, name))
    with stage(f"reading {scene}"):
        found = read_scene(scene)
    for thing in (*found.scene.volumes, *found.scene.solids):
        say("tool" if thing in found.scene.solids else "CT", thing)
    detector = None if options.detector == _DEFAULTS.detector else options.detector
    move_carm(found, options.pose, detector)
    say("C-arm", describe_camera(found.camera))
    return found


def _check_default(given: object, default: object) -> None:
    """Refuse flags of what a scene file says itself; the seed and the number of threads are not in it."""
    for one in fields(given):  # type: ignore[arg-type]
        value, usual = getattr(given, one.name), getattr(default, one.name)
        if hasattr(value, "__dataclass_fields__"):
            _check_default(value, usual)
        elif value != usual and one.name not in ("seed", "threads", "noise"):
            raise ValueError(f"{one.name} must be said in the scene file, not by a flag beside --scene, got {value!r}")
