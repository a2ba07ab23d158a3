"""Gradients of integrals routed by label: the compiled adjoints against the reference's autograd, input by input."""

import importlib
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from raycast_scenes import assert_gradients, carm, difficult_rays, gradients, labelled, noise, organs
from torch import Tensor
from torch.testing import assert_close

from deepdrr._kernels import usable_builds
from deepdrr.camera import Camera
from deepdrr.raycast import (
    Exact,
    Field,
    Rays,
    Request,
    Step,
    _cpu,
    _routed,
    _routed_operator,
    arranged,
    project,
    select_backend,
)

RULES = [
    {"routing": "hard", "integration": Exact()},
    {"routing": "soft", "integration": Exact()},
    {"routing": "soft", "integration": Step(mm=0.7)},
]
EVERY_RULE = pytest.mark.parametrize("how", RULES, ids=["exact-hard", "exact-soft", "step-soft"])
# Float32 sums of a few hundred terms; the product promises 1e-4 of the largest derivative.
TOLERANCE = 1e-4
OBLIQUE, SIDE, SPACING = st.floats(3, 87), st.one_of(st.just(1), st.integers(2, 16)), st.floats(0.2, 5.0)


def assert_same_gradients(field: Field, bundle: Rays, **how: object) -> None:
    assert_gradients(gradients(field, bundle, "cpu", **how), field, bundle, TOLERANCE, **how)


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
    field = labelled(shape, spacing, turn, count, generator)
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
    field = labelled((13, 11, 15), (1.1, 1.3, 0.9), 20, 5, generator)
    bundle, how = Rays.from_camera(carm(16, 17, 18)), {"routing": "hard", "integration": Step(mm=interval)}
    expected, result = (gradients(field, bundle, backend, **how) for backend in ("reference", "cpu"))
    error = (result["target"] - expected["target"]).abs().amax(-1) / expected["target"].abs().max()
    assert float((error > TOLERANCE).double().mean()) < 0.01
    error = (result["values"] - expected["values"]).abs() / expected["values"].abs().max()
    assert float((error > TOLERANCE).double().mean()) < 0.01


@EVERY_RULE
def test_rays_along_axes_missing_and_inside(how, generator):
    assert_same_gradients(labelled((9, 7, 5), (1.0, 1.0, 1.0), 0, 4, generator), difficult_rays(), **how)


def test_soft_path_lengths_follow_the_pose(generator):
    """What a silhouette loss differentiates: soft lengths of organs, without values."""
    field = labelled((9, 8, 7), (1.0, 1.2, 0.9), 20, 3, generator, values=False)
    for integration in (Exact(), Step(mm=0.7)):
        assert_same_gradients(field, Rays.from_camera(carm(6, 7, 9)), routing="soft", integration=integration)
    wanted = replace(field, ijk_from_world=field.ijk_from_world.clone().requires_grad_())
    choice = select_backend(Request(wanted, Rays.from_camera(carm(6, 7, 9)), "linear", Exact()))
    assert "no gradients of path lengths that are routed hard" in choice.reason


@EVERY_RULE
def test_values_and_integrals_are_each_others_adjoint(how, generator):
    """⟨A v, w⟩ = ⟨v, Aᵀ w⟩, on a grid long enough for many slabs, seen along and across them."""
    field = labelled((70, 12, 9), (1.1, 1.5, 2.0), 20, 5, generator)
    for angles in ((0, 0, 0), (90, 5, 0), (40, 50, 60)):
        values = field.values.clone().requires_grad_()
        integrals = project(replace(field, values=values), carm(17, 21, 90, angles), backend="cpu", **how)
        weights = torch.rand(integrals.shape, generator=generator)
        (by_values,) = torch.autograd.grad(integrals, values, weights)
        left, right = (integrals * weights).double().sum(), (by_values * values).double().sum()
        assert_close(left, right, rtol=1e-6, atol=0)  # float32 integrals of positive values


@EVERY_RULE
@pytest.mark.cpu_only("of the CPU's threads")
def test_any_number_of_threads_gives_the_same_bits(how, generator):
    field = labelled((60, 16, 12), (0.5, 0.8, 2.5), 40, 9, generator)
    bundle = Rays.from_camera(Camera.stack([carm(37, 41, 35), carm(37, 41, 35, (5, 60, 0))]))
    before = torch.get_num_threads()
    results = []
    try:
        for threads in (1, 2, 7):
            torch.set_num_threads(threads)
            results.append(gradients(field, bundle, "cpu", **how))
    finally:
        torch.set_num_threads(before)
    # All but the end points' sum over views that share them, which is torch's.
    for name in ("values", "ijk_from_world", "target"):
        assert torch.equal(results[0][name], results[1][name])
        assert torch.equal(results[0][name], results[2][name])


@pytest.mark.parametrize("build", usable_builds())
@EVERY_RULE
@pytest.mark.cpu_only("of the CPU's builds")
def test_every_build_agrees(build, how, generator, monkeypatch):
    module = importlib.import_module(f"deepdrr._kernels_{build}")
    monkeypatch.setattr(_routed, "load_kernels", lambda: module)
    monkeypatch.setattr(_cpu, "load_kernels", lambda: module)
    field = labelled((21, 17, 13), (1.5, 0.8, 2.5), 40, 9, generator)
    assert_same_gradients(field, Rays.from_camera(carm(9, 11, 35)), **how)


@EVERY_RULE
def test_an_arranged_field_has_the_same_gradients(how, generator):
    field = labelled((20, 30, 18), (0.5, 0.8, 2.5), 40, 5, generator)
    bundle = Rays.from_camera(carm(6, 7, 20))
    expected = gradients(field, bundle, "cpu", **how)
    for storage, tolerance in (("float32", 1e-5), ("int16", 1e-4)):  # sums in another order; values off by 1.5e-5
        ready = arranged(field, storage)
        target = bundle.target.clone().requires_grad_()
        integrals = project(ready, Rays(bundle.source, target), backend="cpu", **how)
        weights = torch.randn(integrals.shape, generator=torch.Generator().manual_seed(1))
        (result,) = torch.autograd.grad((weights * integrals).sum(), target)
        assert_close(result, expected["target"], rtol=0, atol=tolerance * float(expected["target"].abs().max()))


def test_the_operators_are_registered_as_torch_wants_them(generator):
    field, view = labelled((6, 5, 4), (1.5, 0.8, 1.2), 40, 3, generator), Rays.from_camera(carm(3, 4, 9))
    limit = torch.full((3, 4), 0.52, dtype=torch.float64)
    labels = field.labels.to(torch.uint8)
    how = (field.ijk_from_world, view.source, view.target, None, limit, None, "linear", 0.7, "soft")
    upstream = noise((3, 3, 4), generator)
    values, *ends = (t.clone().requires_grad_() for t in (field.values, *how[:3]))
    torch.library.opcheck(_routed_operator._routed, (values, labels, 3, *ends, *how[3:]))
    torch.library.opcheck(_routed_operator._by_values, (upstream, labels, 3, *how))
    torch.library.opcheck(_routed_operator._by_rays, (upstream, field.values, labels, 3, *how))


def test_functional_transforms_and_second_derivatives(generator):
    field, view = labelled((6, 5, 4), (1.5, 0.8, 1.2), 40, 3, generator), Rays.from_camera(carm(3, 4, 9))

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
