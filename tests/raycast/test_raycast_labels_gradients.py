"""Gradients of integrals routed by label: the compiled adjoints against the reference's autograd, input by input."""

from dataclasses import replace

import pytest
import torch
from contracts import GRADIENT, assert_same_gradients
from hypothesis import given, settings
from hypothesis import strategies as st
from raycast_scenes import carm, gradients, labeled, noise, organs
from torch import Tensor
from torch.testing import assert_close

from deepdrr.raycast import (
    Exact,
    Rays,
    Request,
    Step,
    project,
    select_backend,
    with_kernel_layout,
)

RULES = [
    {"routing": "hard", "integration": Exact()},
    {"routing": "soft", "integration": Exact()},
    {"routing": "soft", "integration": Step(mm=0.7)},
]
EVERY_RULE = pytest.mark.parametrize("how", RULES, ids=["exact-hard", "exact-soft", "step-soft"])
OBLIQUE, SIDE, SPACING = st.floats(3, 87), st.one_of(st.just(1), st.integers(2, 16)), st.floats(0.2, 5.0)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    shape=st.tuples(SIDE, SIDE, SIDE),
    spacing=st.tuples(SPACING, SPACING, SPACING),
    turn=OBLIQUE,
    angles=st.tuples(OBLIQUE, OBLIQUE, st.floats(-180, 180)),
    count=st.sampled_from([1, 2, 7, 128]),
    how=st.sampled_from(RULES),
    orthographic=st.booleans(),
    limited=st.booleans(),
    seed=st.integers(0, 2**31),
)
def test_every_gradient_agrees_with_the_reference(
    shape, spacing, turn, angles, count, how, orthographic, limited, seed
):
    generator = torch.Generator().manual_seed(seed)
    field = labeled(shape, spacing, turn, count, generator)
    extent = sum(n * s for n, s in zip(shape, spacing, strict=True))
    bundle = Rays.from_camera(replace(carm(7, 9, min(extent, 400.0), angles), orthographic=orthographic))
    if limited:  # the isocenter is at 0.52 of the way
        start, stop = 0.5 + 0.1 * torch.rand(2, 7, 9, generator=generator, dtype=torch.float64) - 0.05
        bundle = Rays(bundle.source, bundle.target, start, stop + 0.02)
    assert_same_gradients(field, bundle, **how)


@EVERY_RULE
def test_organs_larger_than_a_voxel(how, generator):
    assert_same_gradients(organs((12, 11, 13), generator), Rays.from_camera(carm(13, 12, 14)), **how)


@pytest.mark.parametrize("interval", [0.7, 0.31])
def test_hard_steps(interval, generator):
    """A sample within rounding of a face may go to either label: one ray in a hundred. Sides are odd: across an even
    number of voxels the middle one of an odd number of samples lies on a face."""
    field = labeled((13, 11, 15), (1.1, 1.3, 0.9), 20, 5, generator)
    bundle, how = Rays.from_camera(carm(16, 17, 18)), {"routing": "hard", "integration": Step(mm=interval)}
    expected, result = (gradients(field, bundle, backend, **how) for backend in ("reference", "cpu"))
    error = (result["target"] - expected["target"]).abs().amax(-1) / expected["target"].abs().max()
    assert float((error > GRADIENT).double().mean()) < 0.01
    error = (result["values"] - expected["values"]).abs() / expected["values"].abs().max()
    assert float((error > GRADIENT).double().mean()) < 0.01


def test_soft_path_lengths_follow_the_pose(generator):
    """What a silhouette loss differentiates: soft lengths of organs, without values."""
    field = labeled((9, 8, 7), (1.0, 1.2, 0.9), 20, 3, generator, values=False)
    for integration in (Exact(), Step(mm=0.7)):
        assert_same_gradients(field, Rays.from_camera(carm(6, 7, 9)), routing="soft", integration=integration)
    wanted = replace(field, ijk_from_world=field.ijk_from_world.clone().requires_grad_())
    choice = select_backend(Request(wanted, Rays.from_camera(carm(6, 7, 9)), "linear", Exact()))
    assert "no gradients of path lengths that are routed hard" in choice.reason


@EVERY_RULE
def test_a_field_in_the_kernels_layout_has_the_same_gradients(how, generator):
    field = labeled((20, 30, 18), (0.5, 0.8, 2.5), 40, 5, generator)
    bundle = Rays.from_camera(carm(6, 7, 20))
    expected = gradients(field, bundle, "cpu", **how)
    for storage, tolerance in (("float32", 1e-5), ("int16", 1e-4)):  # sums in another order; values off by 1.5e-5
        ready = with_kernel_layout(field, storage)
        target = bundle.target.clone().requires_grad_()
        integrals = project(ready, Rays(bundle.source, target), backend="cpu", **how)
        weights = torch.randn(integrals.shape, generator=torch.Generator().manual_seed(1))
        (result,) = torch.autograd.grad((weights * integrals).sum(), target)
        assert_close(result, expected["target"], rtol=0, atol=tolerance * float(expected["target"].abs().max()))


def test_functional_transforms_and_second_derivatives(generator):
    field, view = labeled((6, 5, 4), (1.5, 0.8, 1.2), 40, 3, generator), Rays.from_camera(carm(3, 4, 9))

    def integrals(offset: Tensor) -> Tensor:
        return project(field, Rays(view.source, view.target + offset), routing="soft", backend="cpu")

    offset = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    (expected,) = torch.autograd.grad(integrals(offset).sum(), offset)
    assert torch.equal(torch.func.grad(lambda o: integrals(o).sum())(offset.detach()), expected)
    values, direction = field.values.clone().requires_grad_(), noise((1, 6, 5, 4), generator)
    products = {}
    for backend in ("cpu", "reference"):
        loss = project(replace(field, values=values), view, routing="soft", backend=backend).square().sum() / 2
        (gradient,) = torch.autograd.grad(loss, values, create_graph=True)
        (products[backend],) = torch.autograd.grad(gradient, values, direction)
    assert_close(products["cpu"], products["reference"], rtol=1e-5, atol=1e-5)  # float32 sums
    (gradient,) = torch.autograd.grad(integrals(offset).sum(), offset, create_graph=True)
    with pytest.raises(NotImplementedError, match='backend="reference"'):
        torch.autograd.grad(gradient.sum(), offset)
