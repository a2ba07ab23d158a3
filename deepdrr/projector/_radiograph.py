"""`Radiograph`: the results of one exposure with their metadata."""

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Self, Unpack

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from deepdrr._arguments import checked_path
from deepdrr._names import unknown_name
from deepdrr._numbers import as_count
from deepdrr.camera import Camera
from deepdrr.display import Depth, Picture, Processing
from deepdrr.materials import Material, material
from deepdrr.projector._files import DicomFields, save_radiograph
from deepdrr.projector._outputs import OUTPUTS, Output, OutputName
from deepdrr.projector._pictures import output_picture
from deepdrr.projector._stages import Stages
from deepdrr.projector._technique import Technique

__all__ = ["Radiograph"]

# Of the pixels of a view: fewer that see all of the body do not stand for it (the inlet view of the demo: 0.4 %).
_LEAST_WHOLE = 0.1
# The result that represents the exposure if none is named.
_SHOWN_FIRST = ("image", "expected_image")


@dataclass(frozen=True, eq=False, repr=False)
class Radiograph(Mapping[OutputName, Tensor]):
    """The results of one exposure, a mapping from names to tensors on the device where they were computed.

    Attributes:
        results: the tensors by name.
        camera: position of source and detector.
        technique: how the image was taken.
        material_names: names of the channels of `"area_densities"`.
        label_channels: names of the channels of the label results; empty if there are none.
        seed: the seed of the noise, or None.
        anatomical_from_world: transform [4, 4] into the first patient's RAS frame, mm, or None.
        isocenter_world: point [3] about which the arm turned, mm, or None.
        whole: where the CT holds all of the body on the way and no metal is, bool [*batch, h, w] on a coarse grid, for
            the automatic window of pictures; None if unknown.
        tool_names: names of the channels of the results of tools.
        key_point_names: names of the points of `"tool_key_points"`, such as `"wire.tip"`.

    Example:
        >>> from deepdrr import Projector, Volume
        >>> water = Volume.from_array(torch.zeros(20, 20, 20), torch.eye(4), check_hu="off")
        >>> camera = Camera.carm(sdd_mm=1000, sid_mm=500, height=4, width=4, pixel_mm=1.0, isocenter=(9.5, 9.5, 9.5))
        >>> shot = Projector(water, carm=camera).project("expected_image", "line_integrals")
        >>> shot
        Radiograph(expected_image [4, 4] keV per pixel, line_integrals [4, 4] dimensionless)
        >>> shot.picture("line_integrals").dtype
        dtype('uint8')
    """

    results: Mapping[OutputName, Tensor]
    camera: Camera
    technique: Technique
    material_names: tuple[str, ...] = ()
    label_channels: tuple[str, ...] = ()
    seed: int | None = None
    anatomical_from_world: Tensor | None = None
    isocenter_world: tuple[float, float, float] | None = field(default=None, kw_only=True)
    whole: Tensor | None = field(default=None, kw_only=True)
    tool_names: tuple[str, ...] = field(default=(), kw_only=True)
    key_point_names: tuple[str, ...] = field(default=(), kw_only=True)

    # -- a mapping ---------------------------------------------------------------------------------------------------

    def __getitem__(self, name: OutputName) -> Tensor:
        return self.results[name]

    def __iter__(self) -> Iterator[OutputName]:
        return iter(self.results)

    def __len__(self) -> int:
        return len(self.results)

    def __repr__(self) -> str:
        parts = (f"{name} {list(values.shape)} {self.unit(name)}" for name, values in self.results.items())
        return f"Radiograph({', '.join(parts)})"

    @property
    def label_names(self) -> tuple[str, ...]:
        """The former name of `label_channels`."""
        warnings.warn("Radiograph.label_names is now Radiograph.label_channels", DeprecationWarning, stacklevel=2)
        return self.label_channels

    # -- metadata of a result ----------------------------------------------------------------------------------------

    def unit(self, name: OutputName) -> str:
        """The unit of a result, such as `"keV per pixel"`.

        Raises:
            ValueError: for a name that is not in the table of results.
        """
        return _output(name).unit_of(self.technique)

    def channel_names(self, name: OutputName) -> tuple[str, ...]:
        """Names of the channels of a result, materials, labels, tools or key points; empty for a plain image.

        Raises:
            ValueError: for a name that is not in the table of results.
        """
        by_axis = {"M": self.material_names, "L": self.label_channels, "T": self.tool_names, "P": self.key_point_names}
        return by_axis.get(_output(name).axes[0], ())

    def at(self, index: int) -> Self:
        """One view of a batch.

        Args:
            index: index of the view along the first axis of the batch.

        Raises:
            ValueError: if this is a single view already, or there is no such view.
            TypeError: if the index is not an integer.
        """
        if not self.camera.batch_shape:
            raise ValueError("at takes a view out of a batch, but this radiograph is a single view")
        count = self.camera.batch_shape[0]
        index = as_count(index, "index", least=-count)
        if index >= count:
            raise ValueError(f"index must be {-count} to {count - 1} for {count} views, got {index}")
        results = {name: values[index] for name, values in self.results.items()}
        whole = None if self.whole is None else self.whole[index]
        return replace(self, results=results, camera=self.camera[index], whole=whole)

    def open_field(self) -> Tensor:
        """Mean signal with nothing in the beam, in the detector's unit; computed if it is not among the results."""
        if "open_field" in self.results:
            return self.results["open_field"]
        with torch.no_grad():
            return self._empty_beam.open_field

    def open_field_of(self, name: OutputName) -> Tensor:
        """What a signal is with nothing in the beam, in its own unit: before the readout for `"primary"`."""
        if not _output(name).before_readout:
            return self.open_field()
        with torch.no_grad():
            return self._empty_beam.open_primary

    @property
    def _empty_beam(self) -> Stages:
        return Stages(_Nothing(self._device), self.camera, self.technique, None)

    @property
    def _device(self) -> torch.device:
        first = next(iter(self.results.values()), None)
        return torch.device("cpu") if first is None else first.device

    # -- pictures and files ------------------------------------------------------------------------------------------

    def picture(
        self, name: OutputName | None = None, processing: Processing | str = "plain", dtype: Depth = "uint8"
    ) -> Picture:
        """The picture of a result, as a viewer would show it.

        Args:
            name: name of the result; by default the image, else its mean, else the only result.
            processing: window, polarity and enhancement, or the name of one of `deepdrr.display.PRESETS`.
            dtype: `"uint8"`, `"uint16"` (full range) or `"float32"` in [0, 1].

        Returns:
            NumPy array of the result's shape.

        Raises:
            ValueError: if there is no such result, or no name is given and there are several.
        """
        name = self._chosen(name)
        output, values = _output(name), self[name]
        region = self.looked_at(output)
        return output_picture(output, values, partial(self.open_field_of, name), processing, dtype, region)

    def looked_at(self, output: Output) -> Tensor | None:
        """The pixels that the automatic window of a result's picture looks at, bool, of its shape; None for all.

        They are those that see all of the body and no metal, or all of a view where hardly any does.
        """
        if self.whole is None or bool(self.whole.all()):
            return None
        batch, size = self.whole.shape[:-2], self[output.name].shape[-2:]
        share = self.whole.double().mean(dim=(-2, -1), keepdim=True)
        coarse = (self.whole | (share < _LEAST_WHOLE)).double().reshape(-1, 1, *self.whole.shape[-2:])
        region = interpolate(coarse, size=tuple(size), mode="nearest") > 0.5
        extra = self[output.name].ndim - len(batch) - 2
        return region.reshape(*batch, *[1] * extra, *size)

    def save(
        self,
        path: str | Path,
        name: OutputName | None = None,
        *,
        processing: Processing | str = "plain",
        dtype: Depth = "uint8",
        **dicom: Unpack[DicomFields],
    ) -> tuple[Path, ...]:
        """Write a result in the format given by the suffix of `path`.

        `.png` holds the picture; `.tif`, `.tiff` and `.npy` the raw values; `.npz` all results with camera, units and
        technique; `.dcm` a DICOM X-ray image with its geometry and exposure. If a result has one channel per
        material or label, every format except `.npy` and `.npz` gets one file per channel, named after the channel.

        Args:
            path: the file to write; its folder must exist.
            name: name of the result, see `picture`; not for `.npz`.
            processing, dtype: options of the picture, see `picture`.
            dicom: fields of `.dcm`, see `DicomFields`.

        Returns:
            The files written.

        Raises:
            ValueError: for an unknown suffix, a batch of views, or a result that does not fit the format.
            TypeError: if `path` is neither text nor a path.
            OSError: if a file cannot be written; no partial file is left behind.
        """
        target = checked_path(path)
        chosen = None if target.suffix.lower() == ".npz" and name is None else self._chosen(name)
        return save_radiograph(self, target, chosen, processing, dtype, dicom)

    def _chosen(self, name: OutputName | None) -> OutputName:
        if name is None:
            first = [known for known in _SHOWN_FIRST if known in self.results] or list(self.results)
            if not first:
                raise ValueError("this radiograph holds no result to show or write")
            if len(first) > 1 and first[0] not in _SHOWN_FIRST:
                raise ValueError(f"name must say which result is meant, one of {', '.join(self.results)}, got None")
            return first[0]
        if name not in self.results:
            raise unknown_name("result", name, self.results)
        return name


@dataclass(frozen=True)
class _Nothing:
    """An empty beam: a scene whose only material has area density 0."""

    device: torch.device

    @property
    def materials(self) -> tuple[Material, ...]:
        return (material("water"),)

    @property
    def center_world(self) -> Tensor:
        return torch.zeros(3, dtype=torch.float64)

    def area_densities(self, view: object, *, integration: object, backend: str) -> Tensor:
        raise AssertionError("an open field casts no rays")


def _output(name: OutputName) -> Output:
    if name not in OUTPUTS:
        raise unknown_name("output", name, OUTPUTS)
    return OUTPUTS[name]
