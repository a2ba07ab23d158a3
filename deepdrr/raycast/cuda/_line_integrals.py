"""Calls of the CUDA kernels: line integrals and their adjoints, on torch's tensors where they are."""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deepdrr._cuda import Launcher, launcher
from deepdrr.raycast._integration import Exact, number_of
from deepdrr.raycast._request import Request
from deepdrr.raycast.cpu._label_integrals import routed_kernel
from deepdrr.raycast.cuda._jobs import (
    BLOCK_HEIGHT,
    BLOCK_THREADS,
    BLOCK_WIDTH,
    RAY_ADJOINT_JOB,
    RAY_ADJOINT_RESULTS,
    RAY_JOB,
    SAMPLES_BYTES,
    VALUE_ADJOINT_JOB,
    WALKED_CHORD_BYTES,
    place_rays,
)
from deepdrr.raycast.cuda._chunks import MOST_PARTS, FlatRays, in_pieces
from deepdrr.raycast.cuda._volume import Volume, volume_of, volume_to_fill

__all__ = ["gradient_by_rays", "gradient_by_values", "integrate", "integrate_routed"]

_GROUP = 4  # channels that one thread integrates at once
_WANTED_THREADS = 2**18  # some thousand for each of a large GPU's multiprocessors
# Fixed-point sums of gradients: no term has more than 2^40 quanta, and 2^22 of the largest fit.
_MOST_QUANTA_LOG2 = 40


def integrate(request: Request) -> Tensor:
    """Line integrals [..., C, H, W] of a request without labels, float32, without gradients."""
    volume, channels = volume_of(request.field), request.field.channels
    grouped = channels > 1 and request.interpolation != "cubic"
    images = -(-channels // _GROUP) if grouped else channels
    name = f"{_kernel(request)}_{volume.storage}{'_group' if grouped else ''}"
    out = _room(request)
    run = launcher(out.device)

    def work(rays: FlatRays, views: slice, rows: slice) -> None:
        parts = _parts(rays, images)
        shape = (parts, *rays[0].shape[:1], channels, *rays[0].shape[1:3])
        partial = torch.empty(*shape, dtype=torch.float32, device=out.device)
        job, kept = _ray_job(volume, rays, request), [*volume.tensors, *rays, partial]
        if parts * images > 1:
            kept += _found_chords(run, job, rays)
        job["parts"], job["out"] = parts, partial.data_ptr()
        run.launch(name, _grid(rays, parts * images), BLOCK_THREADS, job, kept)
        out[views, :, rows] = partial[0] if parts == 1 else partial.sum(0)

    in_pieces(request, images, work)
    return out.reshape(request.output_shape)


def integrate_routed(request: Request) -> Tensor:
    """Line integrals [..., L, H, W] of a request with labels, float32, without gradients."""
    volume, labels = volume_of(request.field), request.field.channels
    name = f"{routed_kernel(request)}_{volume.storage}"
    out = _room(request)
    run = launcher(out.device)

    def work(rays: FlatRays, views: slice, rows: slice) -> None:
        parts = min(_parts(rays, 1), _parts_that_pay(volume, labels * rays[0].shape[:3].numel()))
        shape = (parts, *rays[0].shape[:1], labels, *rays[0].shape[1:3])
        partial = torch.zeros(*shape, dtype=torch.float32, device=out.device)  # sums are added to what is there
        job, kept = _ray_job(volume, rays, request), [*volume.tensors, *rays, partial]
        if parts > 1:
            kept += _found_chords(run, job, rays)
        job["parts"], job["out"] = parts, partial.data_ptr()
        run.launch(name, _grid(rays, parts), BLOCK_THREADS, job, kept)
        out[views, :, rows] = partial[0] if parts == 1 else partial.sum(0)

    in_pieces(request, 1, work)
    return out.reshape(request.output_shape)


def gradient_by_values(upstream: Tensor, request: Request) -> Tensor:
    """The gradient by the values [C, I, J, K], [1, I, J, K] with labels, of any values, float32.

    Where `torch.use_deterministic_algorithms` is on, sums are formed in 64-bit integers, whose order does not matter;
    they take twice the gradient's memory beside it.
    """
    images, fixed = _images(upstream), torch.are_deterministic_algorithms_enabled()
    volume, gradient = volume_to_fill(request.field, torch.int64 if fixed else torch.float32)
    quantum = _quantum(float(images.abs().max()) * _longest_step_mm(request)) if images.numel() else 1.0
    run = launcher(gradient.device)
    name = f"{_kernel(request, '_by_values')}_{'fixed' if fixed else 'fast'}"

    def work(rays: FlatRays, views: slice, rows: slice) -> None:
        piece = images[views, :, rows].contiguous()
        job = np.zeros((), VALUE_ADJOINT_JOB)
        job["rays"] = _ray_job(volume, rays, request)
        job["upstream"], job["by_values"], job["per_quantum"] = piece.data_ptr(), gradient.data_ptr(), 1 / quantum
        run.launch(name, _grid(rays, 1), BLOCK_THREADS, job, [*volume.tensors, *rays, piece, gradient])

    in_pieces(request, 1, work)
    return (gradient.double() * quantum).float() if fixed else gradient


def gradient_by_rays(upstream: Tensor, request: Request) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """The gradients by source and target [..., H, W, 3], start and stop [..., H, W] and ijk_from_world [4, 4], float64.

    Those by limits that the rays do not have are empty.
    """
    volume, images, shape = volume_of(request.field), _images(upstream), request.rays.shape
    views, device = shape[:-2].numel(), request.field.device
    source, target = (_doubles(device, views, *shape[-2:], 3) for _ in range(2))
    limits = [
        _doubles(device, views, *shape[-2:]) if limit is not None else None
        for limit in (request.rays.start, request.rays.stop)
    ]
    placement = _doubles(device, 3, 4)
    run = launcher(device)
    name = f"{_kernel(request, '_by_rays')}_{volume.storage}"

    def work(rays: FlatRays, views: slice, rows: slice) -> None:
        nonlocal placement
        piece, grid = images[views, :, rows].contiguous(), _grid(rays, 1)
        results = [torch.empty_like(t[views, rows].contiguous()) for t in (source, target)]
        ends = [None if t is None else torch.empty_like(t[views, rows].contiguous()) for t in limits]
        blocks = torch.empty(grid[0] * grid[1] * grid[2], 12, dtype=torch.float64, device=device)
        job = np.zeros((), RAY_ADJOINT_JOB)
        job["rays"], job["upstream"] = _ray_job(volume, rays, request), piece.data_ptr()
        for result, tensor in zip(RAY_ADJOINT_RESULTS, (*results, *ends, blocks), strict=True):
            job[result] = 0 if tensor is None else tensor.data_ptr()
        kept = [t for t in (*results, *ends, blocks) if t is not None]
        run.launch(name, grid, BLOCK_THREADS, job, [*volume.tensors, *rays, piece, *kept])
        for whole, part in zip((source, target, *limits), (*results, *ends), strict=True):
            if whole is not None and part is not None:
                whole[views, rows] = part
        placement += blocks.sum(0).reshape(3, 4)

    in_pieces(request, 1, work)
    by_matrix = _doubles(device, 4, 4)
    by_matrix[list(volume.order)] = placement
    start, stop = (_doubles(device, 0) if t is None else t.reshape(shape) for t in limits)
    return source.reshape(*shape, 3), target.reshape(*shape, 3), start, stop, by_matrix


def _kernel(request: Request, adjoint: str = "") -> str:
    if request.field.labels is not None:
        return routed_kernel(request, adjoint)
    return f"{'exact' if isinstance(request.integration, Exact) else 'step'}_{request.interpolation}{adjoint}"


def _ray_job(volume: Volume, rays: FlatRays, request: Request) -> NDArray[np.void]:
    job = np.zeros((), RAY_JOB)
    for name in ("values", "scale", "labels"):
        tensor: Tensor | None = getattr(volume, name)
        job[name] = 0 if tensor is None else tensor.data_ptr()
    job["channel_stride"], job["channels"] = volume.grid.stride(0), volume.field.channels
    job["ijk_from_world"], job["step"] = volume.matrix, number_of(request.integration)
    job["grid"] = ([volume.field.shape[axis] for axis in volume.order], *volume.strides)
    job["parts"] = 1
    place_rays(job, rays)
    return job


def _found_chords(run: Launcher, job: NDArray[np.void], rays: FlatRays) -> list[Tensor]:
    """Has the chords of all rays found, once for all threads that share a ray; what was found goes into the job."""
    size = WALKED_CHORD_BYTES if float(job["step"]) == 0 else SAMPLES_BYTES
    found = torch.empty(rays[0].shape[:3].numel(), size, dtype=torch.uint8, device=rays[0].device)
    job["found"] = found.data_ptr()
    run.launch("find_chords", _grid(rays, 1), BLOCK_THREADS, job, [*rays, found])
    return [found]


def _grid(rays: FlatRays, images: int) -> tuple[int, int, int]:
    views, height, width = rays[0].shape[:3]
    return -(-width // BLOCK_WIDTH), -(-height // BLOCK_HEIGHT), views * images


def _parts(rays: FlatRays, images: int) -> int:
    """Parts into which each ray is cut, so that a small image still fills the GPU."""
    threads = rays[0].shape[:3].numel() * images
    return max(1, min(MOST_PARTS, _WANTED_THREADS // max(threads, 1)))


def _parts_that_pay(volume: Volume, sums: int) -> int:
    """Parts whose images by label cost less than reading the voxels.

    Every part has all labels' sums of its rays, 4 bytes each: written as zeros, added to, read to be summed up. Such
    images of all parts together may have a quarter of the voxels' bytes.
    """
    return max(1, volume.bytes // (4 * 4 * max(sums, 1)))


def _quantum(largest: float) -> float:
    """What one unit of a fixed-point sum stands for: a power of two, so that floats become quanta without rounding."""
    if not 0 < largest < math.inf:
        return 1.0
    # Its inverse is a float32 too.
    return 2.0 ** max(math.frexp(largest)[1] - _MOST_QUANTA_LOG2, -126)


def _longest_step_mm(request: Request) -> float:
    """No term of an integral weighs more than this."""
    number = number_of(request.integration)
    return number if number > 0 else request.field.longest_chord_mm


def _room(request: Request) -> Tensor:
    """[B, C, H, W] for the integrals."""
    shape = (request.rays.shape[:-2].numel(), *request.output_shape[-3:])
    return torch.empty(shape, dtype=torch.float32, device=request.field.device)


def _images(upstream: Tensor) -> Tensor:
    """[..., C, H, W] → [B, C, H, W], contiguous float32."""
    return upstream.detach().float().reshape(-1, *upstream.shape[-3:]).contiguous()


def _doubles(device: torch.device, *shape: int) -> Tensor:
    return torch.zeros(shape, dtype=torch.float64, device=device)
