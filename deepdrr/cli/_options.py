"""The flags of the commands, as records; flags that several commands share are declared once."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Group, Parameter, Token

__all__ = [
    "BeamOptions",
    "DetectorOptions",
    "DicomOptions",
    "DisplayOptions",
    "ExposureOptions",
    "ModelOptions",
    "OptionalWhole",
    "PatientOptions",
    "PoseOptions",
    "TechniqueOptions",
    "ToolOptions",
    "Whole",
]


def _whole(_: type, tokens: Sequence[Token]) -> int:
    """An integer; cyclopts itself would round 1.5 to 2."""
    try:
        return int(tokens[0].value)
    except ValueError:
        raise ValueError(f"must be a whole number, got {tokens[0].value!r}") from None


# `--kvp`, not `--beam.kvp`; and no `--empty-filter` beside each flag that may be repeated.
_FLAT: dict[str, Any] = {"name": "*", "negative_iterable": ()}
# Flags that may be repeated: show their default as a user would type it.
Words = Annotated[tuple[str, ...], Parameter(show_default=" ".join)]
OptionalWords = Annotated[tuple[str, ...], Parameter(show_default=False)]

Whole = Annotated[int, Parameter(converter=_whole)]
OptionalWhole = Annotated[int | None, Parameter(converter=_whole)]
Point = Annotated[tuple[float, float, float], Parameter(negative=())]
Range = Annotated[tuple[float, float], Parameter(negative=())]


@Parameter(**_FLAT, group=Group("Patient", sort_key=1))
@dataclass(frozen=True)
class PatientOptions:
    """The CT and how it is read."""

    labels: Path | None = None
    """Labels of the patient, on any grid: a map or segmentation (NIfTI, NRRD, MHA, DICOM SEG), or a folder of masks."""
    label_names: OptionalWords = ()
    """Name of a label as LABEL=NAME, repeated for several, or one CSV file with the columns id and name."""
    landmarks: Path | None = None
    """File of named points: 3D Slicer's .mrk.json or .fcsv, or .json or .csv in RAS, mm."""
    series: str | None = None
    """Series of a DICOM folder: its number, description or SeriesInstanceUID; needed where there are several."""
    repair: Literal["resample", "shear"] | None = None
    """Mend uneven slices (resample) or a tilted gantry (shear); both are refused otherwise."""
    use: Literal["sform", "qform", "pixdim"] | None = None
    """Which statement of a NIfTI header is right, where they contradict each other. [default: sform, else qform]"""
    check_hu: Literal["refuse", "warn", "off"] = "refuse"
    """What to do where the numbers do not look like HU."""
    assume: Literal["air", "tissue"] | None = None
    """What voxels in doubt are, such as fillings with 0 HU. [default: what the number says, with a warning]"""


@Parameter(**_FLAT, group=Group("C-arm", sort_key=2))
@dataclass(frozen=True)
class PoseOptions:
    """Where the C-arm stands, about a patient lying head first and supine."""

    view: str | None = None
    """Named view, e.g. AP, left-lateral, inlet; AP unless angles are given. deepdrr views shows them."""
    alpha: float | None = None
    """Positioner primary angle, degrees, LAO positive; 0 has the tube under the table."""
    beta: float | None = None
    """Positioner secondary angle, degrees, cranial positive."""
    gamma: float | None = None
    """Rotation of the detector about the beam, degrees."""
    isocenter: Point | None = None
    """Point of the patient at the isocenter: R A S, mm, in the CT file's own coordinates. [default: the CT's centre]"""
    landmark: str | None = None
    """Landmark at the isocenter, in the place of a point."""
    viewed_from: Literal["detector", "source"] | None = None
    """Side from which the picture is seen. [default: the view's; detector for angles]"""


@Parameter(**_FLAT, group=Group("Detector", sort_key=3))
@dataclass(frozen=True)
class DetectorOptions:
    """Distances and detector; a preset, changed by what else is given."""

    geometry: str = "mobile"
    """Preset: mobile, mobile intensifier, angiography, radiography table, radiography wall."""
    sdd_mm: float | None = None
    """Source-to-detector distance, mm."""
    sid_mm: float | None = None
    """Source-to-isocenter distance, mm."""
    height: OptionalWhole = None
    """Detector rows."""
    width: OptionalWhole = None
    """Detector columns."""
    pixel_mm: float | None = None
    """Side of a pixel, mm."""
    binning: Whole = 1
    """Read this many by this many pixels out as one."""


@Parameter(**_FLAT, group=Group("Tools", sort_key=3.5))
@dataclass(frozen=True)
class ToolOptions:
    """Tools and implants in the beam; a flag that is given once holds for all of them."""

    tool: Annotated[tuple[Path, ...], Parameter(show_default=False)] = ()
    """Mesh of a tool: STL, PLY, OBJ, GLB or VTP; repeated for several."""
    tool_material: OptionalWords = ()
    """Its material, e.g. titanium."""
    tool_pose: Annotated[tuple[Path, ...], Parameter(show_default=False)] = ()
    """JSON or YAML file of its place in the CT's own coordinates, RAS mm: align (tip, direction), insert (entry,
    target, depth_mm) or parent_from_tool (4×4). [default: the mesh is in these coordinates already]"""
    tool_unit: Annotated[tuple[Literal["mm", "cm", "m", "inch"], ...], Parameter(show_default=False)] = ()
    """Unit of the mesh. [default: mm]"""
    tool_frame: Annotated[tuple[Literal["own", "RAS", "LPS"], ...], Parameter(show_default=False)] = ()
    """Frame of the mesh. [default: own]"""


@Parameter(**_FLAT, group=Group("Beam", sort_key=4))
@dataclass(frozen=True)
class BeamOptions:
    """The tube and its filters."""

    kvp: float = 80.0
    """Tube voltage, kV, 40 to 150."""
    filter: Words = ("aluminium=3", "copper=0.1")
    """Filter as MATERIAL=MM, repeated for several; "none" for a bare anode."""
    anode_angle_deg: float = 10.0
    """Angle of the tungsten anode, 6 to 20 degrees."""
    heel: bool = False
    """The anode's heel effect, with the cathode at the top of the picture."""
    focal_spot_mm: float | None = None
    """Side of the focal spot, mm, 0.6 being usual. [default: a point]"""
    air: bool = False
    """The air between tube and detector attenuates too."""


@Parameter(**_FLAT, group=Group("Exposure and noise", sort_key=5))
@dataclass(frozen=True)
class ExposureOptions:
    """How many photons, in one of the four ways, and what sees them."""

    mas: float | None = None
    """Tube load, mAs. [default: 25, unless one of the other three is given]"""
    photons: float | None = None
    """Photons per pixel in the open field."""
    air_kerma_ngy: float | None = None
    """Air kerma at the detector in the open field, nGy."""
    behind_patient_ngy: float | None = None
    """Automatic exposure control: air kerma at the detector behind the patient, nGy, 20 for a frame of fluoroscopy."""
    panel: Literal["a-si", "cmos"] = "a-si"
    """Flat panel of CsI on amorphous silicon, or on CMOS with a quarter of its electronic noise."""
    seed: Whole = 0
    """Seed of the noise, 0 or more: the same seed gives the same image."""
    noise: bool = True
    """Quantum and electronic noise; without it the mean."""


@Parameter(**_FLAT, group=Group("Computation", sort_key=6))
@dataclass(frozen=True)
class ModelOptions:
    """How HU become materials, and how rays are integrated."""

    materials: Literal["continuous", "three_class"] = "continuous"
    """HU to materials: a continuous scale, or air, soft tissue and bone by thresholds."""
    label_materials: OptionalWords = ()
    """Material that fills a label, as LABEL=MATERIAL, e.g. 3=titanium; repeated for several. LABEL=contrast is
    blood with as much iodine as the HU of a vessel show."""
    ct_kvp: float | None = None
    """Tube voltage of the CT scan, kV. [default: the header's, or 120]"""
    step_mm: float | None = None
    """Sample the rays at this distance, mm. [default: exact integration]"""
    backend: str = "auto"
    """auto, cpu (compiled) or reference (PyTorch, float64)."""
    beyond: Literal["air", "repeat", "fade"] = "air"
    """Where the CT cuts through the body: air beyond it (with a warning), the last slice repeated, or fading."""
    rays_per_pixel: OptionalWhole = None
    """Rays along each side of a pixel, averaged in intensity: fine metal needs 2 to 4. [default: 1]"""
    scatter: Literal["none", "monte-carlo"] = "none"
    """Scattered photons: none, or by following photons through the patient (seconds to minutes for each image)."""
    histories: Whole = 2_000_000
    """Photons that are followed for each image, with --scatter monte-carlo."""
    threads: OptionalWhole = None
    """Threads. [default: all cores]"""


@Parameter(**_FLAT, group=Group("Picture (PNG and DICOM)", sort_key=7))
@dataclass(frozen=True)
class DisplayOptions:
    """How raw values become grey values."""

    processing: Literal["radiograph", "fluoroscopy", "bone detail", "soft tissue"] | None = None
    """Enhancement of an image as X-ray machines do it; it goes with --window and --clahe, and sets the polarity."""
    window: Range | None = None
    """Attenuation −ln(I/I0) shown as the two ends of the grey scale. [default: automatic]"""
    polarity: Literal["bone_white", "bone_black"] = "bone_white"
    """Bones white as in a radiograph, or black as in fluoroscopy."""
    contrast: float = 1.0
    """Exponent of the grey values (the picture's gamma)."""
    clahe: float | None = None
    """Clip limit of local contrast equalisation, e.g. 0.01. [default: off]"""
    bits: Literal[8, 16] = 8
    """Depth of a PNG."""


@Parameter(**_FLAT, group=Group("DICOM", sort_key=8))
@dataclass(frozen=True)
class DicomOptions:
    """What a .dcm file is."""

    dicom_values: Literal["log_signal", "signal", "picture"] | None = None
    """Logarithm of the signal (12 bits), the signal itself (16 bits), or the picture. [default: log_signal, or
    the picture with --processing or --clahe]"""
    dicom_class: Literal["XA", "DX"] = "XA"
    """X-Ray Angiographic Image or Digital X-Ray Image."""


@Parameter(name="*")
@dataclass(frozen=True)
class TechniqueOptions:
    """How an image is taken and computed, whatever the pose."""

    beam: BeamOptions = field(default_factory=BeamOptions)
    exposure: ExposureOptions = field(default_factory=ExposureOptions)
    model: ModelOptions = field(default_factory=ModelOptions)
