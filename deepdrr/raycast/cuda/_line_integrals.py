"""Line integrals by the CUDA kernels, in place on torch's tensors."""

import torch
from torch import Tensor

from deepdrr._cuda import launcher
from deepdrr.raycast._kernel_names import kernel_name
from deepdrr.raycast._request import Request
from deepdrr.raycast.cuda._chunks import FlatRays, in_chunks
from deepdrr.raycast.cuda._jobs import BLOCK_THREADS
from deepdrr.raycast.cuda._launches import block_grid, found_chords, parts_of, ray_job, room_for_integrals
from deepdrr.raycast.cuda._volume import volume_of

__all__ = ["line_integrals"]

_GROUP = 4  # number of channels that one thread integrates at once


def line_integrals(request: Request) -> Tensor:
    """Line integrals [..., C, H, W] of a request without labels, float32, without gradients."""
    volume, channels = volume_of(request.field), request.field.channels
    grouped = channels > 1 and request.interpolation != "cubic"
    images = -(-channels // _GROUP) if grouped else channels
    name = f"{kernel_name(request)}_{volume.storage}{'_group' if grouped else ''}"
    out = room_for_integrals(request)
    run = launcher(out.device)

    def work(rays: FlatRays, views: slice, rows: slice) -> None:
        parts = parts_of(rays, images)
        shape = (parts, *rays[0].shape[:1], channels, *rays[0].shape[1:3])
        partial = torch.empty(*shape, dtype=torch.float32, device=out.device)
        job, kept = ray_job(volume, rays, request), [*volume.tensors, *rays, partial]
        if parts * images > 1:
            kept += found_chords(run, job, rays)
        job["parts"], job["out"] = parts, partial.data_ptr()
        run.launch(name, block_grid(rays, parts * images), BLOCK_THREADS, job, kept)
        out[views, :, rows] = partial[0] if parts == 1 else partial.sum(0)

    in_chunks(request, images, work)
    return out.reshape(request.output_shape)
