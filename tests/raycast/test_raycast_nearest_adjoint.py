"""The compiled gradient of nearest interpolation with respect to the values, against the reference."""

import pytest
import torch
from raycast_scenes import carm, grid, noise, rays
from torch.testing import assert_close

from deepdrr.raycast import Exact, Field, Samples, Step, project

EVERY_RULE = pytest.mark.parametrize("how", [Exact(), Step(mm=0.61), Samples(45)], ids=["exact", "step", "samples"])


def grad_values(field: Field, view: object, how: object, backend: str) -> torch.Tensor:
    values = field.values.detach().clone().requires_grad_()
    integrals = project(
        Field(values, field.ijk_from_world), view, interpolation="nearest", integration=how, backend=backend
    )
    weights = torch.randn(integrals.shape, generator=torch.Generator().manual_seed(1))
    return torch.autograd.grad((weights * integrals).sum(), values)[0]


@pytest.mark.parametrize("shape", [(21, 17, 13), (70, 9, 12), (1, 9, 7), (1, 1, 1)])
def test_exact_agrees_with_the_reference(shape, generator):
    """Angles off the grid's axes: a ray in the very plane between two voxels has two right answers."""
    field = Field(noise((2, *shape), generator), grid(shape, (1.1, 0.9, 1.3), 35))
    for angles in ((20, -35, 10), (80, 12, 33)):
        view = carm(9, 11, 30, angles)
        expected, result = (grad_values(field, view, Exact(), backend) for backend in ("reference", "cpu"))
        # Float32 sums of lengths of some mm.
        assert_close(result, expected, rtol=0, atol=1e-5 * float(expected.abs().max()))


@EVERY_RULE
def test_a_ray_marks_the_voxels_it_crosses(how):
    field = Field(torch.zeros(1, 9, 7, 5), torch.eye(4, dtype=torch.float64))
    bundle = rays(((-50, 3.2, 2.1), (60, 3.2, 2.1)), ((2.1, -50, 1.2), (2.1, 50, 1.2)), ((-50, 30, 2), (60, 30, 2)))
    values = field.values.clone().requires_grad_()
    integrals = project(Field(values, field.ijk_from_world), bundle, interpolation="nearest", integration=how)
    (marks,) = torch.autograd.grad(integrals.sum(), values)
    expected = torch.zeros(1, 9, 7, 5)
    expected[0, :, 3, 2] += 1
    expected[0, 2, :, 1] += 1
    # 1 mm per voxel; samples 0.6 or 0.2 mm apart divide it among neighbours.
    assert_close(marks, expected, rtol=0, atol=1e-5 if how == Exact() else 0.61)
    assert_close(marks.sum(), expected.sum())
