"""Routing of the integral to one channel per label."""

import pytest
import torch
from raycast_scenes import carm, grid, noise
from torch.testing import assert_close

from deepdrr.raycast import Field, Step, project

SHAPE, SPACING = (14, 11, 9), (1.5, 0.8, 2.5)
BACKENDS = pytest.mark.parametrize("backend", ["cpu", "reference"])
# Float32 sums of up to 34 chords per ray, relative to the whole path.
RTOL = 2e-6


def random_labels(generator: torch.Generator, count: int) -> torch.Tensor:
    return torch.randint(0, count, SHAPE, generator=generator)


@BACKENDS
def test_path_lengths_sum_to_the_whole_path(backend, generator):
    affine = grid(SHAPE, SPACING, 40)
    lengths = project(Field(None, affine, random_labels(generator, 128), 128), carm(12, 10, 30), backend=backend)
    whole = project(Field(torch.ones(1, *SHAPE), affine), carm(12, 10, 30), backend="reference")
    assert lengths.shape == (128, 12, 10)
    assert_close(lengths.sum(0), whole[0], rtol=0, atol=RTOL * float(whole.max()))


@BACKENDS
@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int64])
def test_a_label_is_the_projection_of_its_mask(backend, dtype, generator):
    """Channel l = nearest projection of [labels == l] · values."""
    affine, labels, values = grid(SHAPE, SPACING, 40), random_labels(generator, 5), noise((1, *SHAPE), generator)
    masks = torch.stack([(labels == label) * values[0] for label in range(5)])
    expected = project(Field(masks, affine), carm(12, 10, 30), interpolation="nearest", backend="reference")
    field = Field(values, affine, labels.to(dtype), 5)
    routed = project(field, carm(12, 10, 30), interpolation="nearest", backend=backend)
    assert_close(routed, expected, rtol=0, atol=RTOL * float(expected.sum(0).max()))


@pytest.mark.parametrize("integration", [None, Step(mm=0.5)])
def test_linear_values_routed_by_label_sum_to_the_plain_integral(integration, generator):
    affine, values = grid(SHAPE, SPACING, 40), noise((1, *SHAPE), generator).double()
    how = {} if integration is None else {"integration": integration}
    routed = project(Field(values, affine, random_labels(generator, 5), 5), carm(12, 10, 30), **how)
    plain = project(Field(values, affine), carm(12, 10, 30), backend="reference", **how)
    assert_close(routed.sum(0), plain[0])


def test_interpolation_is_without_meaning_for_path_lengths(generator):
    field = Field(None, grid(SHAPE, SPACING, 40), random_labels(generator, 5), 5)
    linear, nearest = (project(field, carm(6, 5, 30), interpolation=how) for how in ("linear", "nearest"))
    assert torch.equal(linear, nearest)
