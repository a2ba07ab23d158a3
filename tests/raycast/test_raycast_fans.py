"""Views with rows or columns of pixels along an axis of the grid: the compiled backend reads whole rows of voxels."""

from dataclasses import replace

import pytest
import torch
from compiled_operator import EVERY_BUILD, on_any_number_of_threads
from contracts import assert_same_integrals
from hypothesis import given, settings
from hypothesis import strategies as st
from raycast_scenes import carm, grid, noise

from deepdrr.camera import Camera
from deepdrr.raycast import Field, Rays, Samples, Step, project, with_kernel_layout

STEP = Step(mm=0.7)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(
    shape=st.tuples(st.integers(1, 70), st.integers(1, 70), st.integers(16, 70)),
    order=st.permutations([0, 1, 2]),
    spacing=st.tuples(*3 * [st.floats(0.3, 3.0)]),
    angles=st.sampled_from([(0, 0, 0), (90, 0, 0), (37, 0, 0), (0, 60, 0), (0, 0, 90), (180, 0, 0), (20, 30, 10)]),
    field_of_view=st.floats(0.1, 1.6),
    channels=st.sampled_from([1, 1, 2, 5]),
    how=st.sampled_from([Step(mm=1.3), Step(mm=5.0), Samples(100), Samples(1)]),
    orthographic=st.booleans(),
    seed=st.integers(0, 2**31),
)
def test_views_along_the_grid_agree_with_the_reference(
    shape, order, spacing, angles, field_of_view, channels, how, orthographic, seed
):
    shape = tuple(shape[axis] for axis in order)
    field = Field(noise((channels, *shape), torch.Generator().manual_seed(seed)), grid(shape, spacing))
    extent = sum(n * s for n, s in zip(shape, spacing, strict=True)) * field_of_view
    assert_same_integrals(field, replace(carm(7, 33, extent, angles), orthographic=orthographic), integration=how)


@EVERY_BUILD
@pytest.mark.parametrize("storage", ["float32", "int16"])
@pytest.mark.parametrize("wide_mm", [4.0, 30.0, 60.0, 100.0])  # a packet spans one to more than four rows of 16 voxels
@pytest.mark.cpu_only("of the CPU's builds")
def test_every_build_and_storage_agrees(build, storage, wide_mm, generator):
    field = Field((1000 * noise((2, 150, 40, 30), generator)).round(), grid((150, 40, 30), (0.5, 0.8, 1.2)))
    for angles in ((0, 0, 0), (0, 40, 0)):
        assert_same_integrals(with_kernel_layout(field, storage), carm(6, 33, wide_mm, angles), build, integration=STEP)


@pytest.mark.parametrize("turn_deg", [1e-9, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3])
def test_a_view_that_is_nearly_along_the_grid(turn_deg, generator):
    field = Field(noise((1, 80, 70, 60), generator), grid((80, 70, 60), (0.5, 0.8, 1.2)))
    for angles in ((turn_deg, 0, 0), (0, turn_deg, 0), (0, 0, turn_deg), (turn_deg, turn_deg, turn_deg)):
        assert_same_integrals(field, carm(5, 33, 50, angles), integration=STEP)


def test_a_source_or_a_detector_inside_and_rays_that_cross(generator):
    field = Field(noise((1, 80, 40, 30), generator), grid((80, 40, 30), (1.0, 1.0, 1.0)))
    x = torch.linspace(-30, 30, 40, dtype=torch.float64)
    zero = torch.zeros_like(x)
    outside, inside = torch.stack([x, zero - 60, zero + 3], -1), torch.stack([x, zero + 7, zero + 3], -1)
    center, crossed = torch.tensor([0.3, 0.2, 3.0]).double().expand(40, 3), torch.stack([-x, zero + 60, zero + 3], -1)
    for source, target in ((center, outside), (outside, inside), (outside, crossed), (outside, -outside)):
        assert_same_integrals(field, Rays(source[None], target[None]), integration=STEP)
        assert_same_integrals(field, Rays(source[:, None], target[:, None]), integration=STEP)
    start = 0.1 + 0.01 * torch.rand(1, 40, generator=generator, dtype=torch.float64)
    assert_same_integrals(field, Rays(outside[None], crossed[None], start, start + 0.5), integration=STEP)


@pytest.mark.cpu_only("of the CPU's threads")
def test_any_number_of_threads_gives_the_same_bits(generator):
    field = Field(noise((3, 90, 40, 30), generator), grid((90, 40, 30), (0.5, 0.8, 2.5)))
    camera = Camera.stack([carm(37, 61, 45, angles) for angles in ((0, 0, 0), (0, 50, 0), (90, 0, 0))])
    first, *others = on_any_number_of_threads(lambda: project(field, camera, integration=STEP, backend="cpu"))
    assert all(torch.equal(first, other) for other in others)
