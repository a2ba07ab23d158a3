"""Channels that are zero in places: the compiled backend does not read them there, and the image is the same."""

from dataclasses import replace

import pytest
import torch
from compiled_operator import EVERY_BUILD
from contracts import assert_same_integrals
from hypothesis import given, settings
from hypothesis import strategies as st
from raycast_scenes import carm, grid, noise
from torch import Tensor
from torch.testing import assert_close

from deepdrr._kernels import load_kernels
from deepdrr.raycast import Field, Rays, Step, project, with_kernel_layout

SHAPE, SPACING = (40, 60, 90), (2.0, 1.5, 0.7)
STEP = Step(mm=1.1)
VIEWS = ((0, 0, 0), (90, 0, 0), (0, 60, 0), (30, 20, 10))


def materials(generator: torch.Generator, channels: int = 3) -> Tensor:
    """Channels [C, I, J, K], each with two small boxes, in double precision: `with_kernel_layout` copies them."""
    values = torch.zeros(channels, *SHAPE, dtype=torch.float64)
    for channel in values:
        for _ in range(2):
            low = [int(torch.randint(0, n - 8, (), generator=generator)) for n in SHAPE]
            box = channel[low[0] : low[0] + 8, low[1] : low[1] + 8, low[2] : low[2] + 8]
            box.copy_((1000 * noise((8, 8, 8), generator)).round())
    return values


def image(field: Field, angles: tuple[float, float, float] = (0, 0, 0), backend: str = "cpu") -> Tensor:
    return project(field, carm(11, 33, 90, angles), integration=STEP, backend=backend)


@EVERY_BUILD
@pytest.mark.parametrize("storage", ["float32", "int16"])
@pytest.mark.parametrize("channels", [1, 2, 3, 6])
@pytest.mark.cpu_only("of the CPU's builds")
def test_what_is_skipped_is_zero(build, storage, channels, generator):
    field = with_kernel_layout(Field(materials(generator, channels), grid(SHAPE, SPACING)), storage)
    assert field.arrangement.layout.occupied is not None
    seen = Rays.from_camera(carm(11, 33, 90, VIEWS[0]))  # read in the same layout, with the map and without
    read_in_full = project(replace(field, arrangement=None), seen, integration=STEP, backend=build)
    # Zeros add nothing: the same bits.
    assert torch.equal(project(field, seen, integration=STEP, backend=build), read_in_full)
    for angles in VIEWS:
        assert_same_integrals(field, carm(11, 33, 90, angles), build, integration=STEP)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    shape=st.tuples(st.integers(1, 24), st.integers(1, 24), st.integers(2, 1100)),
    storage=st.sampled_from([torch.float32, torch.int16]),
    voxels=st.integers(0, 5),
    seed=st.integers(0, 2**31),
)
def test_a_block_is_empty_where_no_corner_of_its_cells_holds_anything(shape, storage, voxels, seed):
    generator = torch.Generator().manual_seed(seed)
    values = torch.zeros(2, *shape, dtype=storage)
    for _ in range(voxels):
        values[tuple(int(torch.randint(0, n, (), generator=generator)) for n in values.shape)] = 1
    found, part = load_kernels().filled_blocks(values.numpy(), 2)
    blocks = torch.from_numpy(found.astype("int64"))
    corners = torch.nn.functional.pad(values != 0, (0, 1) * 3)
    cells = torch.stack(
        [
            corners[:, a : a + shape[0], b : b + shape[1], c : c + shape[2]]
            for a, b, c in torch.cartesian_prod(*3 * [torch.arange(2)]).tolist()
        ]
    ).any(0)
    size = 8
    while (shape[2] - 1) // size > 31:
        size *= 2
    for channel, i, j, k in cells.nonzero().tolist():
        assert blocks[channel, i // 8, j // 8] >> (k // size) & 1
    padded = torch.nn.functional.pad(cells, (0, -shape[2] % size, 0, -shape[1] % 8, 0, -shape[0] % 8))
    filled = padded.reshape(2, blocks.shape[1], 8, blocks.shape[2], 8, -1, size).any(6).any(4).any(2)
    assert int(filled.sum()) == sum(int(word).bit_count() for word in blocks.flatten())
    assert part == pytest.approx(float(filled.double().mean()))


@pytest.mark.cpu_only("of the CPU's maps")
@pytest.mark.parametrize("channels", [1, 2])
def test_there_is_no_map_where_little_is_empty(channels, generator):
    field = with_kernel_layout(Field(1.0 + noise((channels, *SHAPE), generator), grid(SHAPE, SPACING)))
    assert field.arrangement is None
    to_be_filled = with_kernel_layout(Field(torch.zeros(()).expand(channels, *SHAPE), grid(SHAPE, SPACING)))
    assert to_be_filled.arrangement is None


@pytest.mark.cpu_only("of the CPU's maps")
@pytest.mark.parametrize("storage", ["float32", "int16"])
def test_what_torch_does_not_count_the_writes_to_is_read_in_full(storage, generator):
    values = materials(generator)
    expected = image(with_kernel_layout(Field(values, grid(SHAPE, SPACING)), storage))
    with torch.inference_mode():
        field = with_kernel_layout(Field(values, grid(SHAPE, SPACING)), storage)
        assert field.arrangement is None
        # The layout may be another: float32 sums in another order.
        assert_close(image(field), expected, rtol=1e-5, atol=1e-5 * float(expected.max()))


@pytest.mark.cpu_only("of the CPU's maps")
def test_a_field_that_is_written_to_is_never_read_by_an_old_map(generator):
    values = materials(generator)
    field = with_kernel_layout(Field(values, grid(SHAPE, SPACING)))
    assert field.values is not None
    for n in range(3):
        before = image(field)
        field.values[n, 3:30, 20 * n + 2, 5:80] = 1000.0
        values[n, 3:30, 20 * n + 2, 5:80] = 1000.0
        fresh = image(with_kernel_layout(Field(values, grid(SHAPE, SPACING))))
        assert not torch.equal(fresh, before)
        # Read in full, and in the layout that it has: float32 sums in another order.
        assert_close(image(field), fresh, rtol=1e-5, atol=1e-5 * float(fresh.max()))
