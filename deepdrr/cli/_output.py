"""Files out: which suffixes go with which quantity, and how each is written."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from deepdrr.camera import Camera
from deepdrr.cli._options import DisplayOptions
from deepdrr.display import Picture
from deepdrr.display import display as make_picture
from deepdrr.io import write_dicom, write_npy, write_png, write_tiff
from deepdrr.materials import decompose
from deepdrr.projector import OutputName, Projector

__all__ = ["Product", "Quantity", "check_files", "needed", "picture", "write"]

Quantity = Literal[
    "image",
    "expected_image",
    "line_integrals",
    "area_densities",
    "primary_photons",
    "primary_energy",
    "open_field",
    "label_path_lengths",
    "label_masks",
]

UNITS: dict[str, str] = {
    "image": "keV per pixel",
    "expected_image": "keV per pixel",
    "line_integrals": "dimensionless",
    "area_densities": "g/cm²",
    "primary_photons": "photons per pixel",
    "primary_energy": "keV per pixel",
    "open_field": "keV per pixel",
    "label_path_lengths": "mm",
    "label_masks": "0 or 1",
}
"""Unit of the raw values of each quantity."""

# Quantities that are a signal: their picture takes the logarithm, relative to the open field where it is one in keV.
_KEV = ("image", "expected_image", "primary_energy")
_SIGNALS = (*_KEV, "primary_photons", "open_field")
_STACKS = ("area_densities", "label_path_lengths", "label_masks")
_SUFFIXES = (".png", ".tif", ".tiff", ".npy", ".dcm")


@dataclass(frozen=True, eq=False)
class Product:
    """What was computed, and all that a file's header may want to know.

    Attributes:
        quantity: what is written.
        results: the projector's outputs by name.
        source: the projector that made them.
        camera: where source and detector were.
    """

    quantity: Quantity
    results: dict[str, Tensor]
    source: Projector
    camera: Camera

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the channels of a stack: labels, or materials."""
        if self.quantity != "area_densities":
            return self.source.label_names
        model, nothing = self.source.materials, torch.zeros(1)
        found = decompose(nothing, method=model.method, labels=nothing.int(), label_materials=model.by_label or None)
        return tuple(material.name for material in found.materials)


def check_files(paths: Sequence[Path], quantity: Quantity, suffixes: Sequence[str] = _SUFFIXES) -> None:
    """Refuse, before anything is computed, what could not be written.

    Raises:
        ValueError: for a suffix that is unknown or does not go with the quantity, or a path given twice.
        FileNotFoundError: if the folder of a file does not exist.
        IsADirectoryError: if a path is a folder.
    """
    for path in paths:
        if path.is_dir():
            raise IsADirectoryError(f"out must be a file to write, got the folder '{path}'")
        if path.suffix.lower() not in suffixes:
            raise ValueError(f"out must end in {', '.join(suffixes)}, got '{path}'")
        if path.suffix.lower() == ".dcm" and quantity not in ("image", "expected_image"):
            raise ValueError(f"a DICOM file holds image or expected_image, got quantity {quantity!r}")
        if not path.parent.is_dir():
            raise FileNotFoundError(f"cannot write '{path}': the folder '{path.parent}' does not exist")
    if len(set(paths)) < len(paths):
        raise ValueError(f"out must name each file once, got {', '.join(map(str, paths))}")


def needed(quantity: Quantity) -> tuple[OutputName, ...]:
    """The projector's outputs that a quantity's files are made of."""
    names: tuple[OutputName, ...] = (quantity, "open_field") if quantity in _KEV else (quantity,)
    return names


def picture(
    quantity: Quantity, results: dict[str, Tensor], options: DisplayOptions, channel: int | None = None
) -> Picture:
    """The picture of a quantity, or of one channel of it."""
    values = results[quantity] if channel is None else results[quantity][channel]
    dtype: Literal["uint8", "uint16"] = "uint8" if options.bits == 8 else "uint16"
    if quantity == "label_masks":
        return values.cpu().numpy().astype(dtype) * np.iinfo(dtype).max
    return make_picture(
        values,
        quantity="signal" if quantity in _SIGNALS else "attenuation",
        open_field=results["open_field"] if quantity in _KEV else None,
        window=options.window,
        polarity=options.polarity,
        gamma=options.contrast,
        clahe=options.clahe,
        dtype=dtype,
    )


def write(path: Path, product: Product, options: DisplayOptions) -> Iterator[str]:
    """Write one file of the kind its suffix says; a stack of channels as one file each, but for NPY.

    Yields:
        For each file, its name and what it holds.
    """
    values, kind = product.results[product.quantity], path.suffix.lower()
    if kind == ".npy":
        write_npy(values, path)
        yield f"{path}: {product.quantity} {list(values.shape)}, {UNITS[product.quantity]}"
    elif product.quantity not in _STACKS:
        yield _write_plane(path, product, options, None)
    else:
        for channel, name in enumerate(product.channels):
            yield _write_plane(_named(path, name), product, options, channel)


def _write_plane(path: Path, product: Product, options: DisplayOptions, channel: int | None) -> str:
    plane = product.results[product.quantity] if channel is None else product.results[product.quantity][channel]
    size = f"{plane.shape[0]}×{plane.shape[1]}"
    kind = path.suffix.lower()
    if kind == ".png":
        write_png(picture(product.quantity, product.results, options, channel), path)
        return f"{path}: {product.quantity} as displayed, {size}, {options.bits} bits"
    if kind == ".dcm":
        write_dicom(plane, path)
        return f"{path}: {product.quantity}, {size}, DICOM"
    write_tiff(plane, path)
    return f"{path}: {product.quantity}, {size}, float32, {UNITS[product.quantity]}"


def _named(path: Path, channel: str) -> Path:
    """``pelvis.png`` and ``left hip`` → ``pelvis-left_hip.png``."""
    return path.with_name(f"{path.stem}-{re.sub(r'[^0-9A-Za-z]+', '_', channel).strip('_')}{path.suffix}")
