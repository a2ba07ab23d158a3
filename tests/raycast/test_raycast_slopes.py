"""Integrals of one channel and their slopes from a single march, if autograd needs them."""

import pytest
import torch
from contracts import GRADIENT, assert_same_gradients
from raycast_scenes import carm, grid, noise, rays
from torch import Tensor
from torch.testing import assert_close

from deepdrr.raycast import Exact, Field, Rays, Samples, Step, project, with_kernel_layout

EVERY_RULE = pytest.mark.parametrize("how", [Exact(), Step(mm=0.7), Samples(45)], ids=["exact", "step", "samples"])
SHAPE = (21, 17, 13)
AFFINE = grid(SHAPE, (1.5, 0.8, 2.5), 40)


def grad_target(field: Field, bundle: Rays, how: object, backend: str = "cpu") -> tuple[Tensor, Tensor]:
    """Integrals of a view and the derivative of a weighted sum of them by where the rays end."""
    target = bundle.target.detach().clone().requires_grad_()
    given = Rays(bundle.source, target, bundle.start, bundle.stop)
    integrals = project(field, given, integration=how, backend=backend)
    weights = torch.randn(integrals.shape, generator=torch.Generator().manual_seed(1))
    return integrals.detach(), torch.autograd.grad((weights * integrals).sum(), target)[0]


@EVERY_RULE
def test_the_integrals_are_those_without_a_gradient(how, generator):
    field, bundle = Field(noise((1, *SHAPE), generator), AFFINE), Rays.from_camera(carm(37, 41, 35))
    integrals, _ = grad_target(field, bundle, how)
    # Float32 sums of some hundred terms in another order.
    assert_close(integrals, project(field, bundle, integration=how), rtol=2e-6, atol=2e-5)


@EVERY_RULE
def test_one_channel_is_one_of_several(how, generator):
    """Several channels are marched through once more, with the upstream gradient: another way to the same result."""
    values, bundle = noise((1, *SHAPE), generator), Rays.from_camera(carm(9, 11, 35))
    _, one = grad_target(Field(values, AFFINE), bundle, how)
    target = bundle.target.detach().clone().requires_grad_()
    pair = project(Field(values.repeat(2, 1, 1, 1), AFFINE), Rays(bundle.source, target), integration=how)
    weights = torch.randn((1, 9, 11), generator=torch.Generator().manual_seed(1))
    (two,) = torch.autograd.grad((0.25 * weights * pair[0] + 0.75 * weights * pair[1]).sum(), target)
    assert_close(two, one, rtol=0, atol=2e-6 * float(one.abs().max()))  # float32 sums in another order


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 9, 7), (9, 1, 7), (9, 7, 1), (2, 2, 2), (1, 1, 30)])
@EVERY_RULE
def test_thin_and_tiny_volumes(shape, how, generator):
    field = Field(noise((1, *shape), generator), grid(shape, (1.1, 0.9, 1.3), 35))
    assert_same_gradients(field, Rays.from_camera(carm(5, 7, 12)), interpolation="linear", integration=how)


@pytest.mark.parametrize("count", [1, 2, 7, 8, 9, 40])
def test_samples_many_voxels_apart(count, generator):
    """Too far apart for sums of 32 bits: each sample is placed anew."""
    field = Field(noise((1, 700, 6, 500), generator), grid((700, 6, 500), (0.2, 0.5, 0.2), 35))
    bundle = Rays.from_camera(carm(5, 7, 60))
    assert_same_gradients(field, bundle, interpolation="linear", integration=Samples(count))


@pytest.mark.cpu_only("the CUDA kernels count voxels in float32, in steps of 1e-3 at the 16 000th")
def test_a_sample_is_on_its_side_of_a_voxel_far_from_the_grids_origin():
    """The field |x - 16000|, sampled 1e-4 voxels beside its kink, where float32 counts in steps of 1e-3."""
    values = (torch.arange(20000.0) - 16000).abs().reshape(1, -1, 1, 1).expand(-1, -1, 2, 2)
    field = Field(values.contiguous(), torch.eye(4, dtype=torch.float64))
    for side in (-1e-4, 1e-4):
        x = 16000 + side
        bundle = rays(((x, -5.0, 0.5), (x, 5.0, 0.5)))
        _, gradient = grad_target(field, bundle, Samples(8))
        _, expected = grad_target(field, bundle, Samples(8), "reference")
        assert_close(gradient, expected, rtol=0, atol=GRADIENT * float(expected.abs().max()))


@EVERY_RULE
def test_int16_values_give_the_gradient_of_what_they_stand_for(how, generator):
    numbers = torch.randint(-1000, 3000, (1, *SHAPE), generator=generator).float()
    bundle = Rays.from_camera(carm(9, 11, 35))
    small = with_kernel_layout(Field(0.5 * numbers, AFFINE), "int16")
    _, expected = grad_target(Field(0.5 * numbers, AFFINE), bundle, how, "reference")
    integrals, gradient = grad_target(small, bundle, how)
    assert small.values.dtype == torch.int16
    assert_close(gradient, expected, rtol=0, atol=GRADIENT * float(expected.abs().max()))
    assert_close(integrals, project(small, bundle, integration=how), rtol=2e-6, atol=0.05)  # of 40 000


def test_gradients_of_values_and_rays_at_once(generator):
    """The one comes from a march of its own, the other from the slopes."""
    field = Field(noise((1, *SHAPE), generator), AFFINE)
    result = assert_same_gradients(field, Rays.from_camera(carm(9, 11, 35)), integration=Step(mm=0.7))
    assert {"values", "ijk_from_world", "source", "target"} <= result.keys()
