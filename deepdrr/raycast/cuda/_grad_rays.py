"""Gradients with respect to the rays and the placement from the upstream gradient, by the CUDA kernels."""

import numpy as np
import torch
from torch import Tensor

from deepdrr._cuda import launcher
from deepdrr.raycast._engine import RayGrads
from deepdrr.raycast._kernel_names import kernel_name
from deepdrr.raycast._request import Request
from deepdrr.raycast.cuda._chunks import FlatRays, in_chunks
from deepdrr.raycast.cuda._jobs import BLOCK_THREADS, RAY_ADJOINT_JOB, RAY_ADJOINT_RESULTS
from deepdrr.raycast.cuda._launches import block_grid, doubles, images_of, ray_job
from deepdrr.raycast.cuda._volume import volume_of

__all__ = ["grad_rays"]


def grad_rays(upstream: Tensor, request: Request) -> RayGrads:
    """The gradients with respect to source, target, start, stop and ijk_from_world, with labels or without.

    Args:
        upstream: [..., C, H, W], or [..., L, H, W] with labels.
        request: the integrals.
    """
    volume, images, shape = volume_of(request.field), images_of(upstream), request.rays.shape
    device = request.field.device
    source, target, start, stop = _room(request)
    whole = [source, target, start, stop]
    placement = doubles(device, 3, 4)
    run = launcher(device)
    name = f"{kernel_name(request, '_grad_rays')}_{volume.storage}"

    def work(rays: FlatRays, views: slice, rows: slice) -> None:
        nonlocal placement
        chunk, grid = images[views, :, rows].contiguous(), block_grid(rays, 1)
        results = [None if t is None else torch.empty_like(t[views, rows].contiguous()) for t in whole]
        blocks = torch.empty(grid[0] * grid[1] * grid[2], 12, dtype=torch.float64, device=device)
        job = np.zeros((), RAY_ADJOINT_JOB)
        job["rays"], job["upstream"] = ray_job(volume, rays, request), chunk.data_ptr()
        for result, tensor in zip(RAY_ADJOINT_RESULTS, (*results, blocks), strict=True):
            job[result] = 0 if tensor is None else tensor.data_ptr()
        kept = [t for t in (*results, blocks) if t is not None]
        run.launch(name, grid, BLOCK_THREADS, job, [*volume.tensors, *rays, chunk, *kept])
        for into, part in zip(whole, results, strict=True):
            if into is not None and part is not None:
                into[views, rows] = part
        placement += blocks.sum(0).reshape(3, 4)

    in_chunks(request, 1, work)
    to_matrix = doubles(device, 4, 4)
    to_matrix[list(volume.order)] = placement
    first, last = (doubles(device, 0) if t is None else t.reshape(shape) for t in (start, stop))
    return source.reshape(*shape, 3), target.reshape(*shape, 3), first, last, to_matrix


def _room(request: Request) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
    """Zeros for the gradients of source and target [B, H, W, 3], start and stop [B, H, W]; None for a missing limit."""
    rays, device = request.rays, request.field.device
    image = (rays.shape[:-2].numel(), *rays.shape[-2:])
    start, stop = (None if limit is None else doubles(device, *image) for limit in (rays.start, rays.stop))
    return doubles(device, *image, 3), doubles(device, *image, 3), start, stop
