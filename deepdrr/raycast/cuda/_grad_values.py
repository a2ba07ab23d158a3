"""Gradients with respect to the values, by the CUDA kernels: the integrals' adjoints."""

import math

import numpy as np
import torch
from torch import Tensor

from deepdrr._cuda import launcher
from deepdrr.raycast._integration import number_of
from deepdrr.raycast._kernel_names import kernel_name
from deepdrr.raycast._request import Request
from deepdrr.raycast.cuda._chunks import FlatRays, in_chunks
from deepdrr.raycast.cuda._jobs import BLOCK_THREADS, VALUE_ADJOINT_JOB
from deepdrr.raycast.cuda._launches import block_grid, images_of, ray_job
from deepdrr.raycast.cuda._volume import volume_to_fill

__all__ = ["grad_values"]

# Fixed-point sums of gradients: a term has at most 2^40 quanta, so that 2^22 of the largest terms fit.
_MOST_QUANTA_LOG2 = 40


def grad_values(upstream: Tensor, request: Request) -> Tensor:
    """The gradient with respect to the values [C, I, J, K], [1, I, J, K] with labels, float32; the same for any values.

    If `torch.use_deterministic_algorithms` is on, the sums use 64-bit integers, whose order does not matter; they take
    twice the memory of the gradient in addition to it.
    """
    images, fixed = images_of(upstream), torch.are_deterministic_algorithms_enabled()
    volume, gradient = volume_to_fill(request.field, torch.int64 if fixed else torch.float32)
    quantum = _quantum(float(images.abs().max()) * _longest_step_mm(request)) if images.numel() else 1.0
    run = launcher(gradient.device)
    name = f"{kernel_name(request, '_grad_values')}_{'fixed' if fixed else 'fast'}"

    def work(rays: FlatRays, views: slice, rows: slice) -> None:
        chunk = images[views, :, rows].contiguous()
        job = np.zeros((), VALUE_ADJOINT_JOB)
        job["rays"] = ray_job(volume, rays, request)
        job["upstream"], job["grad_values"], job["per_quantum"] = chunk.data_ptr(), gradient.data_ptr(), 1 / quantum
        run.launch(name, block_grid(rays, 1), BLOCK_THREADS, job, [*volume.tensors, *rays, chunk, gradient])

    in_chunks(request, 1, work)
    return (gradient.double() * quantum).float() if fixed else gradient


def _quantum(largest: float) -> float:
    """The value of one unit of a fixed-point sum: a power of two, so that floats become quanta without rounding."""
    if not 0 < largest < math.inf:
        return 1.0
    # The inverse must be a float32 too.
    return 2.0 ** max(math.frexp(largest)[1] - _MOST_QUANTA_LOG2, -126)


def _longest_step_mm(request: Request) -> float:
    """Upper bound of the weight of a term of an integral, mm."""
    number = number_of(request.integration)
    return number if number > 0 else request.field.longest_chord_mm
