"""The labels of a volume as fields of path lengths."""

from collections.abc import Iterator
from typing import Protocol

import torch
from torch import Tensor

from deepdrr.raycast import MAX_LABELS, Field

__all__ = ["Labeled", "label_fields", "label_ids"]


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


def label_ids(volume: Labeled) -> tuple[int, ...]:
    """Labels of a volume other than 0, in ascending order: the named ones and those found in the voxels.

    Raises:
        ValueError: if the volume has no labels.
    """
    if volume.labels is None:
        raise ValueError("the volume has no labels: load it with labels=… to project them")
    return tuple(sorted({*volume.label_names, *torch.unique(volume.labels).tolist()} - {0}))


def label_fields(volume: Labeled, device: torch.device) -> Iterator[Field]:
    """Fields of path lengths per label, each with as many labels as the operator can route.

    Channel 0 of each field holds everything with none of its labels.

    Raises:
        ValueError: if the volume has no labels.
    """
    ids = label_ids(volume)
    for first in range(0, max(len(ids), 1), MAX_LABELS - 1):
        yield _label_field(volume, ids[first : first + MAX_LABELS - 1], device)


def _label_field(volume: Labeled, ids: tuple[int, ...], device: torch.device) -> Field:
    assert volume.labels is not None  # label_ids has refused it
    channel = torch.zeros(max(*ids, int(volume.labels.max()), 0) + 1, dtype=torch.uint8)
    channel[list(ids)] = torch.arange(1, len(ids) + 1, dtype=torch.uint8)
    labels = channel[volume.labels.cpu().int()].to(device)
    return Field(None, volume.ijk_from_world.to(device), labels=labels, label_count=len(ids) + 1)
