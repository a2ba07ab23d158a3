"""Calls of the CUDA kernels: line integrals and their adjoints, on torch's tensors where they are."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deepdrr._cuda import launcher
from deepdrr.raycast._cpu import flat_rays
from deepdrr.raycast._cuda_jobs import (
    BLOCK_HEIGHT,
    BLOCK_THREADS,
    BLOCK_WIDTH,
    RAY_ADJOINT_JOB,
    RAY_ADJOINT_RESULTS,
    RAY_JOB,
    VALUE_ADJOINT_JOB,
    place_rays,
)
from deepdrr.raycast._field import Field
from deepdrr.raycast._integration import Exact, number_of
from deepdrr.raycast._layout import memory_order
from deepdrr.raycast._request import Request

__all__ = ["gradient_by_rays", "gradient_by_values", "integrate"]

_GROUP = 4  # channels that one thread integrates at once
_MOST_BLOCKS_ALONG_Z = 65535
_MOST_PARTS = 16
_WANTED_THREADS = 2**18  # some thousand for each of a large GPU's multiprocessors
# Fixed-point sums of gradients: the largest term has this many quanta, and 2^22 of it fit.
_QUANTA = 2.0**40

Rays = list[Tensor]  # source, target [B, H, W, 3], start, stop [B, H, W]: float64, any strides


def integrate(request: Request) -> Tensor:
    """Line integrals [..., C, H, W] of a request, float32, without gradients."""
    field, kernel = _Volume(request.field), _kernel(request)
    grouped = field.channels > 1 and request.interpolation != "cubic"
    images = -(-field.channels // _GROUP) if grouped else field.channels
    name = f"{kernel}_{field.storage}{'_group' if grouped else ''}"
    out = torch.empty(request.rays.shape[:-2].numel(), field.channels, *request.rays.shape[-2:], device=field.device)
    run = launcher(field.device)

    def work(rays: Rays, views: slice, rows: slice) -> None:
        parts = _parts(rays, images)
        partial = torch.empty(parts, *rays[0].shape[:1], field.channels, *rays[0].shape[1:3], device=field.device)
        job = _ray_job(field, rays, request)
        job["parts"], job["out"] = parts, partial.data_ptr()
        run.launch(name, _grid(rays, parts * images), BLOCK_THREADS, job, [*field.tensors, *rays, partial])
        out[views, :, rows] = partial[0] if parts == 1 else partial.sum(0)

    _in_pieces(request, images, work)
    return out.reshape(request.output_shape)


def gradient_by_values(upstream: Tensor, request: Request) -> Tensor:
    """The gradient by the values [C, I, J, K], of any values, float32.

    Where `torch.use_deterministic_algorithms` is on, sums are formed in 64-bit integers, whose order does not matter;
    they take twice the gradient's memory beside it.
    """
    field, images = _Volume(request.field, reads=False), _images(upstream)
    fixed = torch.are_deterministic_algorithms_enabled()
    kind = torch.int64 if fixed else torch.float32
    gradient = torch.zeros(field.channels, *field.shape, dtype=kind, device=field.device)
    largest = float(images.abs().max()) * field.longest_step_mm(request) if images.numel() else 0.0
    quantum = largest / _QUANTA if largest > 0 else 1.0
    run = launcher(field.device)
    name = f"{_kernel(request)}_by_values_{'fixed' if fixed else 'fast'}"

    def work(rays: Rays, views: slice, rows: slice) -> None:
        piece = images[views, :, rows].contiguous()
        job = np.zeros((), VALUE_ADJOINT_JOB)
        job["rays"] = _ray_job(field, rays, request)
        job["upstream"], job["by_values"], job["quantum"] = piece.data_ptr(), gradient.data_ptr(), quantum
        run.launch(name, _grid(rays, 1), BLOCK_THREADS, job, [*rays, piece, gradient])

    _in_pieces(request, 1, work)
    return (gradient.double() * quantum).float() if fixed else gradient


def gradient_by_rays(upstream: Tensor, request: Request) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """The gradients by source and target [..., H, W, 3], start and stop [..., H, W] and ijk_from_world [4, 4], float64.

    Those by limits that the rays do not have are empty.
    """
    field, images, shape = _Volume(request.field), _images(upstream), request.rays.shape
    views, (height, width) = shape[:-2].numel(), shape[-2:]
    source, target = (torch.zeros(views, height, width, 3, dtype=torch.float64, device=field.device) for _ in range(2))
    limits = [
        torch.zeros(views, height, width, dtype=torch.float64, device=field.device) if limit is not None else None
        for limit in (request.rays.start, request.rays.stop)
    ]
    placement = torch.zeros(3, 4, dtype=torch.float64, device=field.device)
    run = launcher(field.device)

    def work(rays: Rays, views: slice, rows: slice) -> None:
        nonlocal placement
        piece, grid = images[views, :, rows].contiguous(), _grid(rays, 1)
        results = [torch.empty_like(t[views, rows].contiguous()) for t in (source, target)]
        ends = [None if t is None else torch.empty_like(t[views, rows].contiguous()) for t in limits]
        blocks = torch.empty(grid[0] * grid[1] * grid[2], 12, dtype=torch.float64, device=field.device)
        job = np.zeros((), RAY_ADJOINT_JOB)
        job["rays"], job["upstream"] = _ray_job(field, rays, request), piece.data_ptr()
        for result, tensor in zip(RAY_ADJOINT_RESULTS, (*results, *ends, blocks), strict=True):
            job[result] = 0 if tensor is None else tensor.data_ptr()
        kept = [t for t in (*results, *ends, blocks) if t is not None]
        name = f"{_kernel(request)}_by_rays_{field.storage}"
        run.launch(name, grid, BLOCK_THREADS, job, [*field.tensors, *rays, piece, *kept])
        for whole, part in zip((source, target, *limits), (*results, *ends), strict=True):
            if whole is not None and part is not None:
                whole[views, rows] = part
        placement += blocks.sum(0).reshape(3, 4)

    _in_pieces(request, 1, work)
    by_matrix = torch.zeros(4, 4, dtype=torch.float64, device=field.device)
    by_matrix[list(field.order)] = placement
    start, stop = (torch.zeros(0, dtype=torch.float64) if t is None else t.reshape(shape) for t in limits)
    return source.reshape(*shape, 3), target.reshape(*shape, 3), start, stop, by_matrix


class _Volume:
    """A field's values in an order the kernels can read, k fastest, copied only where they must be."""

    def __init__(self, field: Field, reads: bool = True) -> None:
        assert field.values is not None
        self.field, self.channels, self.device = field, field.channels, field.device
        self.shape, self.scale_address = field.shape, 0
        values = field.values.detach()
        if not reads:  # the gradient is [C, I, J, K], contiguous
            self.order, self.tensors = (0, 1, 2), []
            self.strides = (field.shape[1] * field.shape[2], field.shape[2])
            self.channel_stride, self.address = field.shape[0] * self.strides[0], 0
            return
        order = memory_order(values)
        self.storage = "i16" if values.dtype == torch.int16 else "f32"
        if values.dtype not in (torch.float32, torch.int16) or (
            values.stride(1 + order[2]) != 1 and field.shape[order[2]] > 1
        ):
            values, order, self.storage = values.float().contiguous(), (0, 1, 2), "f32"
        self.order, self.tensors = order, [values]
        if field.scale is not None:
            self.tensors.append(field.scale.to(values.device, torch.float32).contiguous())
            self.scale_address = self.tensors[-1].data_ptr()
        self.strides = (values.stride(1 + order[0]), values.stride(1 + order[1]))
        self.channel_stride, self.address = values.stride(0), values.data_ptr()

    @property
    def matrix(self) -> NDArray[np.float64]:
        """ijk_from_world of the grid as it lies, [3, 4]."""
        return self.field.ijk_from_world.detach().double().cpu()[list(self.order)].numpy()

    def longest_step_mm(self, request: Request) -> float:
        """No term of an integral weighs more than this."""
        number = number_of(request.integration)
        return number if number > 0 else self.field.longest_chord_mm


def _kernel(request: Request) -> str:
    return f"{'exact' if isinstance(request.integration, Exact) else 'step'}_{request.interpolation}"


def _ray_job(field: _Volume, rays: Rays, request: Request) -> NDArray[np.void]:
    job = np.zeros((), RAY_JOB)
    job["values"], job["scale"], job["channel_stride"] = field.address, field.scale_address, field.channel_stride
    job["channels"] = field.channels
    job["ijk_from_world"], job["step"] = field.matrix, number_of(request.integration)
    job["grid"] = ([field.shape[axis] for axis in field.order], *field.strides)
    job["parts"] = 1
    place_rays(job, rays)
    return job


def _grid(rays: Rays, images: int) -> tuple[int, int, int]:
    views, height, width = rays[0].shape[:3]
    return -(-width // BLOCK_WIDTH), -(-height // BLOCK_HEIGHT), views * images


def _parts(rays: Rays, images: int) -> int:
    """Parts into which each ray is cut, so that a small image still fills the GPU."""
    threads = rays[0].shape[:3].numel() * images
    return max(1, min(_MOST_PARTS, _WANTED_THREADS // max(threads, 1)))


def _images(upstream: Tensor) -> Tensor:
    """[..., C, H, W] → [B, C, H, W], contiguous float32."""
    return upstream.detach().float().reshape(-1, *upstream.shape[-3:]).contiguous()


def _in_pieces(request: Request, images: int, work: Callable[[Rays, slice, slice], None]) -> None:
    """Does the work for all views at once, or, where memory runs out, for halves of the batch, then of the image.

    Raises:
        torch.OutOfMemoryError: if a single row of one view does not fit.
    """
    if request.rays.shape.numel() == 0:
        return
    views, height = request.rays.shape[:-2].numel(), request.rays.shape[-2]
    most = max(1, _MOST_BLOCKS_ALONG_Z // (_MOST_PARTS * images))
    ends = flat_rays(request)
    waiting = [(slice(v, min(v + most, views)), slice(0, height)) for v in range(0, views, most)]
    while waiting:
        piece = waiting.pop(0)
        try:
            work([end[piece] for end in ends], *piece)
        except torch.OutOfMemoryError as error:
            halves = list(_halves(*piece))
            if len(halves) < 2:
                raise torch.OutOfMemoryError(
                    f"one row of {request.rays.shape[-1]} rays does not fit into the GPU's memory beside the field of "
                    f"{request.field.shape} voxels ({_bytes(request.field)} bytes): {error}"
                ) from None
            waiting = halves + waiting


def _halves(views: slice, rows: slice) -> Iterator[tuple[slice, slice]]:
    for axis, part in enumerate((views, rows)):
        if part.stop - part.start > 1:
            middle = (part.start + part.stop) // 2
            for half in (slice(part.start, middle), slice(middle, part.stop)):
                yield (half, rows) if axis == 0 else (views, half)
            return


def _bytes(field: Field) -> int:
    return 0 if field.values is None else field.values.numel() * field.values.element_size()
