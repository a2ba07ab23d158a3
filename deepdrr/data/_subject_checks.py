"""Checks of the images, labels and transforms of a subject."""

import os
from typing import Any

import torch
from torch import Tensor

from deepdrr.data._label_numbers import as_array, whole_labels
from deepdrr.data._labels import LabelMap, labels_on_grid
from deepdrr.data._scan import Scan
from deepdrr.data.readers._files import format_of, read_grid
from deepdrr.geometry import check_affine

__all__ = [
    "channels_of",
    "checked_image",
    "checked_labels",
    "first_image",
    "label_image",
    "labels_present",
    "scan_as_it_is",
    "world_transform",
]


def checked_image(image: Tensor, name: str) -> Tensor:
    """An image [1, 1, D, H, W] of finite numbers; integers become float32.

    Raises:
        TypeError: if it is not a tensor of real numbers.
        ValueError: if its shape is wrong, or a voxel is NaN or infinite.
    """
    if not isinstance(image, Tensor) or image.is_complex() or image.dtype == torch.bool:
        raise TypeError(f"{name} must be a tensor of real numbers, got {getattr(image, 'dtype', type(image))}")
    if image.dim() != 5 or image.shape[:2] != (1, 1) or 0 in image.shape:
        raise ValueError(f"{name} must be [1, 1, D, H, W] with no empty axis, got shape {tuple(image.shape)}")
    numbers = image if image.is_floating_point() else image.float()
    low, high = torch.aminmax(numbers.detach())
    if not bool(torch.isfinite(low) & torch.isfinite(high)):
        raise ValueError(f"{name} must be finite, got values from {float(low)} to {float(high)}")
    return numbers


def checked_labels(label: Tensor, shape: torch.Size) -> Tensor:
    """Labels as uint8, or int16 or int32 where there are more: whole numbers from 0.

    Raises:
        TypeError: if it is not a tensor of real numbers.
        ValueError: if the shape is not the image's, or a label is negative, not a whole number or above 2³¹ − 1.
    """
    if not isinstance(label, Tensor) or label.is_complex():
        raise TypeError(f"label must be a tensor of whole numbers, got {getattr(label, 'dtype', type(label))}")
    if label.shape != shape:
        raise ValueError(f"label must have the image's shape {tuple(shape)}, got {tuple(label.shape)}")
    if label.dtype == torch.uint8:
        return label
    return torch.from_numpy(whole_labels(as_array(label)[0, 0], "label"))[None, None].to(label.device)


def labels_present(label: Tensor) -> tuple[int, ...]:
    """0 and the labels that there are, in ascending order."""
    return tuple(sorted({0, *torch.unique(label).tolist()}))


def channels_of(label: Tensor, class_labels: tuple[int, ...]) -> Tensor:
    """The place of each voxel's label among the labels that have channels, int16.

    Raises:
        ValueError: for a label that has none.
    """
    ids = torch.tensor(class_labels, dtype=torch.int64, device=label.device)
    values = label.long()
    place = torch.searchsorted(ids, values).clamp_max(len(ids) - 1)
    if bool((unknown := ids[place] != values).any()):
        raise ValueError(f"label must hold the labels that it was assigned with, got {int(values[unknown][0])}")
    return place.to(torch.int16)


def world_transform(matrix: Tensor) -> Tensor:
    """voxel_to_world as float64 [4, 4] on the CPU: affine and invertible."""
    if isinstance(matrix, Tensor) and matrix.device.type != "cpu":
        matrix = matrix.detach().cpu()
    return check_affine(matrix.detach() if isinstance(matrix, Tensor) else matrix, "voxel_to_world")


def first_image(image: Any, name: str) -> tuple[Tensor, Tensor]:
    """Data [1, 1, D, H, W] and affine [4, 4] of an object like TorchIO's images: `data` [1, I, J, K] and `affine`."""
    data, affine = getattr(image, "data", None), getattr(image, "affine", None)
    if data is None or affine is None:
        raise TypeError(f"{name} must have data [1, I, J, K] and an affine, like TorchIO's images, got {image!r}")
    voxels = torch.as_tensor(data)
    if voxels.dim() != 4 or len(voxels) != 1:
        raise ValueError(f"{name} must have one channel, data [1, I, J, K], got shape {tuple(voxels.shape)}")
    return voxels.permute(0, 3, 2, 1)[None], torch.as_tensor(affine)


def label_image(label: Any, voxels: Tensor, affine: Tensor) -> Tensor:
    """The labels [1, 1, D, H, W] of an object like TorchIO's images, where its affine says, on the grid of a CT.

    Args:
        label: the label map.
        voxels: the CT [1, 1, D, H, W].
        affine: its affine to RAS mm [4, 4].
    """
    values, own = first_image(label, "label")
    depth, height, width = voxels.shape[2:]
    found, _ = labels_on_grid(
        LabelMap(values[0, 0].permute(2, 1, 0), own), (width, height, depth), world_transform(affine)
    )
    return found.permute(2, 1, 0)[None, None].to(voxels.device)


def scan_as_it_is(path: str | os.PathLike[str]) -> Scan:
    """Read a scan whose numbers need not be Hounsfield units."""
    if format_of(path) != "dicom":
        return read_grid(path)
    from deepdrr.data.dicom._read import read_dicom

    return read_dicom(path)
