"""Quantities, their file formats and their appearance, all from the projector's table of results."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from deepdrr._atomic import check_target
from deepdrr.cli._options import DisplayOptions
from deepdrr.display import PRESETS, Depth, Processing
from deepdrr.projector import OUTPUTS

__all__ = [
    "Quantity",
    "check_files",
    "check_labels",
    "check_not_input",
    "depth_of",
    "needed",
    "processing_of",
    "quantity_help",
]

if TYPE_CHECKING:
    Quantity: TypeAlias = str
else:
    Quantity = Literal[tuple(OUTPUTS)]

_IMAGES = ("image", "expected_image")
_SUFFIXES = (".png", ".tif", ".tiff", ".npy", ".npz", ".dcm")


def quantity_help() -> str:
    """The help text of `--quantity`.

    Example:
        >>> quantity_help().split(";")[0]
        'What to write. image: raw signal with quantum and electronic noise (keV per pixel)'
    """
    texts = []
    for output in OUTPUTS.values():
        unit = output.unit.format(signal="keV", absorbed="keV")
        per = {"M": " per material", "L": " per label", "T": " per tool", "P": " per key point"}.get(output.axes[0], "")
        texts.append(f"{output.name}: {output.meaning} ({unit}{per})")
    return f"What to write. {'; '.join(texts)}."


def check_files(paths: Sequence[Path], quantity: Quantity, suffixes: Sequence[str] = _SUFFIXES) -> None:
    """Refuse files that could not be written, before anything is computed.

    Raises:
        ValueError: for an unknown suffix, one that does not suit the quantity, or a duplicate path.
        OSError: for a path that could not be written.
    """
    for path in paths:
        check_target(path, "out")
        if path.suffix.lower() not in suffixes:
            raise ValueError(f"out must end in {', '.join(suffixes)}, got '{path}'")
        if not OUTPUTS[quantity].is_image and path.suffix.lower() not in (".npy", ".npz"):
            raise ValueError(f"out must end in .npy or .npz for {quantity!r}, which is no image, got '{path}'")
        if path.suffix.lower() == ".dcm" and quantity not in _IMAGES:
            raise ValueError(f"a DICOM file holds image or expected_image, got quantity {quantity!r}")
    if len(set(paths)) < len(paths):
        raise ValueError(f"out must name each file once, got {', '.join(map(str, paths))}")


def check_labels(quantity: Quantity, labels: object, chosen: Sequence[str], fills: Sequence[str]) -> None:
    """Refuse what needs a label map without one, before the CT is read.

    Raises:
        ValueError: if there are no labels for a label quantity or for materials by label, or if some are chosen of a
            quantity that has none.
    """
    is_by_label = "L" in OUTPUTS[quantity].axes
    if chosen and not is_by_label:
        names = " or ".join(output.name for output in OUTPUTS.values() if "L" in output.axes)
        raise ValueError(f"only_labels is for the quantity {names}, got quantity {quantity!r}")
    if labels is None and (is_by_label or fills):
        what = f"quantity {quantity!r}" if is_by_label else f"label_materials {' '.join(fills)}"
        raise ValueError(f"labels must name a label map for {what}, got none")


def check_not_input(paths: Sequence[Path], file: Path) -> None:
    """Refuse to write over the CT: its file, or a slice in its folder.

    Raises:
        ValueError: if a path is one of these files; the message names it.
    """
    ct = file.resolve()
    for path in paths:
        target = path.resolve()
        is_slice = path.suffix.lower() == ".dcm" and target.exists() and ct in target.parents
        if target == ct or is_slice:
            raise ValueError(f"out must not be a file of the CT '{file}', got '{path}'")


def needed(quantity: Quantity) -> tuple[str, ...]:
    """The projector's outputs that a quantity's files need: a signal is shown relative to the open field."""
    is_signal = OUTPUTS[quantity].kind == "signal" and quantity != "open_field"
    return (quantity, "open_field") if is_signal else (quantity,)


def processing_of(quantity: Quantity, options: DisplayOptions) -> Processing:
    """How a quantity's picture is made: the requested preset for an image, otherwise window, gamma and CLAHE alone."""
    if options.processing is None or quantity not in _IMAGES:
        return Processing(window=options.window, gamma=options.contrast, clahe=options.clahe, polarity=options.polarity)
    steps = PRESETS[options.processing]
    return replace(steps, window=options.window or steps.window, clahe=options.clahe or steps.clahe)


def depth_of(options: DisplayOptions) -> Depth:
    """Bit depth of a picture's grey values."""
    return "uint8" if options.bits == 8 else "uint16"
