"""Files out: one quantity of one exposure, in the formats that were asked for."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from torch import Tensor

from deepdrr.camera import Camera
from deepdrr.cli._options import DicomOptions, DisplayOptions
from deepdrr.cli._quantities import STACKS, UNITS, Quantity, picture, steps_of
from deepdrr.detector import equivalent_mas
from deepdrr.display import Picture, Processing
from deepdrr.io import RadiographMetadata, write_dicom, write_npy, write_png, write_tiff
from deepdrr.projector import Projector

__all__ = ["Product"]


@dataclass(frozen=True, eq=False)
class Product:
    """A quantity as computed, and all that a file of it may want to know.

    Attributes:
        quantity: what is written.
        results: the projector's outputs by name.
        source: the projector that made them.
        camera: where source and detector were; the C-arm turns about the world's origin.
        display: how pictures look.
        dicom: what a DICOM file holds.
    """

    quantity: Quantity
    results: dict[str, Tensor]
    source: Projector
    camera: Camera
    display: DisplayOptions
    dicom: DicomOptions

    def write(self, path: Path) -> Iterator[str]:
        """Write the kind of file its suffix says; of a stack one file per channel, but for NPY.

        Yields:
            For each file, its name and what it holds.
        """
        values = self.results[self.quantity]
        if values.numel() == 0:
            raise ValueError(f"nothing to write to '{path}': the label map has no label but 0, and none is named")
        if path.suffix.lower() == ".npy":
            write_npy(values, path)
            yield f"{path}: {self.quantity} {list(values.shape)}, {UNITS[self.quantity]}"
        elif self.quantity not in STACKS:
            yield self._write_plane(path, values)
        else:
            for plane, name in zip(values, self.channels, strict=True):
                yield self._write_plane(path.with_name(f"{path.stem}-{name}{path.suffix}"), plane)

    @cached_property
    def channels(self) -> list[str]:
        """Names of the channels of a stack, materials or labels, as parts of file names."""
        found = self.source.material_names if self.quantity == "area_densities" else self.source.label_names
        names = [re.sub(r"\W+", "_", name).strip("_") for name in found]
        return names if len(set(names)) == len(names) else [f"{n}_{name}" for n, name in enumerate(names)]

    def _write_plane(self, path: Path, plane: Tensor) -> str:
        what, size = f"{path}: {self.quantity}", f"{plane.shape[0]}×{plane.shape[1]} pixels"
        kind = path.suffix.lower()
        if kind == ".png":
            write_png(self._picture(plane), path)
            return f"{what} as displayed, {size}, {self.display.bits} bits"
        if kind == ".dcm":
            self._write_dicom(path, plane)
            return f"{what}, {size}, DICOM {self.dicom.dicom_class}, {self.dicom.dicom_values.replace('_', ' ')}"
        write_tiff(plane, path)
        return f"{what}, {size}, float32, {UNITS[self.quantity]}"

    def _picture(self, plane: Tensor) -> Picture:
        return picture(self.quantity, plane, self.results.get("open_field"), self.display)

    def _write_dicom(self, path: Path, plane: Tensor) -> None:
        is_picture = self.dicom.dicom_values == "picture"
        write_dicom(
            self._picture(plane) if is_picture else plane,
            path,
            self._metadata(),
            stored=self.dicom.dicom_values,
            object_class=self.dicom.dicom_class,
            open_field=self.results["open_field"],
            polarity=self.display.polarity if self._steps is None else self._steps.polarity,
        )

    @property
    def _steps(self) -> Processing | None:
        return steps_of(self.quantity, self.display)

    def _metadata(self) -> RadiographMetadata:
        technique = self.source.technique
        header = RadiographMetadata.from_camera(
            self.camera,
            self.source.volume.anatomical_from_world,
            isocenter_world=(0.0, 0.0, 0.0),
            kvp=technique.spectrum.kvp,
            mas=float(equivalent_mas(technique.exposure, technique.spectrum, self.camera)),
        )
        header = replace(header, detector="SCINTILLATOR", unit=technique.detector.unit)
        if self._steps is None or self.dicom.dicom_values != "picture":
            return header
        return replace(header, processing=self._steps.description, circular_field=self._steps.circular)
