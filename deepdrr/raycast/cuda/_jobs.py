"""The structs that the CUDA kernels take, field by field as in `kernels/cuda`."""

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

__all__ = [
    "BLOCK_HEIGHT",
    "BLOCK_THREADS",
    "BLOCK_WIDTH",
    "RAY_ADJOINT_JOB",
    "RAY_ADJOINT_RESULTS",
    "RAY_JOB",
    "SAMPLES_BYTES",
    "VALUE_ADJOINT_JOB",
    "WALKED_CHORD_BYTES",
    "place_rays",
]

BLOCK_WIDTH, BLOCK_HEIGHT = 16, 8
BLOCK_THREADS = BLOCK_WIDTH * BLOCK_HEIGHT

_STRIDED = np.dtype([("data", "u8"), ("view", "i8"), ("row", "i8"), ("column", "i8")], align=True)
RAY_JOB = np.dtype(
    [
        ("values", "u8"),
        ("scale", "u8"),
        ("labels", "u8"),
        ("found", "u8"),
        ("channel_stride", "i8"),
        *((name, _STRIDED) for name in ("source", "target", "start", "stop")),
        ("ijk_from_world", "f8", (3, 4)),
        ("step", "f8"),
        ("grid", [("n", "i4", 3), ("plane", "i4"), ("row", "i4")]),
        *((name, "i4") for name in ("channels", "views", "height", "width", "parts")),
        ("out", "u8"),
    ],
    align=True,
)
# Bytes that `find_chords` writes per ray: the positions of samples, or the initial state of a walk.
SAMPLES_BYTES, WALKED_CHORD_BYTES = 36, 72
RAY_ADJOINT_RESULTS = ("by_source", "by_target", "by_start", "by_stop", "by_placement")
RAY_ADJOINT_JOB = np.dtype(
    [("rays", RAY_JOB), ("upstream", "u8"), *((name, "u8") for name in RAY_ADJOINT_RESULTS)], align=True
)
VALUE_ADJOINT_JOB = np.dtype(
    [("rays", RAY_JOB), ("upstream", "u8"), ("grad_values", "u8"), ("per_quantum", "f4")], align=True
)


def place_rays(job: NDArray[np.void], rays: list[Tensor]) -> None:
    """Write source, target [B, H, W, 3], start and stop [B, H, W], of any strides, into a job."""
    for name, tensor in zip(("source", "target", "start", "stop"), rays, strict=True):
        job[name] = (tensor.data_ptr(), *tensor.stride()[:3])
    job["views"], job["height"], job["width"] = rays[0].shape[:3]
