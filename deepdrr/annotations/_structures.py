"""What each label and each tool covers in an image: masks, boxes, path lengths, share of the attenuation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from deepdrr.annotations._hulls import amodal_boxes, structure_hulls
from deepdrr.data import Volume
from deepdrr.projector import LabelSelection, Projector, Radiograph

__all__ = ["TOOL_RESULTS", "Structures", "mask_boxes", "structures", "structures_of"]


TOOL_RESULTS = ("tool_path_lengths", "tool_shares", "tool_boxes")
"""The results of a projector that `structures_of` needs of tools."""


@dataclass(frozen=True, eq=False)
class Structures:
    """The structures in an image, or in a batch: labels of volumes, then tools.

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
    """The labels and the tools in a projector's current view, without an exposure.

    Args:
        projector: with a labelled volume, tools, or both.
        labels: labels by name or number; None for all.
        hulls: `structure_hulls` of the volume, to compute them once for many views; None computes them.

    Raises:
        ValueError: if there are neither labels nor tools, or a label is unknown.
    """
    scene = projector.scene
    volumes = [volume for volume in scene.volumes if isinstance(volume, Volume) and volume.labels is not None]
    wanted = ["line_integrals"]
    if volumes or not scene.solids:
        wanted += ["label_path_lengths", "label_line_integrals"]
    if scene.solids:
        wanted += TOOL_RESULTS
    return structures_of(projector.project(*wanted, labels=labels), volumes, hulls=hulls)


def structures_of(
    shot: Radiograph, volumes: Sequence[Volume], *, hulls: Mapping[str, Tensor] | None = None
) -> Structures:
    """The labels and the tools in a radiograph.

    Args:
        shot: a radiograph with label_path_lengths, or with tool_path_lengths and tool_boxes, or with all of these. For
            the shares of the attenuation it has label_line_integrals and line_integrals too, which take longer than the
            rest, and tool_shares.
        volumes: the labelled volumes in it, in order.
        hulls: as for `structures`.

    Raises:
        ValueError: if no path lengths are there, or two structures have a name.
    """
    parts = []
    if "label_path_lengths" in shot:
        parts.append(_labels(shot, volumes, hulls))
    if "tool_path_lengths" in shot and "tool_boxes" in shot:
        tools = (shot["tool_path_lengths"], shot.get("tool_shares"), shot["tool_boxes"])
        parts.append(Structures(shot.tool_names, *tools))
    if not parts:
        got = ", ".join(shot)
        raise ValueError(f"shot must hold label_path_lengths, or tool_path_lengths and tool_boxes, got {got}")
    names = tuple(name for part in parts for name in part.names)
    if twice := [name for name in names if names.count(name) > 1]:
        raise ValueError(f"structures must have different names, got {twice[0]!r} twice")
    shares = [part.shares for part in parts if part.shares is not None]
    return Structures(
        names,
        torch.cat([part.path_lengths_mm for part in parts], dim=-3),
        torch.cat(shares, dim=-3) if len(shares) == len(parts) else None,
        torch.cat([part.amodal_boxes for part in parts], dim=-2),
    )


def _labels(shot: Radiograph, volumes: Sequence[Volume], hulls: Mapping[str, Tensor] | None) -> Structures:
    names = shot.label_channels
    found: dict[str, Tensor] = {}
    for volume in volumes:
        wanted = structure_hulls(volume) if hulls is None else hulls
        found |= amodal_boxes(wanted, shot.camera, volume.world_from_anatomical)
    if missing := [name for name in names if name not in found]:
        raise ValueError(f"hulls must hold all structures, got none of {missing[0]!r}")
    shares = None
    if "label_line_integrals" in shot and "line_integrals" in shot:
        whole = shot["line_integrals"][..., None, :, :]
        shares = torch.where(whole > 0, shot["label_line_integrals"] / whole, 0.0)
    lengths = shot["label_path_lengths"]
    none = torch.zeros(*lengths.shape[:-3], 0, 4, dtype=torch.float64, device=lengths.device)  # all is background
    boxes = torch.stack([found[name] for name in names], dim=-2) if names else none
    return Structures(names, lengths, shares, boxes)


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
