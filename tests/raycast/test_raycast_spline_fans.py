"""Cubic interpolation in views whose rows or columns of pixels run along an axis of the grid: rows are read whole."""

from dataclasses import replace

import pytest
import torch
from compiled_operator import EVERY_BUILD, on_any_number_of_threads
from contracts import assert_same_integrals
from hypothesis import given, settings
from hypothesis import strategies as st
from raycast_scenes import carm, grid, noise

from deepdrr.camera import Camera
from deepdrr.raycast import Field, Samples, Step, project

CUBIC = {"interpolation": "cubic", "integration": Step(mm=0.7)}
ALONG = [(0, 0, 0), (90, 0, 0), (37, 0, 0), (0, 60, 0), (0, 0, 90), (20, 30, 10)]


@settings(max_examples=10, deadline=None, derandomize=True)
@given(
    shape=st.tuples(st.integers(1, 40), st.integers(1, 40), st.integers(16, 60)),
    order=st.permutations([0, 1, 2]),
    spacing=st.tuples(*3 * [st.floats(0.3, 3.0)]),
    angles=st.sampled_from(ALONG),
    field_of_view=st.floats(0.1, 1.6),
    channels=st.sampled_from([1, 1, 2, 5]),
    how=st.sampled_from([Step(mm=2.3), Step(mm=5.0), Samples(40), Samples(1)]),
    orthographic=st.booleans(),
    seed=st.integers(0, 2**31),
)
def test_views_along_the_grid_agree_with_the_reference(
    shape, order, spacing, angles, field_of_view, channels, how, orthographic, seed
):
    shape = tuple(shape[axis] for axis in order)
    field = Field(noise((channels, *shape), torch.Generator().manual_seed(seed)), grid(shape, spacing))
    extent = sum(n * s for n, s in zip(shape, spacing, strict=True)) * field_of_view
    camera = replace(carm(5, 33, extent, angles), orthographic=orthographic)
    assert_same_integrals(field, camera, interpolation="cubic", integration=how)


@EVERY_BUILD
@pytest.mark.parametrize("wide_mm", [4.0, 30.0, 60.0, 100.0])  # a packet spans one to more than four rows of 16 voxels
@pytest.mark.cpu_only("of the CPU's builds")
def test_every_build_agrees_along_the_grid(build, wide_mm, generator):
    field = Field(noise((2, 150, 24, 20), generator), grid((150, 24, 20), (0.5, 0.8, 1.2)))
    for angles in ((0, 0, 0), (0, 40, 0)):
        assert_same_integrals(field, carm(5, 33, wide_mm, angles), build, **CUBIC)


@pytest.mark.parametrize("turn_deg", [1e-7, 1e-5, 1e-3])
def test_a_view_that_is_nearly_along_the_grid(turn_deg, generator):
    field = Field(noise((1, 60, 40, 30), generator), grid((60, 40, 30), (0.5, 0.8, 1.2)))
    for angles in ((0, turn_deg, 0), (turn_deg, turn_deg, turn_deg)):
        assert_same_integrals(field, carm(5, 33, 50, angles), **CUBIC)


@pytest.mark.cpu_only("of the CPU's threads")
def test_any_number_of_threads_gives_the_same_bits_along_the_grid(generator):
    field = Field(noise((3, 90, 40, 30), generator), grid((90, 40, 30), (0.5, 0.8, 2.5)))
    camera = Camera.stack([carm(21, 41, 45, angles) for angles in ((0, 0, 0), (0, 50, 0), (90, 0, 0))])
    first, *others = on_any_number_of_threads(lambda: project(field, camera, backend="cpu", **CUBIC))
    assert all(torch.equal(first, other) for other in others)
