"""The compiled backend against the reference, over random geometry."""

import multiprocessing
import sys
from dataclasses import replace
from itertools import permutations

import pytest
import torch
from contracts import assert_same_integrals
from hypothesis import given, settings
from hypothesis import strategies as st
from raycast_scenes import carm, grid, noise
from torch.testing import assert_close

from deepdrr.camera import Camera
from deepdrr.geometry import invert_rigid, rigid, rotation
from deepdrr.raycast import Exact, Field, Integration, Rays, Samples, Step, project, with_kernel_layout
from deepdrr.raycast.layout._memory_order import readable_in_place

ANGLE = st.floats(-180, 180)
SIDE = st.one_of(st.just(1), st.integers(2, 40))
SPACING = st.floats(0.2, 5.0)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    shape=st.tuples(SIDE, SIDE, SIDE),
    spacing=st.tuples(SPACING, SPACING, SPACING),
    turn=ANGLE,
    angles=st.tuples(ANGLE, ANGLE, ANGLE),
    channels=st.integers(1, 5),
    integration=st.sampled_from([Exact(), Step(mm=0.9), Samples(37)]),
    seed=st.integers(0, 2**31),
)
def test_linear_agrees_with_the_reference(shape, spacing, turn, angles, channels, integration, seed):
    assert_parity("linear", shape, spacing, turn, angles, channels, integration, seed)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    shape=st.tuples(SIDE, SIDE, SIDE),
    spacing=st.tuples(SPACING, SPACING, SPACING),
    turn=st.floats(3, 87),
    angles=st.tuples(st.floats(3, 87), st.floats(3, 87), ANGLE),
    channels=st.integers(1, 5),
    seed=st.integers(0, 2**31),
)
def test_exact_nearest_agrees_with_the_reference(shape, spacing, turn, angles, channels, seed):
    """A ray in the very plane between two voxels has two right answers: these views avoid the grid's axes."""
    assert_parity("nearest", shape, spacing, turn, angles, channels, Exact(), seed)


def assert_parity(
    interpolation: str,
    shape: tuple[int, int, int],
    spacing: tuple[float, float, float],
    turn: float,
    angles: tuple[float, float, float],
    channels: int,
    integration: Integration,
    seed: int,
) -> None:
    field = Field(noise((channels, *shape), torch.Generator().manual_seed(seed)), grid(shape, spacing, turn))
    extent = sum(n * s for n, s in zip(shape, spacing, strict=True))
    camera = carm(9, 13, min(extent, 400.0), angles)
    assert_same_integrals(field, camera, interpolation=interpolation, integration=integration)


def test_step_nearest_agrees_with_the_reference_but_for_samples_on_voxel_faces(generator):
    """A sample within rounding of a face may fall to either voxel: one sample of one ray in a thousand."""
    field = Field(noise((1, 30, 20, 25), generator), grid((30, 20, 25), (1.1, 1.3, 0.9), 20))
    how = {"interpolation": "nearest", "integration": Step(mm=0.61)}
    reference = project(field, carm(40, 40, 30), backend="reference", **how)
    difference = (project(field, carm(40, 40, 30), backend="cpu", **how) - reference).abs()
    assert float(difference.max()) <= 0.61
    assert float((difference > 1e-4).float().mean()) < 2e-3


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork on Windows")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.cpu_only("a GPU's context does not outlive a fork")
def test_works_in_a_forked_worker_after_use_in_the_parent(generator):
    field = Field(noise((1, 20, 16, 12), generator), grid((20, 16, 12), (1.5, 0.8, 2.5)))
    expected = project(field, carm(16, 16, 30), backend="cpu")
    with multiprocessing.get_context("fork").Pool(1) as pool:
        result = pool.apply_async(_project_in_worker, (field.values.numpy(), field.ijk_from_world.numpy())).get(
            timeout=30
        )
    assert torch.equal(torch.from_numpy(result), expected)


def _project_in_worker(values, ijk_from_world):
    field = Field(torch.from_numpy(values), torch.from_numpy(ijk_from_world))
    return project(field, carm(16, 16, 30), backend="cpu").numpy()


@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_moving_the_volume_is_moving_the_camera_the_other_way(backend, generator):
    values = noise((1, 20, 16, 12), generator).double() if backend == "reference" else noise((1, 20, 16, 12), generator)
    field = Field(values, grid((20, 16, 12), (1.5, 0.8, 2.5), 40))
    camera = carm(11, 14, 35)
    move = rigid(rotation((1, 2, 3), 33), (4, -3, 5))
    moved_field = replace(field, ijk_from_world=field.ijk_from_world @ invert_rigid(move))
    moved_camera = replace(camera, camera_from_world=camera.camera_from_world @ move)
    still = project(field, moved_camera, backend=backend)
    moved = project(moved_field, camera, backend=backend)
    # The two transforms differ by float64 rounding; the float32 result rounds that up to its own last places.
    assert_close(moved, still, rtol=1e-9 if backend == "reference" else 1e-5, atol=1e-5 if backend == "cpu" else 1e-9)


@pytest.mark.parametrize("backend", ["cpu", "reference"])
@pytest.mark.cpu_only(
    "a GPU cuts the rays of one view into more parts than those of six, whose sums are rounded differently"
)
def test_batches_and_broadcast_rays_equal_one_view_at_a_time(backend, generator):
    field = Field(noise((2, 20, 16, 12), generator), grid((20, 16, 12), (1.5, 0.8, 2.5), 40))
    views = [carm(6, 7, 35, (angle, 10, 0)) for angle in (0, 30, 60, 90, 120, 150)]
    one_by_one = torch.stack([project(field, view, backend=backend) for view in views])
    batch = Rays.from_camera(Camera.stack(views))
    assert torch.equal(project(field, Camera.stack(views), backend=backend), one_by_one)
    two_axes = Rays(batch.source.reshape(2, 3, 6, 7, 3)[..., :1, :1, :], batch.target.reshape(2, 3, 6, 7, 3))
    assert torch.equal(project(field, two_axes, backend=backend), one_by_one.reshape(2, 3, 2, 6, 7))
    empty = Rays(batch.source[:0], batch.target[:0])
    assert project(field, empty, backend=backend).shape == (0, 2, 6, 7)


def test_a_field_in_the_kernels_layout_means_the_same(generator):
    for channels in (1, 2, 3, 5):
        for spacing in ((1.5, 0.8, 2.5), (0.5, 0.8, 2.5), (3.0, 2.0, 1.0)):
            field = Field(noise((channels, 40, 30, 20), generator), grid((40, 30, 20), spacing, 40))
            ready = with_kernel_layout(field)
            assert with_kernel_layout(ready) is ready
            assert torch.equal(ready.values, field.values)
            # The eight corners of a cell are added in the order in which they lie in memory.
            result, expected = project(ready, carm(6, 7, 20)), project(field, carm(6, 7, 20))
            assert_close(result, expected, rtol=2e-6, atol=2e-6 * float(expected.max()))


def test_voxels_are_read_where_they_are_in_any_order_and_with_any_padding(generator):
    """Float32 with dense rows needs no copy; whatever lies between rows, planes and channels does not count."""
    affine, camera = grid((20, 16, 12), (1.5, 0.8, 2.5), 40), carm(6, 7, 20)
    for order in permutations(range(3)):
        values = torch.full((7, 25, 25, 25), torch.nan)[::3].permute(0, *(1 + a for a in order))[:, :20, :16, :12]
        values.copy_(noise((3, 20, 16, 12), generator))
        assert readable_in_place(values)
        assert_same_integrals(Field(values, affine), camera)
