"""The CUDA B-spline prefilter against float64, in value and gradient."""

import pytest
import torch
from cuda_machine import Gpu
from raycast_scenes import grid, noise
from torch import Tensor
from torch.testing import assert_close

from deepdrr.raycast import Field, prefilter, spline_coefficients
from deepdrr.raycast.spline._prefilter import prefilter_in_torch

# Lines of 2 to 97 values, more and fewer than a block's; an axis of one voxel; tiles that are not full.
SHAPES = [(2, 3, 4), (33, 2, 2), (5, 32, 33), (1, 40, 7), (7, 1, 64), (8, 9, 1), (1, 1, 1), (13, 12, 97)]
# Each of three axes rounds its causal sums and its result to float32, 6e-8 of numbers up to five times the values.
SHARE = 2e-6


def close(found: Tensor, exact: Tensor) -> None:
    """Within a share of the largest number."""
    assert_close(found.cpu().double(), exact, rtol=0, atol=SHARE * float(exact.abs().max()))


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
@pytest.mark.parametrize("shape", SHAPES)
def test_coefficients_and_gradients_agree_with_float64(gpu: Gpu, launched, shape, order) -> None:
    """In whatever order the voxels lie."""
    generator = torch.Generator().manual_seed(2)
    values = noise((2, *(shape[axis] for axis in order)), generator).permute(0, *(1 + order.index(a) for a in range(3)))
    upstream = noise((2, *shape), generator)
    exact = values.double().requires_grad_()
    expected = prefilter_in_torch(exact)
    there = values.to(gpu.device).requires_grad_()
    found = prefilter(there)
    close(found.detach(), expected.detach())
    (gradient,) = torch.autograd.grad(found, there, upstream.to(gpu.device))
    close(gradient, torch.autograd.grad(expected, exact, upstream.double())[0])
    axes = sum(n > 1 for n in shape)
    assert len(launched) == 2 * axes
    assert set(launched) <= {"prefilter_across", "prefilter_along"}


def test_more_grids_than_one_axis_of_blocks(gpu: Gpu) -> None:
    values = noise((300, 2, 3, 5, 4), torch.Generator().manual_seed(5))
    close(prefilter(values.to(gpu.device)), prefilter_in_torch(values.double()))


def test_the_coefficients_of_a_field_are_placed_and_padded(gpu: Gpu, launched) -> None:
    """Rows with gaps between them, the finest axis fastest; int16 with a scale."""
    stored = (noise((2, 6, 150, 5), torch.Generator().manual_seed(7)) * 3000).to(torch.int16)
    field = Field(stored, grid((6, 150, 5), (2.0, 0.5, 1.0)), scale=torch.tensor([0.001, 0.002]))
    found = spline_coefficients(gpu.field(field))
    assert found.values.stride()[2] == 1
    assert launched == ["prefilter_along", "prefilter_across", "prefilter_across"]
    scaled = stored.double() * field.scale.double()[:, None, None, None]
    close(found.values, prefilter_in_torch(scaled))
