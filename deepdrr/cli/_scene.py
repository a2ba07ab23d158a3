"""Turn the records of flags into objects of the other packages."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from deepdrr.camera import Camera
from deepdrr.cli._options import (
    BeamOptions,
    DetectorOptions,
    ExposureOptions,
    ModelOptions,
    PatientOptions,
    Point,
    PoseOptions,
    TechniqueOptions,
)
from deepdrr.cli._status import stage
from deepdrr.data import Volume
from deepdrr.detector import PANELS, Exposure, FlatPanel
from deepdrr.device import CArmGeometry, CArmPose, geometry, view
from deepdrr.materials import IodineAbove, MaterialModel
from deepdrr.montecarlo import MonteCarlo
from deepdrr.projector import DEFAULT_EXPOSURE, Projector, Technique, automatic_exposure
from deepdrr.raycast import Exact, Step
from deepdrr.spectrum import FocalSpot, HeelEffect, Spectrum, XRaySource, tungsten_spectrum
from deepdrr.tools import Tool

__all__ = [
    "ISOCENTER_WORLD",
    "camera",
    "carm_geometry",
    "generator",
    "load",
    "pairs",
    "point_of",
    "pose_name",
    "projector",
    "read",
    "stand_of",
    "technique",
]

DEFAULT_VIEW = "AP"
# The commands bring the patient to the C-arm, which turns about the world's origin.
ISOCENTER_WORLD = (0.0, 0.0, 0.0)
_LARGEST_SEED = 2**63 - 1  # torch takes seeds of 64 bits, and maps negative ones to others
_MOST_THREADS = 1024  # more than any machine can use; a system that cannot start so many kills the process
_LARGEST_ANGLE_DEG = 360.0
_SMALLEST_MM, _LARGEST_MM = 1e-3, 1e5  # beyond any pixel and any room


def carm_geometry(options: DetectorOptions) -> CArmGeometry:
    """The preset, changed by the given options and then binned."""
    names = ("sdd_mm", "sid_mm", "height", "width", "pixel_mm")
    given = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    for name in ("sdd_mm", "sid_mm", "pixel_mm"):
        if name in given and given[name] > 0 and not _SMALLEST_MM <= given[name] <= _LARGEST_MM:
            raise ValueError(f"{name} must be {_SMALLEST_MM:g} to {_LARGEST_MM:g} mm, got {given[name]:g}")
    chosen = replace(geometry(options.geometry), **given)
    if options.binning < 1 or chosen.height % options.binning or chosen.width % options.binning:
        size = f"{chosen.height} rows and {chosen.width} columns"
        raise ValueError(f"binning must be a positive integer that divides {size}, got {options.binning}")
    return chosen.binned(options.binning)


def camera(pose: PoseOptions, options: DetectorOptions) -> Camera:
    """The camera of a named view or of angles, about the isocenter at the world's origin.

    Raises:
        ValueError: if both a view and angles are given.
    """
    point_of(pose)  # refuses two
    stand, viewed_from = stand_of(pose) or _named_stand(DEFAULT_VIEW, pose.viewed_from)
    return carm_geometry(options).camera(stand, viewed_from=viewed_from)


def point_of(pose: PoseOptions) -> Point | str | None:
    """What of the patient is at the isocenter: a point, or a landmark's name; None if neither is given.

    Raises:
        ValueError: if both are given.
    """
    if pose.isocenter is not None and pose.landmark is not None:
        raise ValueError(f"give an isocenter or a landmark, not both: got {pose.isocenter} and {pose.landmark!r}")
    return pose.landmark if pose.isocenter is None else pose.isocenter


def stand_of(pose: PoseOptions) -> tuple[CArmPose, str] | None:
    """The pose of the arm and the viewing side, from a view or from angles; None if neither is given.

    Raises:
        ValueError: if both are given.
    """
    angles = {"alpha": pose.alpha, "beta": pose.beta, "gamma": pose.gamma}
    given = [f"--{name} {value:g}" for name, value in angles.items() if value is not None]
    if pose.view is not None and given:
        raise ValueError(f"give a view or angles, not both: got --view {pose.view} and {' '.join(given)}")
    if given:
        _check_angles(angles)
        return CArmPose(pose.alpha or 0.0, pose.beta or 0.0, pose.gamma or 0.0), pose.viewed_from or "detector"
    return None if pose.view is None else _named_stand(pose.view, pose.viewed_from)


def pose_name(pose: PoseOptions) -> str:
    """Name of the pose in the log."""
    if (pose.alpha, pose.beta, pose.gamma) == (None, None, None):
        return view(DEFAULT_VIEW if pose.view is None else pose.view).name
    return f"alpha {pose.alpha or 0:g}°, beta {pose.beta or 0:g}°, gamma {pose.gamma or 0:g}°"


def read(file: Path, options: PatientOptions) -> Volume:
    """The CT, its labels and landmarks, in the frame of the file."""
    return Volume.from_file(
        file,
        labels=options.labels,
        label_names=_label_names(options.label_names),
        landmarks=options.landmarks,
        series=options.series,
        repair=options.repair,
        use=options.use,
        check_hu=options.check_hu,
        assume=options.assume,
    )


def load(file: Path, options: PatientOptions, isocenter: Point | str | None = None) -> Volume:
    """The CT head first and supine, with its centre, a point or a landmark at the world's origin."""
    volume = read(file, options)
    volume.orient_patient(head_first=True, supine=True)
    if isinstance(isocenter, tuple) and not all(abs(part) <= _LARGEST_MM for part in isocenter):
        raise ValueError(f"isocenter must be at most {_LARGEST_MM:g} mm away, got {isocenter}")
    if isocenter is not None:
        volume.place(isocenter, ISOCENTER_WORLD)
    return volume


def technique(options: TechniqueOptions) -> Technique:
    """How images are taken. It is made, and so checked, before a CT is read."""
    if options.model.threads is not None:
        if not 1 <= options.model.threads <= _MOST_THREADS:
            raise ValueError(f"threads must be 1 to {_MOST_THREADS}, got {options.model.threads}")
        torch.set_num_threads(options.model.threads)
    material_model(options.model)
    return Technique(
        source=source(options.beam),
        exposure=exposure(options.exposure),
        detector=detector(options.exposure),
        scatter=scatter(options),
        integration=Exact() if options.model.step_mm is None else Step(mm=options.model.step_mm),
        backend=options.model.backend,
        rays_per_pixel=options.model.rays_per_pixel,
    )


def projector(
    volume: Volume, view: Camera, technique: Technique, options: TechniqueOptions, tools: Sequence[Tool] = ()
) -> Projector:
    """The projector that takes this technique's images of a volume and tools, with its exposure control."""
    model, beyond = material_model(options.model), options.model.beyond
    found = Projector([volume, *tools], carm=view, technique=technique, materials=model, beyond=beyond)
    return _controlled(found, options.exposure)


def scatter(options: TechniqueOptions) -> MonteCarlo | None:
    """The model of scattered photons, with the seed of the noise."""
    if options.model.scatter == "none":
        return None
    return MonteCarlo(histories=options.model.histories, seed=options.exposure.seed, progress=True)


def material_model(options: ModelOptions) -> MaterialModel:
    """How HU and labels become materials."""
    words = _by_label(options.label_materials, "label_materials")
    fills = {label: IodineAbove() if word == "contrast" else word for label, word in words.items()}
    return MaterialModel(method=options.materials, ct_kvp=options.ct_kvp, by_label=fills)


def generator(options: ExposureOptions) -> torch.Generator:
    """The source of the noise."""
    if not 0 <= options.seed <= _LARGEST_SEED:
        raise ValueError(f"seed must be an integer from 0 to {_LARGEST_SEED}, got {options.seed}")
    return torch.Generator().manual_seed(options.seed)


def spectrum(options: BeamOptions) -> Spectrum:
    """The beam of the tube behind its filters."""
    given = {} if options.filter == ("none",) else pairs(options.filter, "filter")
    filters = tuple((name, _number(value, "filter")) for name, value in given.items())
    return tungsten_spectrum(options.kvp, anode_angle_deg=options.anode_angle_deg, filters=filters)


def source(options: BeamOptions) -> XRaySource:
    """The tube with its heel and its focal spot."""
    spot, heel = options.focal_spot_mm, HeelEffect(anode_angle_deg=options.anode_angle_deg) if options.heel else None
    focal_spot = None if spot is None else FocalSpot(width_mm=spot, height_mm=spot)
    return XRaySource(spectrum=spectrum(options), heel=heel, focal_spot=focal_spot, air_path=options.air)


def exposure(options: ExposureOptions) -> Exposure:
    """The exposure that was given, or the projector's own default.

    Raises:
        ValueError: if more than one was given.
    """
    target = options.behind_patient_ngy
    if target is not None and not 0.0 < target < math.inf:
        raise ValueError(f"behind_patient_ngy must be positive and finite, got {target}")
    if (options.mas, options.photons, options.air_kerma_ngy) == (None, None, None):
        return DEFAULT_EXPOSURE
    if target is not None:
        raise ValueError("behind-patient-ngy must stand alone: the exposure control finds the mAs, but they were given")
    return Exposure(mas=options.mas, photons_per_pixel=options.photons, air_kerma_ngy=options.air_kerma_ngy)


def detector(options: ExposureOptions) -> FlatPanel:
    """The panel, or one without noise."""
    panel = PANELS[{"a-si": "amorphous silicon", "cmos": "CMOS"}[options.panel]]
    return panel if options.noise else replace(panel, quantum_noise=False, electronic_noise_electrons=0.0)


def _controlled(projector: Projector, options: ExposureOptions) -> Projector:
    """The projector with the exposure found by automatic exposure control, if requested."""
    if options.behind_patient_ngy is not None:
        with stage("exposure control"):
            found = automatic_exposure(projector, air_kerma_ngy=options.behind_patient_ngy)
        projector.technique = replace(projector.technique, exposure=found)
    return projector


def _named_stand(name: str, viewed_from: str | None) -> tuple[CArmPose, str]:
    chosen = view(name)
    return chosen.pose(), viewed_from or chosen.viewed_from


def _check_angles(angles: Mapping[str, float | None]) -> None:
    for name, value in angles.items():
        if value is not None and not abs(value) <= _LARGEST_ANGLE_DEG:
            raise ValueError(f"{name} must be −360 to 360 degrees, got {value:g}")


def pairs(words: tuple[str, ...], flag: str) -> dict[str, str]:
    """`("a=1", "b=2")` → `{"a": "1", "b": "2"}`.

    Raises:
        ValueError: for a word without `=`, or a duplicate name.
    """
    found: dict[str, str] = {}
    for word in words:
        name, equals, value = (part.strip() for part in word.partition("="))
        if not equals or not name or not value:
            raise ValueError(f"{flag} must be NAME=VALUE, got {word!r}")
        if name in found:
            raise ValueError(f"{flag} names {name!r} twice, got {' '.join(words)}")
        found[name] = value
    return found


def _number(text: str, flag: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{flag} must be MATERIAL=MM with a number of mm, got {text!r}") from None


def _label_names(words: tuple[str, ...]) -> dict[int, str] | Path | None:
    if len(words) == 1 and "=" not in words[0]:
        return Path(words[0])
    return _by_label(words, "label_names") or None


def _by_label(words: tuple[str, ...], flag: str) -> dict[int, str]:
    found = pairs(words, flag)
    if wrong := [label for label in found if not label.isdecimal()]:
        raise ValueError(f"{flag} must be LABEL=… with an integer label, got {wrong[0]!r}")
    return {int(label): value for label, value in found.items()}
