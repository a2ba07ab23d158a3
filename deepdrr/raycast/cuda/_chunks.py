"""Work on the GPU in chunks of the batch, then of the image, if memory runs out."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from deepdrr.raycast._field import Voxels
from deepdrr.raycast._flat_rays import flat_rays
from deepdrr.raycast._request import Request

__all__ = ["MOST_PARTS", "FlatRays", "in_chunks"]

MOST_PARTS = 16
_MOST_BLOCKS_ALONG_Z = 65535

FlatRays = list[Tensor]  # source, target [B, H, W, 3], start, stop [B, H, W]: float64, any strides


def in_chunks(request: Request, images: int, work: Callable[[FlatRays, slice, slice], None]) -> None:
    """Do the work for all views at once; if memory runs out, for halves of the batch, then of the image.

    Raises:
        torch.OutOfMemoryError: if a single row of one view does not fit.
    """
    if request.rays.shape.numel() == 0:
        return
    views, height = request.rays.shape[:-2].numel(), request.rays.shape[-2]
    most = max(1, _MOST_BLOCKS_ALONG_Z // (MOST_PARTS * images))
    ends = flat_rays(request.rays)
    waiting = [(slice(v, min(v + most, views)), slice(0, height)) for v in range(0, views, most)]
    while waiting:
        chunk = waiting.pop(0)
        try:
            work([end[chunk] for end in ends], *chunk)
        except torch.OutOfMemoryError as error:
            halves = list(_halves(*chunk))
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


def _bytes(field: Voxels) -> int:
    return 0 if field.values is None else field.values.numel() * field.values.element_size()
