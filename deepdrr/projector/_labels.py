"""The labels of a volume as channels of path lengths."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from deepdrr._names import unknown_name
from deepdrr._numbers import plain
from deepdrr.materials import G_CM2_PER_MM
from deepdrr.raycast import MAX_LABELS, Field

__all__ = [
    "LabelChannels",
    "LabelSelection",
    "Labeled",
    "attenuation_field",
    "check_selection",
    "label_channels",
    "unknown_label",
]

# Labels by name, or by number where none has such a name, in the order of their channels; None for all.
LabelSelection = Sequence[int | str] | None

_LONGEST_TABLE = 2**16  # of channels by label; beyond it ids are looked for


class Labeled(Protocol):
    """An object with labels; a `deepdrr.data.Volume` is one."""

    @property
    def labels(self) -> Tensor | None:
        """Label of each voxel [I, J, K], 0 for background, or None."""

    @property
    def label_names(self) -> dict[int, str]:
        """Names of labels."""

    @property
    def ijk_from_world(self) -> Tensor:
        """Affine transform [4, 4] from the room, mm, to voxel indices."""


@dataclass(frozen=True, eq=False)
class LabelChannels:
    """Labels of one volume, and the fields of their path lengths.

    Attributes:
        names: one per label: its name, or its number if it has none.
        fields: each has as many labels as the operator can route, in the order of the names; channel 0 of each holds
            everything with none of its labels.
        absent: those of the chosen labels that the volume does not have.
    """

    names: tuple[str, ...]
    fields: tuple[Field, ...]
    absent: frozenset[int | str] = frozenset()


def label_ids(volume: Labeled) -> tuple[int, ...]:
    """Labels of a volume other than 0, in ascending order: the named ones and those found in the voxels.

    Raises:
        ValueError: if the volume has no labels.
    """
    if volume.labels is None:
        raise ValueError("the volume has no labels: load it with labels=… to project them")
    return tuple(sorted({*volume.label_names, *torch.unique(volume.labels).tolist()} - {0}))


def check_selection(labels: object) -> tuple[int | str, ...] | None:
    """A selection of labels as numbers and names.

    Raises:
        TypeError: if it is something else.
        ValueError: if it is empty.
    """
    if labels is None:
        return None
    if isinstance(labels, str) or not isinstance(labels, Sequence):
        raise TypeError(f"labels must be a list of names or numbers of labels, such as ['heart', 5], got {labels!r}")
    found = tuple(label if isinstance(label, str) else plain(label) for label in labels)
    # True is an integer of Python.
    if wrong := [label for label in found if isinstance(label, bool) or not isinstance(label, int | str)]:
        raise TypeError(f"labels must hold names or numbers of labels, got {wrong[0]!r}")
    if not found:
        raise ValueError("labels must name at least one label, got an empty list; leave it out for all")
    return tuple(dict.fromkeys(found))


def label_channels(volume: Labeled, chosen: tuple[int | str, ...] | None, device: torch.device) -> LabelChannels:
    """The labels of a volume, or those chosen that it has.

    Raises:
        ValueError: if the volume has no labels.
    """
    ids = label_ids(volume)
    names = {label: volume.label_names.get(label, str(label)) for label in ids}
    if chosen is None:
        return LabelChannels(tuple(names.values()), tuple(_fields(volume, ids, device)))
    found = {one: _named(one, ids, volume.label_names) for one in chosen}
    ids = tuple(dict.fromkeys(label for some in found.values() for label in some))
    absent = frozenset(one for one, some in found.items() if not some)
    return LabelChannels(tuple(names[label] for label in ids), tuple(_fields(volume, ids, device)), absent)


def attenuation_field(labels: Field, densities: Field, mu: Tensor) -> Field:
    """A field of labels whose values are the attenuation of the voxels.

    Args:
        labels: the field of labels.
        densities: M channels on the same grid, g/cm³, as the kernels hold them.
        mu: µ/ρ of each [M], cm²/g.

    Returns:
        The field, in 1/mm.
    """
    assert densities.values is not None  # densities are values
    per_mm = G_CM2_PER_MM * mu * (1.0 if densities.scale is None else densities.scale.to(mu))
    total = torch.zeros(densities.shape, dtype=densities.dtype, device=densities.device)
    for values, factor in zip(densities.values, per_mm.to(total), strict=True):
        total = total + factor * values
    return replace(labels, values=total[None])


def unknown_label(name: int | str, volumes: Sequence[Labeled]) -> ValueError:
    """The error for a label that no volume has."""
    known = {volume.label_names.get(label, str(label)): None for volume in volumes for label in label_ids(volume)}
    return unknown_name("label", name, known)


def _named(one: int | str, ids: tuple[int, ...], names: Mapping[int, str]) -> tuple[int, ...]:
    """The labels of this name; or else the one with this number, which may be given as text."""
    return tuple(label for label in ids if names.get(label) == one) or tuple(
        label for label in ids if one in (label, str(label))
    )


def _fields(volume: Labeled, ids: tuple[int, ...], device: torch.device) -> Iterator[Field]:
    for first in range(0, max(len(ids), 1), MAX_LABELS - 1):
        yield _field(volume, ids[first : first + MAX_LABELS - 1], device)


def _field(volume: Labeled, ids: tuple[int, ...], device: torch.device) -> Field:
    assert volume.labels is not None  # label_ids has refused it
    labels = _channels(volume.labels.cpu(), ids).to(device)
    return Field(None, volume.ijk_from_world.to(device), labels=labels, label_count=len(ids) + 1)


def _channels(labels: Tensor, ids: tuple[int, ...]) -> Tensor:
    """The channel of each voxel, uint8: 1, 2, … in the order of the ids; 0 for all other labels."""
    if max(*ids, int(labels.max()), 0) > _LONGEST_TABLE:
        known, order = torch.tensor(ids or (0,)).sort()
        place = torch.searchsorted(known, labels.long()).clamp_max(len(known) - 1)
        return torch.where(known[place] == labels, order[place] + 1, 0).to(torch.uint8)
    channel = torch.zeros(max(*ids, int(labels.max()), 0) + 1, dtype=torch.uint8)
    channel[list(ids)] = torch.arange(1, len(ids) + 1, dtype=torch.uint8)
    return channel[labels.int()]
