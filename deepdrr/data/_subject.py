"""`Subject`: a CT and its labels as a module of torch, with attenuation for one effective energy."""

import os
from collections.abc import Callable
from typing import Any, Self, TypedDict, Unpack

import torch
from torch import Tensor, nn

from deepdrr._numbers import as_count
from deepdrr._state import NamedState
from deepdrr.data._checks import CheckHU
from deepdrr.data._doubts import Assume
from deepdrr.data._labels import Labels, labels_on_grid
from deepdrr.data._subject_checks import (
    channels_of,
    checked_image,
    checked_labels,
    first_image,
    label_image,
    labels_present,
    scan_as_it_is,
    world_transform,
)
from deepdrr.data._volume import Volume
from deepdrr.data.preprocess import HU_BONE, MU_BONE, MU_WATER, hu_to_mu
from deepdrr.geometry import ArrayLike, as_point, not_halved

__all__ = ["Attenuation", "Subject"]

FilePath = str | os.PathLike[str]

_MOST_CLASSES = 128  # that a picture by labels may have channels, see deepdrr.raycast.MAX_LABELS
_GEOMETRY = ("voxel_to_world", "world_to_voxel", "isocenter")


class Attenuation(TypedDict, total=False):
    """How Hounsfield units become attenuation, see `deepdrr.data.preprocess.hu_to_mu`.

    convert_to_mu: False for images that do not hold Hounsfield units: their values are integrated as they are.
    mu_water, mu_bone: 1/mm; numbers or tensors, of shape [B] for a value per picture.
    hu_bone: HU.
    """

    convert_to_mu: bool
    mu_water: float | Tensor
    mu_bone: float | Tensor
    hu_bone: float | Tensor


_DEFAULTS = Attenuation(convert_to_mu=True, mu_water=MU_WATER, mu_bone=MU_BONE, hu_bone=HU_BONE)


class Subject(NamedState, nn.Module):
    """A CT in Hounsfield units with labels, on torch's [1, 1, D, H, W] (the voxel (i, j, k) is at [0, 0, k, j, i]).

    The attributes `convert_to_mu`, `mu_water`, `mu_bone` and `hu_bone` can be set at any time; the next image is made
    with them. So can the voxels: nothing computed from the old ones is used again.

    Args:
        image_hu: Hounsfield units [1, 1, D, H, W]; integers become float32.
        voxel_to_world: affine from (i, j, k), voxel centres at integers, to world mm [4, 4].
        label: whole numbers from 0 [1, 1, D, H, W]; None for none.
        isocenter: point [3] about which cameras turn, world mm; the middle of the grid if None.
        max_label: the highest label there can be; the highest there is if None.
        attenuation: see `Attenuation`.

    Attributes:
        image_hu: the voxels, a buffer.
        voxel_to_world, world_to_voxel: buffers [4, 4]; these and the isocenter stay float32 or float64 when the
            module is turned into half precision.
        isocenter: a buffer [3].

    Raises:
        TypeError, ValueError: if a shape, a type or a number is not acceptable.

    Example:
        >>> subject = Subject(torch.zeros(1, 1, 10, 20, 30), torch.eye(4))
        >>> subject.isocenter, subject.n_classes
        (tensor([14.5000,  9.5000,  4.5000]), 1)
    """

    image_hu: Tensor
    label_map: Tensor | None
    voxel_to_world: Tensor
    world_to_voxel: Tensor
    isocenter: Tensor
    convert_to_mu: bool
    mu_water: float | Tensor
    mu_bone: float | Tensor
    hu_bone: float | Tensor

    INSTEAD = "it follows from image_hu, label and the attenuation"

    def __init__(
        self,
        image_hu: Tensor,
        voxel_to_world: Tensor,
        label: Tensor | None = None,
        *,
        isocenter: ArrayLike | None = None,
        max_label: int | None = None,
        **attenuation: Unpack[Attenuation],
    ) -> None:
        _check_names(dict(attenuation))
        super().__init__()
        max_label = None if max_label is None else as_count(max_label, "max_label", least=0)
        affine = world_transform(voxel_to_world)
        image = checked_image(image_hu, "image_hu")
        middle = (torch.tensor(image.shape[:1:-1], dtype=torch.float64) - 1) / 2
        center = affine[:3, :3] @ middle + affine[:3, 3] if isocenter is None else as_point(isocenter, "isocenter")
        self.register_buffer("image_hu", image)
        self.register_buffer("label_map", None)
        self.register_buffer("voxel_to_world", affine.float().to(image.device))
        self.register_buffer("world_to_voxel", torch.linalg.inv(affine).float().to(image.device))
        self.register_buffer("isocenter", center.float().to(image.device).clone())
        for name, value in {**_DEFAULTS, **attenuation}.items():
            setattr(self, name, value)
        self._max_label = max_label
        self._n_classes = 1 if max_label is None else max_label + 1
        self._class_labels: tuple[int, ...] | None = None
        if label is not None:
            self.label = label

    # -- what it holds -----------------------------------------------------------------------------------------------

    @property
    def image(self) -> Tensor:
        """Attenuation [1, 1, D, H, W] in 1/mm, or the numbers as they are without `convert_to_mu`. Made at each call.

        Raises:
            ValueError: if an attenuation is not acceptable, or given per picture, for which there is no single image.
        """
        if not self.convert_to_mu:
            return self.image_hu
        numbers = [torch.as_tensor(n, device=self.image_hu.device) for n in (self.mu_water, self.mu_bone, self.hu_bone)]
        if any(number.numel() != 1 for number in numbers):
            raise ValueError(
                f"there is no one image for an attenuation per picture, got {[n.tolist() for n in numbers]}"
            )
        water, bone, hu = (number.to(self.image_hu.dtype).reshape(()) for number in numbers)
        return hu_to_mu(self.image_hu, water, bone, hu)

    @property
    def label(self) -> Tensor:
        """Labels [1, 1, D, H, W], uint8 or int16; zeros where there are none. It can be assigned."""
        if self.label_map is None:
            return torch.zeros((), dtype=torch.uint8, device=self.image_hu.device).expand(self.image_hu.shape)
        return self.label_map

    @label.setter
    def label(self, label: Tensor) -> None:
        labels = checked_labels(label, self.image_hu.shape)
        highest = int(labels.max())
        present = None
        if self._max_label is None and highest >= _MOST_CLASSES:
            present = labels_present(labels)
            highest = len(present) - 1
        if self._max_label is not None and highest > self._max_label:
            raise ValueError(f"label must not be above max_label = {self._max_label}, got {highest}")
        self._n_classes = 1 + (highest if self._max_label is None else self._max_label)
        self._class_labels = present
        self.label_map = labels

    @property
    def n_classes(self) -> int:
        """Channels of a picture by labels: one for each number from 0 to the highest label."""
        return self._n_classes

    @property
    def class_labels(self) -> tuple[int, ...] | None:
        """None; or the label of each channel, where labels go beyond 127 and only those that there are have one."""
        return self._class_labels

    @property
    def channel_map(self) -> Tensor:
        """The channel of each voxel's label [1, 1, D, H, W]: its label, unless there are `class_labels`.

        Raises:
            ValueError: if labels were written into the map that were not there when it was assigned.
        """
        return self.label if self.class_labels is None else channels_of(self.label, self.class_labels)

    def set_mu(
        self,
        mu_water: float | Tensor | None = None,
        mu_bone: float | Tensor | None = None,
        hu_bone: float | Tensor | None = None,
    ) -> None:
        """Set several attenuations; those left out stay."""
        for name, value in (("mu_water", mu_water), ("mu_bone", mu_bone), ("hu_bone", hu_bone)):
            if value is not None:
                setattr(self, name, value)

    def extra_repr(self) -> str:
        """For `print`."""
        return f"voxels={tuple(self.image_hu.shape[:1:-1])}, n_classes={self.n_classes}, dtype={self.image_hu.dtype}"

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Like any module, but keep positions out of half precision, which would be off by millimetres."""
        before = {name: self._buffers[name] for name in _GEOMETRY if name in self._buffers}
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self._buffers.update({name: not_halved(self._buffers[name], exact) for name, exact in before.items()})
        return self

    # -- constructors ------------------------------------------------------------------------------------------------

    @classmethod
    def from_filepath(
        cls,
        imagepath: FilePath,
        labelpath: FilePath | None = None,
        max_label: int | None = None,
        *,
        check_hu: CheckHU = "warn",
        assume: Assume | None = None,
        **attenuation: Unpack[Attenuation],
    ) -> Self:
        """Read a CT (NIfTI, DICOM, NRRD, MetaImage) and a label map.

        With `convert_to_mu=False` the numbers are taken as they are; else values at or below −1500 HU, which scanners
        write outside the field of view, become air.

        Args:
            imagepath: file, or a folder of DICOM files.
            labelpath: a label map of the same patient on any grid; it is brought onto the CT's by the nearest voxel.
            max_label: the highest label there can be; the highest there is if None.
            check_hu: what to do when the numbers do not look like Hounsfield units: `"refuse"`, `"warn"` or `"off"`.
            assume: what voxels in doubt are, `"air"` or `"tissue"`, see `Volume`.
            attenuation: see `Attenuation`.
        """
        _check_names(dict(attenuation))
        if attenuation.get("convert_to_mu", True):
            volume = Volume.from_file(imagepath, labels=labelpath, check_hu=check_hu, assume=assume)
            return cls._of(volume.hu, volume.world_from_ijk, volume.labels, max_label, attenuation)
        scan = scan_as_it_is(imagepath)
        shape, affine = (scan.hu.shape[0], scan.hu.shape[1], scan.hu.shape[2]), scan.anatomical_from_ijk
        labels = None if labelpath is None else labels_on_grid(labelpath, shape, affine)[0]
        return cls._of(torch.from_numpy(scan.hu), affine, labels, max_label, attenuation)

    @classmethod
    def from_images(
        cls, image: Any, label: Any | None = None, max_label: int | None = None, **attenuation: Unpack[Attenuation]
    ) -> Self:
        """Take images in memory that are like TorchIO's: with `data` [1, I, J, K] and `affine` [4, 4], RAS mm.

        Args:
            image: the CT.
            label: a label map of the same patient; its affine is obeyed, and it is brought onto the CT's grid.
            max_label: the highest label there can be; the highest there is if None.
            attenuation: see `Attenuation`.
        """
        voxels, affine = first_image(image, "image")
        labels = None if label is None else label_image(label, voxels, affine)
        return cls(voxels, affine, labels, max_label=max_label, **attenuation)

    @classmethod
    def from_volume(
        cls,
        volume: Volume,
        labels: Labels | None = None,
        max_label: int | None = None,
        **attenuation: Unpack[Attenuation],
    ) -> Self:
        """Take a `Volume` where it lies in the room now; its voxels are copied.

        Args:
            volume: the CT.
            labels: used instead of its own; as in `Volume`.
            max_label: the highest label there can be; the highest there is if None.
            attenuation: see `Attenuation`.
        """
        own = volume.labels
        if labels is not None:
            own = labels_on_grid(labels, volume.shape, volume.anatomical_from_ijk)[0]
        return cls._of(volume.hu.clone(), volume.world_from_ijk, own, max_label, attenuation)

    @classmethod
    def from_batch(
        cls,
        image_hu: Tensor,
        voxel_to_world: Tensor,
        label: Tensor | None = None,
        max_label: int | None = None,
        **attenuation: Unpack[Attenuation],
    ) -> list[Self]:
        """The subjects of a batch, as a data loader stacks them: padded with air (−1000 HU, label 0) to one size.

        They share the batch's memory and its gradient. `render` takes the list.

        Args:
            image_hu: [B, 1, D, H, W].
            voxel_to_world: [B, 4, 4].
            label: [B, 1, D, H, W] or None.
            max_label: the highest label there can be; give it where images are to have equally many channels.
            attenuation: see `Attenuation`.
        """
        if image_hu.dim() != 5 or voxel_to_world.shape != (len(image_hu), 4, 4):
            raise ValueError(
                "image_hu must be [B, 1, D, H, W] and voxel_to_world [B, 4, 4], "
                f"got shapes {tuple(image_hu.shape)} and {tuple(voxel_to_world.shape)}"
            )
        labels = [None] * len(image_hu) if label is None else list(label.split(1))
        parts = zip(image_hu.split(1), voxel_to_world, labels, strict=True)
        return [cls(image, affine, own, max_label=max_label, **attenuation) for image, affine, own in parts]

    @classmethod
    def _of(
        cls, hu: Tensor, world_from_ijk: Tensor, labels: Tensor | None, max_label: int | None, attenuation: Attenuation
    ) -> Self:
        """From grids [I, J, K]."""
        image = hu.permute(2, 1, 0)[None, None].contiguous()
        label = None if labels is None else labels.permute(2, 1, 0)[None, None].contiguous()
        return cls(image, world_from_ijk, label, max_label=max_label, **attenuation)


def _check_names(given: dict[str, object]) -> None:
    """Refuse unknown keyword arguments."""
    if unknown := sorted(given.keys() - _DEFAULTS.keys()):
        raise TypeError(f"the attenuation of a subject is set by {', '.join(_DEFAULTS)}, got {', '.join(unknown)}")
