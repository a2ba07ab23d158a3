"""If memory runs out, the batch is halved, then the image, with the same result; a final error names the bytes."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from cuda_machine import Gpu, RecordingLauncher
from numpy.typing import NDArray
from raycast_scenes import carm, grid, noise
from torch import Tensor
from torch.testing import assert_close

from deepdrr._cuda import serving
from deepdrr.camera import Camera
from deepdrr.raycast import Field, Rays, Step, project

SHAPE, HEIGHT, WIDTH = (10, 11, 12), 16, 17
AFFINE = grid(SHAPE, (1, 1, 1), 20.0)
VIEW = carm(HEIGHT, WIDTH, 20)
VIEWS = Camera.stack([VIEW, carm(HEIGHT, WIDTH, 20, (5, 60, 0)), VIEW])
STEP = Step(mm=1)


class HungryLauncher:
    """A launcher that runs out of memory where a launch has more pixels than there is room for.

    It keeps the pixels of each march that went through.
    """

    def __init__(self, launcher: RecordingLauncher, room: int) -> None:
        self.launcher, self.room, self.done = launcher, room, []

    def launch(self, kernel: str, grid: object, threads: int, job: NDArray[np.void], tensors: object) -> None:
        rays = job["rays"] if "rays" in (job.dtype.names or ()) else job
        wanted = int(rays["views"]) * int(rays["height"]) * int(rays["width"])
        if wanted > self.room:
            raise torch.OutOfMemoryError("out of memory (a test)")
        self.launcher.launch(kernel, grid, threads, job, tensors)
        self.done += [wanted] * (kernel != "find_chords")


def values() -> Tensor:
    return noise((1, *SHAPE), torch.Generator().manual_seed(0))


def labels() -> Tensor:
    return torch.randint(3, SHAPE, generator=torch.Generator().manual_seed(1), dtype=torch.uint8)


def image(gpu: Gpu) -> tuple[Tensor, ...]:
    return (gpu.project(Field(values(), AFFINE), VIEWS, integration=STEP),)


def image_by_label(gpu: Gpu) -> tuple[Tensor, ...]:
    return (gpu.project(Field(values(), AFFINE, labels(), 3), VIEWS, integration=STEP, routing="soft"),)


def gradients(gpu: Gpu, labeled: bool = False) -> tuple[Tensor, ...]:
    rays = gpu.rays(VIEWS)
    source, target = (end.detach().clone().requires_grad_() for end in (rays.source, rays.target))
    leaf, matrix = values().to(gpu.device).requires_grad_(), AFFINE.to(gpu.device, copy=True).requires_grad_()
    routed = (labels().to(gpu.device), 3) if labeled else ()
    how = {"integration": STEP, "routing": "soft" if labeled else "hard", "backend": "cuda"}
    found = project(Field(leaf, matrix, *routed), Rays(source, target), **how)
    return torch.autograd.grad(found.square().sum(), (leaf, matrix, source, target))


def gradients_by_label(gpu: Gpu) -> tuple[Tensor, ...]:
    return gradients(gpu, labeled=True)


@pytest.mark.parametrize("pixels", [600, 300, 100, 20])
@pytest.mark.parametrize("results", [image, image_by_label, gradients, gradients_by_label])
def test_chunks_give_what_the_whole_gives(gpu: Gpu, results: Callable[[Gpu], tuple[Tensor, ...]], pixels: int) -> None:
    whole = results(gpu)
    hungry = HungryLauncher(gpu.launcher, pixels)
    with serving(gpu.device, hungry):
        found = results(gpu)
    assert max(hungry.done) <= pixels
    assert sum(hungry.done) % (3 * HEIGHT * WIDTH) == 0  # each ray once per operation
    for part, expected in zip(found, whole, strict=True):
        # Sums of float32 in another order: rays are cut into other parts, gradients added chunk by chunk.
        assert_close(part, expected, rtol=1e-5, atol=1e-5 * float(expected.abs().max()))


def test_a_row_that_does_not_fit_names_the_bytes(gpu: Gpu) -> None:
    message = r"one row of 17 rays .* field of \(10, 11, 12\) voxels \(5280 bytes\).*out of memory \(a test\)"
    hungry = HungryLauncher(gpu.launcher, 5)
    with serving(gpu.device, hungry), pytest.raises(torch.OutOfMemoryError, match=message):
        image(gpu)
