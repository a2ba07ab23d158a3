"""Integrals routed by label: the compiled backend against the reference, over random geometry and odd labels."""

from dataclasses import replace

import pytest
import torch
from contracts import assert_same_integrals
from hypothesis import given, settings
from hypothesis import strategies as st
from raycast_scenes import carm, labeled, organs, rays, unit_field
from torch.testing import assert_close

from deepdrr.raycast import Step, project, with_kernel_layout

OBLIQUE, SIDE, SPACING = st.floats(3, 87), st.one_of(st.just(1), st.integers(2, 16)), st.floats(0.2, 5.0)
RULES = [
    {"interpolation": "nearest"},
    {"interpolation": "linear", "routing": "hard"},
    {"interpolation": "linear", "routing": "soft"},
    {"interpolation": "linear", "routing": "soft", "integration": Step(mm=0.7)},
]
EVERY_RULE = pytest.mark.parametrize("how", RULES, ids=["nearest", "exact-hard", "exact-soft", "step-soft"])


@settings(max_examples=50, deadline=None, derandomize=True)
@given(
    shape=st.tuples(SIDE, SIDE, SIDE),
    spacing=st.tuples(SPACING, SPACING, SPACING),
    turn=OBLIQUE,
    angles=st.tuples(OBLIQUE, OBLIQUE, st.floats(-180, 180)),
    count=st.sampled_from([1, 2, 7, 128]),
    how=st.sampled_from(RULES),
    values=st.booleans(),
    seed=st.integers(0, 2**31),
)
def test_every_channel_agrees_with_the_reference(shape, spacing, turn, angles, count, how, values, seed):
    """A ray in the very plane between two voxels has two right answers: these views avoid the grid's axes."""
    field = labeled(shape, spacing, turn, count, torch.Generator().manual_seed(seed), values=values)
    extent = sum(n * s for n, s in zip(shape, spacing, strict=True))
    assert_same_integrals(field, carm(9, 13, min(extent, 400.0), angles), **how)


@EVERY_RULE
def test_organs_larger_than_a_voxel(how, generator):
    """Lanes of one packet that stay with a label for long, and leave it one by one."""
    assert_same_integrals(organs((18, 16, 20), generator), carm(24, 22, 20), **how)


def test_hard_steps_agree_but_for_samples_on_voxel_faces(generator):
    """A sample within rounding of a face may fall to either voxel: one sample of one ray in a thousand."""
    field, how = labeled((30, 20, 25), (1.1, 1.3, 0.9), 20, 5, generator), {"integration": Step(mm=0.61)}
    for interpolation in ("nearest", "linear"):
        reference = project(field, carm(24, 24, 30), backend="reference", interpolation=interpolation, **how)
        compiled = project(field, carm(24, 24, 30), backend="cpu", interpolation=interpolation, **how)
        difference = (compiled - reference).abs()
        assert float(difference.max()) <= 0.61
        assert float((difference > 1e-4).float().mean()) < 2e-3


@EVERY_RULE
@pytest.mark.parametrize("voxels", [1, 2, 3, 4, 5])
def test_the_label_map_is_read_no_further_than_it_reaches(voxels, how):
    """Labels are fetched four bytes at a time; these stand at the very end of their memory, before a foreign one."""
    memory = torch.full((voxels + 8,), 1, dtype=torch.uint8)
    memory[:voxels] = 0
    labels = memory[:voxels].reshape(1, 1, voxels)
    field = replace(unit_field(torch.ones(1, 1, 1, voxels)), labels=labels, label_count=1)
    bundle = rays(((0, 0, -9), (0, 0, 9)), ((-0.1, 0.2, -9), (0.2, 0.1, 9)))
    whole = project(replace(field, labels=None, label_count=None), bundle, backend="reference")
    assert_close(project(field, bundle, backend="cpu", **how), whole, rtol=1e-6, atol=0)


@EVERY_RULE
def test_a_field_in_the_kernels_layout_means_the_same(how, generator):
    for spacing in ((1.5, 0.8, 2.5), (0.5, 0.8, 2.5), (3.0, 2.0, 1.0)):
        field = labeled((40, 30, 20), spacing, 40, 5, generator)
        ready = with_kernel_layout(field)
        assert with_kernel_layout(ready) is ready
        assert ready.labels.dtype == torch.uint8
        assert torch.equal(ready.labels.long(), field.labels)
        # The corners of a cell are added in the order in which they lie in memory.
        result, expected = project(ready, carm(6, 7, 20), **how), project(field, carm(6, 7, 20), **how)
        assert_close(result, expected, rtol=0, atol=2e-6 * float(expected.sum(0).max()))


@EVERY_RULE
def test_values_stored_as_int16(how, generator):
    """Whole numbers are stored without loss, others in steps of 1 / 32767 of the largest, off by half of one."""
    field = labeled((21, 17, 13), (1.5, 0.8, 2.5), 40, 5, generator)
    hu = replace(field, values=torch.round(4000 * field.values) - 1000)
    small = with_kernel_layout(hu, "int16")
    assert (small.values.dtype, small.labels.dtype) == (torch.int16, torch.uint8)
    expected = project(with_kernel_layout(hu), carm(11, 14, 35), backend="cpu", **how)
    assert torch.equal(project(small, carm(11, 14, 35), backend="cpu", **how), expected)
    whole = project(field, carm(11, 14, 35), backend="reference", **how)
    result = project(with_kernel_layout(field, "int16"), carm(11, 14, 35), backend="cpu", **how)
    assert_close(result, whole, rtol=0, atol=2e-5 * float(whole.sum(0).max()))


@pytest.mark.cpu_only("of the CPU backend's words")
def test_cubic_interpolation_by_label_is_the_references(generator):
    field, how = labeled((5, 6, 7), (1.0, 1.0, 1.0), 20, 3, generator), {"interpolation": "cubic"}
    assert project(field, carm(3, 3, 9), integration=Step(mm=1.0), **how).shape == (3, 3, 3)
    with pytest.raises(ValueError, match="backend 'cpu' cannot serve this request: it routes no cubic interpolation"):
        project(field, carm(3, 3, 9), integration=Step(mm=1.0), backend="cpu", **how)


def test_labels_changed_after_they_were_checked_do_no_harm(generator):
    """A label that has become too large finds no channel."""
    field = labeled((8, 8, 8), (1.0, 1.0, 1.0), 20, 3, generator)
    field = replace(field, labels=field.labels.to(torch.uint8))
    before = project(field, carm(9, 9, 10), backend="cpu")
    assert field.labels is not None
    field.labels[field.labels == 2] = 255
    after = project(field, carm(9, 9, 10), backend="cpu")
    assert torch.equal(after[:2], before[:2])
    assert float(after[2].abs().max()) == 0
