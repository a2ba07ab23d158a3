"""`deepdrr views`: the named views of a CT on one sheet."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
from cyclopts import Parameter

from deepdrr.cli._options import (
    DetectorOptions,
    DisplayOptions,
    PatientOptions,
    Point,
    PoseOptions,
    TechniqueOptions,
    Whole,
)
from deepdrr.cli._quantities import check_files, check_labels, depth_of, processing_of
from deepdrr.cli._scene import camera, generator, load, projector, technique
from deepdrr.cli._status import progress, say, stage
from deepdrr.device import VIEWS
from deepdrr.device import view as named_view
from deepdrr.display import contact_sheet
from deepdrr.io import write_png

__all__ = ["SheetDetectorOptions", "ViewsOptions", "views"]


@Parameter(name="*")
@dataclass(frozen=True)
class SheetDetectorOptions(DetectorOptions):
    """A detector of a few hundred pixels: a sheet holds many pictures."""

    binning: Whole = 4
    """Read this many by this many pixels out as one."""


@Parameter(name="*")
@dataclass(frozen=True)
class ViewsOptions:
    """Patient and technique of the sheet."""

    patient: PatientOptions = field(default_factory=PatientOptions)
    detector: SheetDetectorOptions = field(default_factory=SheetDetectorOptions)
    technique: TechniqueOptions = field(default_factory=TechniqueOptions)


_DEFAULTS, _DISPLAY = ViewsOptions(), DisplayOptions()


def views(
    file: Path,
    *,
    out: Path,
    view: Annotated[tuple[str, ...], Parameter(negative=(), show_default=False)] = (),
    isocenter: Point | None = None,
    options: ViewsOptions = _DEFAULTS,
    display: DisplayOptions = _DISPLAY,
    config: Path | None = None,
) -> None:
    """Make a contact sheet of named views.

    Args:
        file: CT: a NIfTI, NRRD, MHA or MHD file, or a folder of DICOM files.
        out: PNG file to write.
        view: A view to show; repeat it for several. [default: all]
        isocenter: Point of the patient at the isocenter: R A S, mm, in the CT file's own coordinates. [default: the
            CT's centre]
        config: YAML file with the same fields as these flags; a flag overrides the file.
    """
    check_files((out,), "image", suffixes=(".png",))
    chosen = [named_view(name) for name in view] or list(VIEWS.values())
    check_labels("image", options.patient.labels, (), options.technique.model.label_materials)
    taken, seed = technique(options.technique), options.technique.exposure
    generator(seed)
    cameras = [camera(PoseOptions(view=entry.name), options.detector) for entry in chosen]
    with stage(f"reading {file}"):
        volume = load(file, options.patient, isocenter)
    say("CT", volume)
    pictures: list[npt.NDArray[np.uint8]] = []
    with projector(volume, cameras[0], taken, options.technique) as source:
        for stand in progress(cameras, "views"):
            source.carm = stand
            shot = source.project("image", "open_field", generator=generator(seed))
            pictures.append(shot.picture("image", processing_of("image", display), depth_of(display)))
    write_png(contact_sheet(pictures, [entry.name for entry in chosen]), out)
    say("wrote", f"{out}: {len(chosen)} views of {cameras[0].height}×{cameras[0].width} pixels")
