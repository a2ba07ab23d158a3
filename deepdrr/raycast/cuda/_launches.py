"""Helpers for the launches of a request: its job, the blocks of threads, the parts of a ray, and result tensors."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deepdrr._cuda import Launcher
from deepdrr.raycast._integration import number_of
from deepdrr.raycast._request import Request
from deepdrr.raycast.cuda._chunks import MOST_PARTS, FlatRays
from deepdrr.raycast.cuda._jobs import (
    BLOCK_HEIGHT,
    BLOCK_THREADS,
    BLOCK_WIDTH,
    RAY_JOB,
    SAMPLES_BYTES,
    WALKED_CHORD_BYTES,
    place_rays,
)
from deepdrr.raycast.cuda._volume import DeviceVolume

__all__ = [
    "WANTED_THREADS",
    "block_grid",
    "doubles",
    "found_chords",
    "images_of",
    "parts_of",
    "ray_job",
    "room_for_integrals",
]

WANTED_THREADS = 2**18  # about two thousand for each multiprocessor of a large GPU


def ray_job(volume: DeviceVolume, rays: FlatRays, request: Request) -> NDArray[np.void]:
    """The struct that every kernel of rays takes, with the result pointers left empty."""
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


def found_chords(run: Launcher, job: NDArray[np.void], rays: FlatRays) -> list[Tensor]:
    """Find the chords of all rays, once for all threads that share a ray, and enter them in the job."""
    size = WALKED_CHORD_BYTES if float(job["step"]) == 0 else SAMPLES_BYTES
    found = torch.empty(rays[0].shape[:3].numel(), size, dtype=torch.uint8, device=rays[0].device)
    job["found"] = found.data_ptr()
    run.launch("find_chords", block_grid(rays, 1), BLOCK_THREADS, job, [*rays, found])
    return [found]


def block_grid(rays: FlatRays, images: int) -> tuple[int, int, int]:
    """Blocks of threads along the columns and the rows of pixels, and along views times images."""
    views, height, width = rays[0].shape[:3]
    return -(-width // BLOCK_WIDTH), -(-height // BLOCK_HEIGHT), views * images


def parts_of(rays: FlatRays, images: int) -> int:
    """The number of parts into which each ray is cut, so that a small image still fills the GPU."""
    threads = rays[0].shape[:3].numel() * images
    return max(1, min(MOST_PARTS, WANTED_THREADS // max(threads, 1)))


def room_for_integrals(request: Request) -> Tensor:
    """An uninitialised tensor [B, C, H, W] for the integrals."""
    shape = (request.rays.shape[:-2].numel(), *request.output_shape[-3:])
    return torch.empty(shape, dtype=torch.float32, device=request.field.device)


def images_of(upstream: Tensor) -> Tensor:
    """[..., C, H, W] → [B, C, H, W], contiguous float32."""
    return upstream.detach().float().reshape(-1, *upstream.shape[-3:]).contiguous()


def doubles(device: torch.device, *shape: int) -> Tensor:
    """Zeros of float64."""
    return torch.zeros(shape, dtype=torch.float64, device=device)
