"""`Lines`: the rays of a view as the kernels take them, and the ends of some of them."""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from deepdrr.camera import Camera
from deepdrr.raycast import Rays

__all__ = ["Lines"]

Pair = tuple[Tensor, Tensor]


@dataclass(frozen=True, eq=False)
class Lines:
    """Rays of an image, numbered by view, row and column.

    Attributes:
        view: the camera, or the rays.
        shape: [*batch, H, W].
        source, target: ends as sums of two tensors each, float64 [B, H, W, 3], world mm, without a gradient; an axis of
            one is repeated.
        start, stop: limits [B, H, W] of explicit rays, or None for 0 and 1.
    """

    view: Camera | Rays
    shape: torch.Size
    source: Pair
    target: Pair
    start: Tensor | None = None
    stop: Tensor | None = None

    @classmethod
    def of(cls, view: Camera | Rays, device: torch.device) -> Self:
        """The rays of a view on a device."""
        if isinstance(view, Camera):
            shape = torch.Size((*view.batch_shape, view.height, view.width))
            lines = [line for pair in view.pixel_lines() for line in pair]
            batch = shape[:-2]
            ends = [_flat(torch.from_numpy(line).to(device), batch) for line in lines]
            return cls(view, shape, (ends[0], ends[1]), (ends[2], ends[3]))
        nothing = torch.zeros(1, 1, 1, 3, dtype=torch.float64, device=device)
        batch = view.shape[:-2]
        source, target = (end.detach().to(device, torch.float64) for end in (view.source, view.target))
        pairs = (_flat(source, batch), nothing), (_flat(target, batch), nothing)
        return cls(view, view.shape, *pairs, view.start, view.stop)

    @property
    def count(self) -> tuple[int, int, int]:
        """Views, rows and columns."""
        return self.shape[:-2].numel(), self.shape[-2], self.shape[-1]

    @property
    def requires_grad(self) -> bool:
        """Whether a gradient with respect to the rays is required."""
        view = self.view
        tensors = (view.intrinsics, view.camera_from_world, view.sdd_mm) if isinstance(view, Camera) else ()
        rays = isinstance(view, Rays) and view.requires_grad
        return torch.is_grad_enabled() and (rays or any(tensor.requires_grad for tensor in tensors))

    def ends(self, ray: Tensor) -> Pair:
        """Source and target of rays by number: [N, 3] each, float64, world mm, with their gradient."""
        view = self.view
        if self.requires_grad:
            source, target = view.pixel_rays() if isinstance(view, Camera) else (view.source, view.target)
            return self._at(source, ray), self._at(target, ray)
        picked = [_picked(part, ray, self.count) for part in (*self.source, *self.target)]
        return picked[0] + picked[1], picked[2] + picked[3]

    def length_mm(self, ray: Tensor) -> Tensor:
        """Lengths of rays by number [N], mm, with their gradient."""
        source, target = self.ends(ray)
        length_mm: Tensor = (target - source).norm(dim=-1)
        return length_mm

    def limits(self, ray: Tensor) -> tuple[Tensor | float, Tensor | float]:
        """First and last t of rays by number, [N] or one for all."""
        start, stop = self.start, self.stop
        return (
            0.0 if start is None else self._at(start[..., None], ray)[..., 0],
            1.0 if stop is None else self._at(stop[..., None], ray)[..., 0],
        )

    def _at(self, values: Tensor, ray: Tensor) -> Tensor:
        """Values [..., H, W, C] of rays by number [N, C], with their gradient."""
        return _picked(_flat(values.to(ray.device, torch.float64), self.shape[:-2]), ray, self.count)


def _flat(values: Tensor, batch: torch.Size) -> Tensor:
    """[..., h, w, C] → [B, h, w, C]; B is 1 where all views have the same."""
    if values.dim() > 4 or len(batch) > 1:
        own = values.shape[:-3]
        values = values.expand(*(batch if own.numel() > 1 else own), *values.shape[-3:])
        return values.reshape(-1, *values.shape[-3:])
    return values if values.dim() == 4 else values[None]


def _picked(values: Tensor, ray: Tensor, count: tuple[int, int, int]) -> Tensor:
    """Values [B, H, W, C] of rays by number [N, C]; an axis of one is repeated."""
    _, height, width = count
    if not len(ray):  # there may be no pixel to index
        return values.new_zeros(0, values.shape[-1])
    index = ray // (height * width), ray // width % height, ray % width
    picked: Tensor = values[tuple(i if n > 1 else i.new_zeros(()) for i, n in zip(index, values.shape, strict=False))]
    return picked.expand(len(ray), values.shape[-1])
