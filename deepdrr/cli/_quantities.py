"""Which quantities there are, which files hold them, and how they look."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from deepdrr.cli._options import DisplayOptions
from deepdrr.display import PRESETS, Picture, Processing, processed
from deepdrr.display import display as make_picture
from deepdrr.projector import OutputName

__all__ = ["STACKS", "UNITS", "Quantity", "check_files", "check_not_input", "needed", "picture", "steps_of"]

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
STACKS = ("area_densities", "label_path_lengths", "label_masks")
_SUFFIXES = (".png", ".tif", ".tiff", ".npy", ".dcm")


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


def check_not_input(paths: Sequence[Path], file: Path) -> None:
    """Refuse to write over the CT: its file, or a slice in its folder.

    Raises:
        ValueError: names the file.
    """
    ct = file.resolve()
    for path in paths:
        target = path.resolve()
        is_slice = path.suffix.lower() == ".dcm" and target.exists() and ct in target.parents
        if target == ct or is_slice:
            raise ValueError(f"out must not be a file of the CT '{file}', got '{path}'")


def needed(quantity: Quantity) -> tuple[OutputName, ...]:
    """The projector's outputs that a quantity's files are made of."""
    names: tuple[OutputName, ...] = (quantity, "open_field") if quantity in _KEV else (quantity,)
    return names


def picture(quantity: Quantity, values: Tensor, open_field: Tensor | None, options: DisplayOptions) -> Picture:
    """The picture of a plane.

    Args:
        quantity: what the plane is of.
        values: [H, W].
        open_field: for an energy, the same without patient [H, W].
        options: window, polarity and depth. A mask is white on black whatever they are.
    """
    dtype: Literal["uint8", "uint16"] = "uint8" if options.bits == 8 else "uint16"
    if quantity == "label_masks":
        mask: Picture = values.numpy().astype(dtype) * np.iinfo(dtype).max
        return mask
    if quantity == "line_integrals":  # shown as the transmission that they mean, like an image
        quantity, values, open_field = "expected_image", torch.exp(-values.double()), values.new_ones(())
    if (steps := steps_of(quantity, options)) is not None:
        return processed(values, steps, open_field=open_field, dtype=dtype)
    return make_picture(
        values,
        quantity="signal" if quantity in _SIGNALS else "attenuation",
        open_field=open_field if quantity in _KEV else None,
        window=options.window,
        polarity=options.polarity,
        gamma=options.contrast,
        clahe=options.clahe,
        dtype=dtype,
    )


def steps_of(quantity: Quantity, options: DisplayOptions) -> Processing | None:
    """The processing of an image that was asked for; None for the plain picture."""
    if options.processing is None or quantity not in ("image", "expected_image"):
        return None
    steps = PRESETS[options.processing]
    return replace(steps, window=options.window or steps.window, clahe=options.clahe or steps.clahe)
