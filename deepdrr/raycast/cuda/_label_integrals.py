"""Integrals routed to one channel per label by the CUDA kernels."""

import torch
from torch import Tensor

from deepdrr._cuda import launcher
from deepdrr.raycast._kernel_names import kernel_name
from deepdrr.raycast._request import Request
from deepdrr.raycast.cuda._chunks import FlatRays, in_chunks
from deepdrr.raycast.cuda._jobs import BLOCK_THREADS
from deepdrr.raycast.cuda._launches import block_grid, found_chords, parts_of, ray_job, room_for_integrals
from deepdrr.raycast.cuda._volume import volume_of

__all__ = ["label_integrals", "parts_that_pay"]


def label_integrals(request: Request) -> Tensor:
    """Line integrals [..., L, H, W] of a request with labels, float32, without gradients."""
    volume, labels = volume_of(request.field), request.field.channels
    name = f"{kernel_name(request)}_{volume.storage}"
    out = room_for_integrals(request)
    run = launcher(out.device)

    def work(rays: FlatRays, views: slice, rows: slice) -> None:
        parts = min(parts_of(rays, 1), parts_that_pay(volume.bytes, labels * rays[0].shape[:3].numel()))
        shape = (parts, *rays[0].shape[:1], labels, *rays[0].shape[1:3])
        partial = torch.zeros(*shape, dtype=torch.float32, device=out.device)  # the kernels add to it
        job, kept = ray_job(volume, rays, request), [*volume.tensors, *rays, partial]
        if parts > 1:
            kept += found_chords(run, job, rays)
        job["parts"], job["out"] = parts, partial.data_ptr()
        run.launch(name, block_grid(rays, parts), BLOCK_THREADS, job, kept)
        out[views, :, rows] = partial[0] if parts == 1 else partial.sum(0)

    in_chunks(request, 1, work)
    return out.reshape(request.output_shape)


def parts_that_pay(voxel_bytes: int, sums: int) -> int:
    """The number of parts of a ray for which the images by label cost less than reading the voxels.

    Every part has an image of the sums of all labels, 4 bytes each, which is zeroed, added to, and read for the final
    sum. The images of all parts together may have a quarter of the bytes of the voxels.
    """
    return max(1, voxel_bytes // (4 * 4 * max(sums, 1)))
