"""`Rays`: straight lines given by their end points; `CameraRays`: the rays of a camera in a compact form."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deepdrr._functorch import untransformed
from deepdrr._memory import check_fits
from deepdrr._shapes import broadcast_shapes
from deepdrr.camera import Camera
from deepdrr.geometry import finest_dtype

__all__ = ["CameraRays", "RayEnds", "Rays", "camera_ends", "unexpanded"]


@dataclass(frozen=True, eq=False)
class RayEnds:
    """Rays given by their end points, as the kernels receive them.

    The attributes are those of `Rays`, which documents and checks them. Nothing is checked here: the ends come from
    `Rays` or from a camera.
    """

    source: Tensor
    target: Tensor
    start: Tensor | None = None
    stop: Tensor | None = None

    @property
    def shape(self) -> torch.Size:
        """[..., H, W], after broadcasting."""
        source, target = self.source.shape[:-1], self.target.shape[:-1]
        limits = [tensor.shape for _, tensor in self._limits]
        if source == target and not limits:
            return source
        return broadcast_shapes(source, target, *limits)

    @property
    def device(self) -> torch.device:
        """The device of the end points."""
        return self.target.device

    @property
    def requires_grad(self) -> bool:
        """Whether a gradient with respect to the rays is required."""
        limits = any(tensor.requires_grad for _, tensor in self._limits)
        return self.source.requires_grad or self.target.requires_grad or limits

    @property
    def _limits(self) -> list[tuple[str, Tensor]]:
        return [(n, t) for n, t in (("start", self.start), ("stop", self.stop)) if t is not None]


@dataclass(frozen=True, eq=False)
class Rays(RayEnds):
    """Rays p(t) = source + t (target − source), 0 ≤ t ≤ 1, arranged as images.

    The four tensors broadcast against each other to the shape [..., H, W]. A plain list of N rays is an image [1, N].

    Attributes:
        source: start points of the rays [..., H, W, 3], world mm.
        target: end points of the rays [..., H, W, 3], world mm.
        start: first t of the integral [..., H, W], or None for 0.
        stop: last t of the integral [..., H, W], or None for 1. Nothing is integrated where stop ≤ start.
    """

    def __post_init__(self) -> None:
        for name, ends in (("source", self.source), ("target", self.target)):
            if ends.dim() < 3 or ends.shape[-1] != 3:
                raise ValueError(f"{name} must be [..., H, W, 3], got shape {tuple(ends.shape)}")
        for name, tensor in (("source", self.source), ("target", self.target), *self._limits):
            if not tensor.is_floating_point():
                raise TypeError(f"{name} must be floating point, got dtype {tensor.dtype}")
            # A sum is NaN or infinite if one term is, and needs no buffer of the images' size.
            if not bool(torch.isfinite(_total(unexpanded(untransformed(tensor))))):
                raise ValueError(f"{name} must be finite, got NaN or infinity")
        try:
            _ = self.shape
        except RuntimeError as error:
            raise ValueError(f"source, target, start and stop must broadcast to [..., H, W]: {error}") from None

    @classmethod
    def from_camera(cls, camera: Camera) -> Self:
        """The rays of all pixels of a camera [*batch, H, W], from the source to the pixel's centre."""
        ends = camera_ends(camera)
        return cls(ends.source, ends.target)


def camera_ends(camera: Camera) -> RayEnds:
    """The end points of the rays of all pixels of a camera, the same as in `Rays.from_camera`."""
    source, target = camera.pixel_rays()
    # Pixel centres are affine in row and column, so they are finite if those of the corners are.
    corners = untransformed(target)[..., :: max(camera.height - 1, 1), :: max(camera.width - 1, 1), :]
    if not bool(torch.isfinite(_total(corners))):
        raise ValueError("camera must have pixels at finite places, got NaN or infinity")
    return RayEnds(source, target)


class CameraRays:
    """The rays of all pixels of a camera, stored by rows and columns of pixels, without a gradient.

    It has the interface of `RayEnds`, whose end points take 48 bytes per pixel. NumPy computes its few numbers, since
    its calls have less overhead than torch's.

    Attributes:
        source_lines, target_lines: terms of the rows and of the columns, float64, mm; their sums are the end points.
    """

    requires_grad = False
    start = stop = None

    def __init__(self, camera: Camera) -> None:
        self.source_lines, self.target_lines = camera.pixel_lines()
        if not all(np.isfinite(line).all() for line in self.target_lines):
            raise ValueError("camera must have pixels at finite places, got NaN or infinity")
        self.device, self.dtype = camera.intrinsics.device, camera.intrinsics.dtype
        self.shape = torch.Size((*camera.batch_shape, camera.height, camera.width))

    @property
    def source(self) -> Tensor:
        """[..., H, W, 3], world mm."""
        return self._sum(self.source_lines).expand(*self.shape, 3)

    @property
    def target(self) -> Tensor:
        """[..., H, W, 3], world mm."""
        check_fits("the end points of the rays", (*self.shape, 3), dtype=self.dtype, device=self.device)
        return self._sum(self.target_lines)

    def _sum(self, lines: tuple[NDArray[np.float64], NDArray[np.float64]]) -> Tensor:
        rows, columns = (torch.from_numpy(line).to(self.device, self.dtype) for line in lines)
        return columns + rows


def unexpanded(tensor: Tensor) -> Tensor:
    """A tensor without repetitions: axes of stride 0 get length 1, except the last. No gradient."""
    repeated = [stride == 0 for stride in tensor.stride()[:-1]]
    if not any(repeated):
        return tensor.detach()
    return tensor.detach()[tuple(slice(1) if once else slice(None) for once in repeated)]


def _total(tensor: Tensor) -> Tensor:
    """The sum, in double precision if the device has it."""
    return tensor.sum(dtype=finest_dtype(tensor.device))
