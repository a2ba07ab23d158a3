"""Where memory runs out the batch is halved, then the image, for the same result; at last an error names the bytes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import torch
from cuda_machine import Gpu
from raycast_scenes import carm, grid, noise
from torch import Tensor
from torch.testing import assert_close

from deepdrr.camera import Camera
from deepdrr.raycast import Field, Rays, Step, _cuda, project

SHAPE, HEIGHT, WIDTH = (10, 11, 12), 16, 17
AFFINE = grid(SHAPE, (1, 1, 1), 20.0)
VIEW = carm(HEIGHT, WIDTH, 20)
VIEWS = Camera.stack([VIEW, carm(HEIGHT, WIDTH, 20, (5, 60, 0)), VIEW])
STEP = Step(mm=1)


@contextmanager
def room_for(pixels: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Work on more pixels at once runs out of memory; gives the pixels of each piece that went through."""
    in_pieces, done = _cuda.in_pieces, []

    def limited(request: object, images: int, work: Callable[[object, slice, slice], None]) -> None:
        def hungry(rays: object, views: slice, rows: slice) -> None:
            wanted = (views.stop - views.start) * (rows.stop - rows.start) * WIDTH
            if wanted > pixels:
                raise torch.OutOfMemoryError("out of memory (a test)")
            work(rays, views, rows)
            done.append(wanted)

        in_pieces(request, images, hungry)

    with monkeypatch.context() as patch:
        patch.setattr(_cuda, "in_pieces", limited)
        yield done


def values() -> Tensor:
    return noise((1, *SHAPE), torch.Generator().manual_seed(0))


def labels() -> Tensor:
    return torch.randint(3, SHAPE, generator=torch.Generator().manual_seed(1), dtype=torch.uint8)


def image(gpu: Gpu) -> tuple[Tensor, ...]:
    return (gpu.project(Field(values(), AFFINE), VIEWS, integration=STEP),)


def image_by_label(gpu: Gpu) -> tuple[Tensor, ...]:
    return (gpu.project(Field(values(), AFFINE, labels(), 3), VIEWS, integration=STEP, routing="soft"),)


def gradients(gpu: Gpu, labelled: bool = False) -> tuple[Tensor, ...]:
    rays = gpu.rays(VIEWS)
    source, target = (end.detach().clone().requires_grad_() for end in (rays.source, rays.target))
    leaf, matrix = values().to(gpu.device).requires_grad_(), AFFINE.to(gpu.device, copy=True).requires_grad_()
    routed = (labels().to(gpu.device), 3) if labelled else ()
    how = {"integration": STEP, "routing": "soft" if labelled else "hard", "backend": "cuda"}
    found = project(Field(leaf, matrix, *routed), Rays(source, target), **how)
    return torch.autograd.grad(found.square().sum(), (leaf, matrix, source, target))


def gradients_by_label(gpu: Gpu) -> tuple[Tensor, ...]:
    return gradients(gpu, labelled=True)


@pytest.mark.parametrize("pixels", [600, 300, 100, 20])
@pytest.mark.parametrize("results", [image, image_by_label, gradients, gradients_by_label])
def test_pieces_give_what_the_whole_gives(
    gpu: Gpu, monkeypatch: pytest.MonkeyPatch, results: Callable[[Gpu], tuple[Tensor, ...]], pixels: int
) -> None:
    whole = results(gpu)
    with room_for(pixels, monkeypatch) as pieces:
        found = results(gpu)
    assert max(pieces) <= pixels
    assert sum(pieces) % (3 * HEIGHT * WIDTH) == 0  # each ray once per operation
    for part, expected in zip(found, whole, strict=True):
        # Sums of float32 in another order: rays are cut into other parts, gradients added piece by piece.
        assert_close(part, expected, rtol=1e-5, atol=1e-5 * float(expected.abs().max()))


def test_a_row_that_does_not_fit_names_the_bytes(gpu: Gpu, monkeypatch: pytest.MonkeyPatch) -> None:
    message = r"one row of 17 rays .* field of \(10, 11, 12\) voxels \(5280 bytes\).*out of memory \(a test\)"
    with room_for(5, monkeypatch), pytest.raises(torch.OutOfMemoryError, match=message):
        image(gpu)
