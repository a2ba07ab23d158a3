"""What each structure covers in an image: masks, boxes, path lengths, share of the attenuation."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from deepdrr.annotations._hulls import amodal_boxes, structure_hulls
from deepdrr.data import Volume
from deepdrr.projector import LabelSelection, Projector, Radiograph

__all__ = ["Structures", "mask_boxes", "structures", "structures_of"]


class Placed(Protocol):
    """A body with a place in the room."""

    @property
    def world_from_anatomical(self) -> Tensor:
        """Rigid transform [4, 4], mm."""


@dataclass(frozen=True, eq=False)
class Structures:
    """The labelled structures in an image, or in a batch.

    Masks overlap, since rays pass through several structures, and they are amodal: nothing hides a structure in an
    X-ray image.

    Attributes:
        names: the L structures.
        path_lengths_mm: length of each ray in each [*batch, L, H, W], mm.
        shares: share of each in the attenuation of the ray, ∫ µ dℓ in it over ∫ µ dℓ in all, at the beam's mean energy
            [*batch, L, H, W]; 0 where nothing attenuates. None where it was not computed.
        amodal_boxes: (u0, v0, u1, v1) of each whole structure [*batch, L, 4], pixels, also beyond the image; NaN if a
            part of it lies behind the source.
    """

    names: tuple[str, ...]
    path_lengths_mm: Tensor
    shares: Tensor | None
    amodal_boxes: Tensor

    @property
    def masks(self) -> Tensor:
        """Which rays pass through each structure, bool [*batch, L, H, W]."""
        return self.path_lengths_mm > 0

    @property
    def boxes(self) -> Tensor:
        """(u0, v0, u1, v1) of the mask of each [*batch, L, 4], pixels' edges; NaN where the mask is empty."""
        return mask_boxes(self.masks)


def structures(
    projector: Projector, labels: LabelSelection = None, *, hulls: Mapping[str, Tensor] | None = None
) -> Structures:
    """The structures in a projector's current view, without an exposure.

    Args:
        projector: with a labelled volume.
        labels: labels by name or number; None for all.
        hulls: `structure_hulls` of the volume, to compute them once for many views; None computes them.

    Raises:
        ValueError: if there are no labels, or one is unknown.
    """
    shot = projector.project("label_path_lengths", "label_line_integrals", "line_integrals", labels=labels)
    volumes = [volume for volume in projector.scene.volumes if isinstance(volume, Volume) and volume.labels is not None]
    return structures_of(shot, volumes, hulls=hulls)


def structures_of(shot: Radiograph, volumes: list[Volume], *, hulls: Mapping[str, Tensor] | None = None) -> Structures:
    """The structures in a radiograph.

    Args:
        shot: a radiograph with label_path_lengths; with label_line_integrals and line_integrals too for the shares of
            the attenuation, which take longer than the rest.
        volumes: the labelled volumes in it, in order.
        hulls: as for `structures`.

    Raises:
        ValueError: if the path lengths are not there, or a name belongs to structures of two volumes.
    """
    if "label_path_lengths" not in shot:
        raise ValueError(f"shot must hold label_path_lengths, got {', '.join(shot)}")
    names = shot.label_channels
    if twice := [name for name in names if names.count(name) > 1]:
        raise ValueError(f"structures must have different names, got {twice[0]!r} twice")
    found: dict[str, Tensor] = {}
    for volume in volumes:
        wanted = structure_hulls(volume) if hulls is None else hulls
        found |= amodal_boxes(wanted, shot.camera, volume.world_from_anatomical)
    missing = [name for name in names if name not in found]
    if missing:
        raise ValueError(f"hulls must hold all structures, got none of {missing[0]!r}")
    boxes = torch.stack([found[name] for name in names], dim=-2)
    return Structures(names, shot["label_path_lengths"], _shares(shot), boxes)


def _shares(shot: Radiograph) -> Tensor | None:
    if "label_line_integrals" not in shot or "line_integrals" not in shot:
        return None
    whole = shot["line_integrals"][..., None, :, :]
    return torch.where(whole > 0, shot["label_line_integrals"] / whole, 0.0)


def mask_boxes(masks: Tensor) -> Tensor:
    """The boxes around masks.

    Args:
        masks: bool [..., H, W].

    Returns:
        (u0, v0, u1, v1) [..., 4], float64, the outer edges of the pixels; NaN for an empty mask.

    Example:
        >>> mask = torch.zeros(5, 6, dtype=torch.bool)
        >>> mask[1:3, 4] = True
        >>> mask_boxes(mask)
        tensor([4., 1., 5., 3.], dtype=torch.float64)
    """
    if masks.dtype != torch.bool:
        raise TypeError(f"masks must be bool, got dtype {masks.dtype}")
    ends = []
    for across in (-2, -1):  # columns, then rows
        hit = masks.any(dim=across)
        size = hit.shape[-1]
        first = hit.double().argmax(dim=-1)
        last = size - hit.flip(-1).double().argmax(dim=-1)
        ends.append((first.double(), last.double()))
    (u0, u1), (v0, v1) = ends
    boxes = torch.stack([u0, v0, u1, v1], dim=-1)
    return torch.where(masks.any(dim=-1).any(dim=-1)[..., None], boxes, torch.nan)
