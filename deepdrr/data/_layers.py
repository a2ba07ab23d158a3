"""Masks of single structures, laid over each other into one label map."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepdrr.data._label_numbers import LARGEST_LABEL

__all__ = ["Layer", "merged_layers", "numbered"]

Mask = NDArray[np.bool_]
_LISTED = 3


@dataclass(frozen=True, eq=False)
class Layer:
    """The mask of one structure.

    Attributes:
        name: the structure's name, "" if it has none.
        read: makes the mask on the target's grid, bool [I, J, K].
        label: the label it has in its file, or None.
    """

    name: str
    read: Callable[[], Mask]
    label: int | None = None


def numbered(layers: Sequence[Layer], names: Mapping[int, str]) -> list[int]:
    """A label for each layer: that which the caller names it by, else its own if all differ, else by the order.

    Args:
        layers: the layers.
        names: label → name, as given by the caller.
    """
    by_name = {name: label for label, name in names.items()}
    own = [layer.label for layer in layers]
    keeps_own = None not in own and len(set(own)) == len(own)
    taken = set(by_name.values())
    free = (n for n in range(1, len(layers) + len(taken) + 1) if n not in taken)
    found = []
    for layer in layers:
        label = by_name.get(layer.name)
        if label is None:
            label = layer.label if keeps_own and layer.label is not None and layer.label not in taken else next(free)
        found.append(label)
    return found


def merged_layers(
    layers: Sequence[Layer], shape: tuple[int, int, int], names: Mapping[int, str]
) -> tuple[NDArray[np.int32], dict[int, str]]:
    """One label map of several masks; where two overlap the later one has the voxel, with a warning.

    Args:
        layers: the masks, in order.
        shape: [I, J, K].
        names: label → name, as given by the caller, who thereby chooses the labels.

    Returns:
        int32 [I, J, K], and the names.

    Raises:
        ValueError: if a label does not fit into 32 bits.
    """
    out = np.zeros(shape, dtype=np.int32)
    found: dict[int, str] = {}
    covered: dict[str, int] = {}
    for label, layer in zip(numbered(layers, names), layers, strict=True):
        if not 0 <= label <= LARGEST_LABEL:
            raise ValueError(f"the label of the mask {layer.name!r} must be from 0 to {LARGEST_LABEL}, got {label}")
        mask = layer.read()
        if count := int(np.count_nonzero(out[mask])):
            covered[layer.name or str(label)] = count
        out[mask] = label
        if layer.name:
            found[label] = layer.name
    _warn_of_overlap(covered)
    return out, found


def _warn_of_overlap(covered: Mapping[str, int]) -> None:
    if not covered:
        return
    most = sorted(covered.items(), key=lambda item: -item[1])[:_LISTED]
    warnings.warn(
        f"masks overlap in {sum(covered.values())} voxels, which the later mask has: most in "
        f"{', '.join(f'{name} ({count})' for name, count in most)}",
        UserWarning,
        stacklevel=2,
    )
