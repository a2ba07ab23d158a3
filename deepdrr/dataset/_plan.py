"""`Plan`: what a data set is made of."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from deepdrr._names import unknown_name
from deepdrr.dataset._distributions import Distribution, Fixed, check_numbers
from deepdrr.dataset._pose_plan import PosePlan
from deepdrr.detector import PANELS
from deepdrr.device import CArmGeometry, geometry
from deepdrr.display import PRESETS

__all__ = ["CArmPlan", "ImagePlan", "PatientPlan", "Plan", "ResultsPlan", "TechniquePlan"]

_LARGEST_SEED = 2**63 - 1
_KVP, _MAS = Fixed(80.0), Fixed(25.0)


@dataclass(frozen=True, kw_only=True)
class PatientPlan:
    """A patient.

    Attributes:
        ct: CT file or DICOM folder, relative to the plan.
        split: part of the data set that all images of the patient belong to.
        labels: label map or segmentation, relative to the plan.
        label_names: names of labels by number.
        label_materials: material that fills a label, by number, such as titanium.
        landmarks: file of landmarks, relative to the plan.
    """

    ct: Path
    split: Literal["train", "val", "test"] = "train"
    labels: Path | None = None
    label_names: Mapping[int, str] = field(default_factory=dict)
    label_materials: Mapping[int, str] = field(default_factory=dict)
    landmarks: Path | None = None


@dataclass(frozen=True, kw_only=True)
class CArmPlan:
    """Distances and detector.

    Attributes:
        geometry: preset, such as mobile.
        binning: read this many by this many pixels out as one.
        sid_mm: source-to-isocenter distance, mm; that of the preset if it is left out.
    """

    geometry: str = "mobile"
    binning: int = 8
    sid_mm: float | None = None

    def __post_init__(self) -> None:
        self.made()

    def made(self) -> CArmGeometry:
        """The geometry."""
        preset = geometry(self.geometry).binned(self.binning)
        if self.sid_mm is None:
            return preset
        return CArmGeometry(preset.sdd_mm, self.sid_mm, preset.height, preset.width, preset.pixel_mm)


@dataclass(frozen=True, kw_only=True)
class TechniquePlan:
    """How images are taken.

    Attributes:
        kvp: tube voltage, kV, 40 to 150.
        mas: tube load, mAs.
        panel: the detector, amorphous silicon or CMOS.
        noise: quantum and electronic noise; false for the mean image.
    """

    kvp: Distribution = _KVP
    mas: Distribution = _MAS
    panel: str = "amorphous silicon"
    noise: bool = True

    def __post_init__(self) -> None:
        check_numbers(self.kvp, "kvp", 40.0, 150.0)
        check_numbers(self.mas, "mas", 1e-6, 1e4)
        if self.panel not in PANELS:
            raise unknown_name("panel", self.panel, PANELS)


@dataclass(frozen=True, kw_only=True)
class ImagePlan:
    """The image as it is written.

    Attributes:
        values: picture, a PNG as displayed; signal, a TIFF of the raw detector signal; line_integrals, a TIFF of
            ∫ µ dℓ at the beam's mean energy, without noise.
        processing: how a picture is made: plain or a preset, such as radiograph.
        bits: depth of a picture, 8 or 16.
    """

    values: Literal["picture", "signal", "line_integrals"] = "picture"
    processing: str = "plain"
    bits: Literal[8, 16] = 16

    def __post_init__(self) -> None:
        if self.processing not in ("plain", *PRESETS):
            raise unknown_name("processing", self.processing, ("plain", *PRESETS))


@dataclass(frozen=True, kw_only=True)
class ResultsPlan:
    """What is written of each sample.

    Attributes:
        image: the image.
        masks: a bit per structure for each pixel, in PNGs.
        structures: names of the labels that have masks and boxes; all if it is left out.
    """

    image: ImagePlan = field(default_factory=ImagePlan)
    masks: bool = True
    structures: tuple[str, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A data set: sample i is a function of the plan, its seed and i alone.

    Attributes:
        name: name of the data set.
        count: number of samples.
        seed: seed of all random numbers, 0 or more.
        patients: CT scans by the names that the data set calls them.
        materials: how HU become materials: continuous or three_class.
        beyond: what is beyond the faces at which a CT cuts through the body: air, repeat or fade.
        carm: distances and detector.
        pose: where the C-arm stands.
        technique: how images are taken.
        results: what is written.
        writer: webdataset, tar files of samples; or folder, files.
        shard_mb: size of a shard before compression, MB; one is written whole or not at all.
        failures: how many samples may fail before the run stops.
    """

    name: str
    count: int
    patients: Mapping[str, PatientPlan]
    seed: int = 0
    materials: Literal["continuous", "three_class"] = "continuous"
    beyond: Literal["air", "repeat", "fade"] = "fade"
    carm: CArmPlan = field(default_factory=CArmPlan)
    pose: PosePlan = field(default_factory=PosePlan)
    technique: TechniquePlan = field(default_factory=TechniquePlan)
    results: ResultsPlan = field(default_factory=ResultsPlan)
    writer: Literal["webdataset", "folder"] = "webdataset"
    shard_mb: float = 100.0
    failures: int = 10

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise ValueError(f"name must not be empty, got {self.name!r}")
        if self.count < 1:
            raise ValueError(f"count must be 1 or more, got {self.count}")
        if not 0 <= self.seed <= _LARGEST_SEED:
            raise ValueError(f"seed must be an integer from 0 to {_LARGEST_SEED}, got {self.seed}")
        if not self.patients:
            raise ValueError("patients must name at least one, got none")
        if self.failures < 0:
            raise ValueError(f"failures must be 0 or more, got {self.failures}")
        if not (math.isfinite(self.shard_mb) and self.shard_mb > 0):
            raise ValueError(f"shard_mb must be positive, got {self.shard_mb}")

    @property
    def samples_per_shard(self) -> int:
        """Samples of a full shard: as many as fit before compression, but no more than the patients' equal share."""
        detector = self.carm.made()
        image = detector.height * detector.width * (4 if self.results.image.values != "picture" else 2)
        masks = detector.height * detector.width * 2 if self.results.masks else 0
        fitting = int(self.shard_mb * 1e6 / (image + masks))
        return max(1, min(fitting, math.ceil(self.count / len(self.patients))))

    @property
    def shards(self) -> int:
        """Number of shards."""
        return math.ceil(self.count / self.samples_per_shard)

    def samples_of(self, shard: int) -> range:
        """The numbers of a shard's samples."""
        size = self.samples_per_shard
        return range(shard * size, min((shard + 1) * size, self.count))

    def patient_of(self, index: int) -> str:
        """The patient of a sample."""
        return self.patient_of_shard(index // self.samples_per_shard)

    def patient_of_shard(self, shard: int) -> str:
        """The patient of all samples of a shard; shards take the patients in turn."""
        return list(self.patients)[shard % len(self.patients)]
