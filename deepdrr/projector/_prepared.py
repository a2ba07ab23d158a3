"""`PreparedVolume`: a volume made ready for the rays."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self, TypeVar

import torch
from torch import Tensor

from deepdrr.data import Volume
from deepdrr.materials import Material
from deepdrr.projector._materials import MaterialModel
from deepdrr.raycast import MAX_LABELS, Field, arranged

__all__ = ["PreparedVolume", "label_ids"]

Voxels = TypeVar("Voxels", Tensor, Tensor | None)


@dataclass(frozen=True, eq=False)
class PreparedVolume:
    """Densities of a volume in the operator's layout. It follows the volume's placement, not its voxels.

    Attributes:
        volume: the volume it was made from.
        model: how it was made.
        materials: the M basis materials.
        densities: [M, I, J, K] in g/cm³, arranged for the rays.
        hu: the voxels it was made from, and their version at that time.
        labels: the label map then, and its version.
        contrast: the concentrations then, and their versions.
    """

    volume: Volume
    model: MaterialModel
    materials: tuple[Material, ...]
    densities: Tensor
    hu: tuple[Tensor, int]
    labels: tuple[Tensor | None, int]
    contrast: tuple[tuple[Tensor, int], ...] = ()

    @classmethod
    def of(cls, volume: Volume, model: MaterialModel, device: torch.device) -> Self:
        """Decompose a volume into materials, kept on a device."""
        found = model.densities(volume)
        field = Field(found.values.to(device), volume.ijk_from_world.to(device))
        if not found.values.requires_grad:  # the copy would cut it off
            field = arranged(field)
        assert field.values is not None  # it was given
        contrast = tuple(_versioned(concentration) for concentration in model.contrast.values())
        return cls(
            volume, model, found.materials, field.values, _versioned(volume.hu), _versioned(volume.labels), contrast
        )

    @property
    def is_current(self) -> bool:
        """Whether the volume still holds the voxels this was made from: not replaced, and not written to.

        Densities that carry a gradient are made anew for each image, since a graph can be walked back once.
        """
        if self.densities.requires_grad or any(tensor._version != then for tensor, then in self.contrast):
            return False
        pairs = ((self.hu, _versioned(self.volume.hu)), (self.labels, _versioned(self.volume.labels)))
        return all(then[0] is now[0] and then[1] == now[1] for then, now in pairs)

    @property
    def density_field(self) -> Field:
        """The densities where the volume is now."""
        return Field(self.densities, self.volume.ijk_from_world.to(self.densities.device))

    def label_fields(self) -> Iterator[Field]:
        """Path lengths per label, where the volume is now, as many in a field as the operator can route.

        Channel 0 of each field is all that has none of its labels.

        Raises:
            ValueError: if the volume has no labels.
        """
        ids = label_ids(self.volume)
        for first in range(0, max(len(ids), 1), MAX_LABELS - 1):
            yield self._label_field(ids[first : first + MAX_LABELS - 1])

    def _label_field(self, ids: tuple[int, ...]) -> Field:
        assert self.volume.labels is not None  # label_ids has refused it
        channel = torch.zeros(max(*ids, int(self.volume.labels.max()), 0) + 1, dtype=torch.uint8)
        channel[list(ids)] = torch.arange(1, len(ids) + 1, dtype=torch.uint8)
        device = self.densities.device
        labels = channel[self.volume.labels.int()].to(device)
        return Field(None, self.volume.ijk_from_world.to(device), labels=labels, label_count=len(ids) + 1)


def label_ids(volume: Volume) -> tuple[int, ...]:
    """Labels of a volume other than 0, in ascending order: those named and those found in the voxels.

    Raises:
        ValueError: if the volume has no labels.
    """
    if volume.labels is None:
        raise ValueError("the volume has no labels: load it with labels=… to project them")
    return tuple(sorted({*volume.label_names, *torch.unique(volume.labels).tolist()} - {0}))


def _versioned(tensor: Voxels) -> tuple[Voxels, int]:
    """A tensor with torch's count of the writes to it."""
    return tensor, 0 if tensor is None else tensor._version
