"""The B-spline prefilter by the CUDA kernels (`kernels/cuda/prefilter.cu`), in place, one axis after the other."""

import numpy as np
from torch import Tensor

from deepdrr._cuda import launcher
from deepdrr.raycast.layout._memory_order import memory_order

__all__ = ["PREFILTER_JOB", "prefilter"]

PREFILTER_JOB = np.dtype(
    [
        ("data", "u8"),
        ("size", "i8", 3),
        ("distance", "i8", 3),
        ("n", "i8"),
        ("next", "i8"),
        ("transposed", "i4"),
    ],
    align=True,
)
_LINES = 128  # per block


def prefilter(grids: Tensor, transposed: bool) -> None:
    """Replace values [..., I, J, K], float32 and dense along one of I, J and K, by their coefficients."""
    order = memory_order(grids)
    lead = grids.dim() - 3
    array = grids.permute(*range(lead), *(lead + axis for axis in order))
    array = array.reshape(-1, *array.shape[-3:])  # a view: the leading axes are evenly spaced
    assert array.data_ptr() == grids.data_ptr()
    for axis in (3, 2, 1):
        if array.shape[axis] > 1:
            _filter(array, axis, transposed)


def _filter(array: Tensor, axis: int, transposed: bool) -> None:
    """Filter values [N, a, b, c], c dense, along one of the last three axes."""
    lines = [other for other in range(4) if other != axis]
    job = np.zeros((), PREFILTER_JOB)
    job["data"], job["n"], job["next"] = array.data_ptr(), array.shape[axis], array.stride(axis)
    job["size"] = [array.shape[other] for other in lines]
    job["distance"] = [array.stride(other) for other in lines]
    job["transposed"] = transposed
    blocks = -(-array.numel() // array.shape[axis] // _LINES)
    name = "prefilter_along" if axis == 3 else "prefilter_across"
    launcher(array.device).launch(name, (blocks, 1, 1), _LINES, job, [array])
