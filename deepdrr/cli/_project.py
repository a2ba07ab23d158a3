"""`deepdrr project`: one X-ray image of a CT."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from deepdrr.cli._describe import describe_beam, describe_camera, describe_exposure
from deepdrr.cli._options import (
    DetectorOptions,
    DicomOptions,
    DisplayOptions,
    OptionalWords,
    PatientOptions,
    PoseOptions,
    TechniqueOptions,
)
from deepdrr.cli._output import written
from deepdrr.cli._quantities import Quantity, check_files, check_labels, check_not_input, needed, quantity_help
from deepdrr.cli._scene import ISOCENTER_WORLD, camera, generator, load, pose_name, projector, technique
from deepdrr.cli._status import say, stage
from deepdrr.projector import OUTPUTS

__all__ = ["ProjectOptions", "project"]


@Parameter(name="*")
@dataclass(frozen=True)
class ProjectOptions:
    """Patient, geometry and technique of one image."""

    patient: PatientOptions = field(default_factory=PatientOptions)
    pose: PoseOptions = field(default_factory=PoseOptions)
    detector: DetectorOptions = field(default_factory=DetectorOptions)
    technique: TechniqueOptions = field(default_factory=TechniqueOptions)


_DEFAULTS, _DISPLAY, _DICOM = ProjectOptions(), DisplayOptions(), DicomOptions()


def project(
    file: Path,
    *,
    out: Annotated[tuple[Path, ...], Parameter(negative=())],
    quantity: Annotated[Quantity, Parameter(help=quantity_help())] = "image",
    only_labels: OptionalWords = (),
    options: ProjectOptions = _DEFAULTS,
    display: DisplayOptions = _DISPLAY,
    dicom: DicomOptions = _DICOM,
    config: Path | None = None,
) -> None:
    """Take one X-ray image of a CT.

    Args:
        file: CT: a NIfTI, NRRD, MHA or MHD file, or a folder of DICOM files.
        out: File to write; repeat it for several of the same exposure. A .png is the picture as displayed, .tiff and
            .npy hold the raw values, .npz all of it with camera and units, .dcm is a DICOM X-ray image.
        quantity: What to write.
        only_labels: Label of a label quantity to write, by name or number; repeated for several. [default: all]
        config: YAML file with the same fields as these flags; a flag overrides the file.
    """
    check_files(out, quantity)
    check_not_input(out, file)
    check_labels(quantity, options.patient.labels, only_labels, options.technique.model.label_materials)
    taken, noise = technique(options.technique), generator(options.technique.exposure)
    view = camera(options.pose, options.detector)
    with stage(f"reading {file}"):
        volume = load(file, options.patient, options.pose.isocenter or options.pose.landmark)
    say("CT", volume)
    source = projector(volume, view, taken, options.technique)
    say("C-arm", f"{pose_name(options.pose)}, {describe_camera(view)}")
    beam = source.technique.spectrum
    say("beam", describe_beam(beam))
    if source.exposure is not None and OUTPUTS[quantity].depends_on_exposure:
        say("exposure", describe_exposure(source.exposure, source.technique.source, view))
    with stage("casting rays"):
        shot = source.project(*needed(quantity), labels=only_labels or None, generator=noise)
    shot = replace(shot, isocenter_world=ISOCENTER_WORLD)
    for path in out:
        for what in written(shot, quantity, path, display, dicom):
            say("wrote", what)
