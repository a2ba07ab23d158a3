"""The hand-written adjoints of the compiled backend against the reference's autograd, input by input."""

import importlib
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from raycast_scenes import carm, grid, noise, rays
from torch import Tensor
from torch.testing import assert_close

from deepdrr._kernels import usable_builds
from deepdrr.camera import Camera
from deepdrr.raycast import Exact, Field, Rays, Samples, Step, _adjoint, _cpu, project

INPUTS = ("values", "ijk_from_world", "source", "target", "start", "stop")
RULES = [
    {"interpolation": "linear", "integration": Exact()},
    {"interpolation": "linear", "integration": Step(mm=0.7)},
    {"interpolation": "linear", "integration": Samples(45)},
    {"interpolation": "cubic", "integration": Step(mm=0.7)},
]
EVERY_RULE = pytest.mark.parametrize("how", RULES, ids=["exact-linear", "step-linear", "samples-linear", "step-cubic"])
# Float32 sums of a few hundred terms; the product promises 1e-4 of the largest derivative.
TOLERANCE = 1e-4


def gradients(field: Field, bundle: Rays, backend: str, **how: object) -> dict[str, Tensor]:
    """Derivatives of Σ w I, with w that differs from ray to ray and channel to channel, by every input there is."""
    inputs = {name: getattr(field if name in ("values", "ijk_from_world") else bundle, name) for name in INPUTS}
    leaves = {name: t.detach().clone().requires_grad_() for name, t in inputs.items() if t is not None}
    given = Field(leaves["values"], leaves["ijk_from_world"])
    ends = Rays(leaves["source"], leaves["target"], leaves.get("start"), leaves.get("stop"))
    integrals = project(given, ends, backend=backend, **how)
    weights = torch.randn(integrals.shape, generator=torch.Generator().manual_seed(1))
    return dict(zip(leaves, torch.autograd.grad((weights * integrals).sum(), list(leaves.values())), strict=True))


def assert_same_gradients(field: Field, bundle: Rays, **how: object) -> dict[str, Tensor]:
    expected = gradients(field, bundle, "reference", **how)
    result = gradients(field, bundle, "cpu", **how)
    floor = rounding(field, bundle, **how)
    for name, reference in expected.items():
        atol = TOLERANCE * float(reference.abs().max()) + floor * LEVER_MM.get(name, 1.0)
        assert_close(result[name], reference, rtol=0, atol=atol, msg=lambda m, n=name: f"by {n}: {m}")
    return result


# A limit or the placement moves points of the rays by up to the distance between source and detector.
LEVER_MM = {"ijk_from_world": 1000.0, "start": 1000.0, "stop": 1000.0}


def rounding(field: Field, bundle: Rays, **how: object) -> float:
    """Where large terms cancel, their float32 rounding is left: 1e-6 of the integrals, per voxel moved."""
    voxels_per_mm = float(field.ijk_from_world[:3, :3].norm(dim=1).max())
    return 1e-6 * voxels_per_mm * float(project(field, bundle, **how).max())


OBLIQUE, SIDE, SPACING = st.floats(3, 87), st.one_of(st.just(1), st.integers(2, 30)), st.floats(0.2, 5.0)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    shape=st.tuples(SIDE, SIDE, SIDE),
    spacing=st.tuples(SPACING, SPACING, SPACING),
    turn=OBLIQUE,
    angles=st.tuples(OBLIQUE, OBLIQUE, st.floats(-180, 180)),
    channels=st.sampled_from([1, 2, 3, 5]),
    how=st.sampled_from(RULES),
    orthographic=st.booleans(),
    limited=st.booleans(),
    seed=st.integers(0, 2**31),
)
def test_every_gradient_agrees_with_the_reference(
    shape, spacing, turn, angles, channels, how, orthographic, limited, seed
):
    generator = torch.Generator().manual_seed(seed)
    field = Field(noise((channels, *shape), generator), grid(shape, spacing, turn))
    extent = sum(n * s for n, s in zip(shape, spacing, strict=True))
    camera = replace(carm(7, 9, min(extent, 400.0), angles), orthographic=orthographic)
    bundle = Rays.from_camera(camera)
    if limited:  # the isocenter is at 0.52 of the way
        start, stop = 0.5 + 0.1 * torch.rand(2, 7, 9, generator=generator, dtype=torch.float64) - 0.05
        bundle = Rays(bundle.source, bundle.target, start, stop + 0.02)
    assert_same_gradients(field, bundle, **how)


@EVERY_RULE
def test_rays_along_axes_missing_and_inside(how, generator):
    """Off the planes of voxel centres, where the derivative of a trilinear field jumps and two answers are right."""
    field = Field(noise((2, 9, 7, 5), generator), grid((9, 7, 5), (1.0, 1.0, 1.0)))
    bundle = rays(
        ((-50, 0.3, 0.2), (60, 0.3, 0.2)),  # along each axis
        ((1.3, 50, 0.2), (1.3, -60, 0.2)),
        ((1.3, 0.4, -50), (1.3, 0.4, 60)),
        ((-50, 3.3, 0.2), (60, 3.3, 0.2)),  # in the outer half voxel, where the field is flat across
        ((-50, 9, 0), (60, 9, 0)),  # beside the volume
        ((-50, 0, 0), (-40, 0, 0)),  # ends before it
        ((-1.3, 0.3, 0.2), (50, 4, 3)),  # starts inside
        ((-40, 4, 3), (1.2, -0.4, 0.7)),  # ends inside
        ((-1.3, 0.3, 0.2), (2.2, -1.1, 0.6)),  # both
        ((1, 1, 1), (1, 1, 1)),  # has no length
        ((-2.2, -2.1, -1.3), (2.3, 2.2, 1.4)),  # through the middle, from voxel to voxel
    )
    result = assert_same_gradients(field, bundle, **how)
    nothing = result["target"][0, [4, 5, 9]]
    assert torch.equal(nothing, torch.zeros_like(nothing))


@EVERY_RULE
def test_values_and_integrals_are_each_others_adjoint(how, generator):
    """⟨A v, w⟩ = ⟨v, Aᵀ w⟩, on a grid long enough for many slabs, seen along and across them."""
    field = Field(noise((3, 70, 12, 9), generator), grid((70, 12, 9), (1.1, 1.5, 2.0), 20))
    for angles in ((0, 0, 0), (90, 5, 0), (40, 50, 60)):
        values = field.values.clone().requires_grad_()
        integrals = project(Field(values, field.ijk_from_world), carm(17, 21, 90, angles), **how)
        weights = torch.rand(integrals.shape, generator=generator)
        (by_values,) = torch.autograd.grad(integrals, values, weights)
        left, right = (integrals * weights).double().sum(), (by_values * values).double().sum()
        assert_close(left, right, rtol=1e-6, atol=0)  # float32 integrals of positive values


@EVERY_RULE
@pytest.mark.cpu_only("of the CPU's threads")
def test_any_number_of_threads_gives_the_same_bits(how, generator):
    field = Field(noise((3, 60, 16, 12), generator), grid((60, 16, 12), (0.5, 0.8, 2.5), 40))
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
    monkeypatch.setattr(_adjoint, "load_kernels", lambda: module)
    monkeypatch.setattr(_cpu, "load_kernels", lambda: module)
    field = Field(noise((3, 21, 17, 13), generator), grid((21, 17, 13), (1.5, 0.8, 2.5), 40))
    assert_same_gradients(field, Rays.from_camera(carm(9, 11, 35)), **how)


def test_half_precision_values_and_single_precision_rays_get_gradients_of_their_own_kind(generator):
    values = noise((1, 5, 6, 7), generator).half().requires_grad_()
    target = Rays.from_camera(carm(3, 3, 9)).target.float().requires_grad_()
    field = Field(values, grid((5, 6, 7), (1.0, 1.0, 1.0), 30))
    integrals = project(field, Rays(Rays.from_camera(carm(3, 3, 9)).source, target), backend="cpu")
    by_values, by_target = torch.autograd.grad(integrals.sum(), (values, target))
    assert by_values.dtype == torch.float16
    assert by_target.dtype == torch.float32
    assert by_values.sum() > 0
    assert by_target.abs().max() > 0


def test_no_rays_no_gradient(generator):
    values = noise((1, 5, 6, 7), generator).requires_grad_()
    empty = Rays(torch.zeros(0, 2, 2, 3), torch.ones(0, 2, 2, 3, requires_grad=True))
    integrals = project(Field(values, grid((5, 6, 7), (1.0, 1.0, 1.0))), empty, backend="cpu")
    by_values, by_target = torch.autograd.grad(integrals.sum(), (values, empty.target))
    assert by_values.abs().max() == 0
    assert by_target.shape == (0, 2, 2, 3)


def test_gradient_of_a_loss_by_the_pose_is_its_finite_difference(generator):
    """What a registration follows: how a rendered picture's difference to another changes as the C-arm moves."""
    field = Field(noise((1, 12, 12, 12), generator), grid((12, 12, 12), (2.0, 2.0, 2.0), 15))
    still, camera = project(field, carm(16, 16, 30)), carm(16, 16, 30, (23, -33, 11))

    def loss(shift: Tensor, backend: str) -> Tensor:
        pose = camera.camera_from_world + torch.cat([torch.zeros(4, 3), torch.cat([shift, shift[:1] * 0])[:, None]], 1)
        picture = project(field, replace(camera, camera_from_world=pose), backend=backend)
        return (picture - still).square().mean()

    shift = torch.tensor([0.3, -0.2, 0.5], dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(loss(shift, "cpu"), shift)
    with torch.no_grad():
        steps = 0.01 * torch.eye(3, dtype=torch.float64)
        differences = [(loss(shift + h, "reference") - loss(shift - h, "reference")) / 0.02 for h in steps]
    # The field's derivative jumps at cell faces, which a step of 0.01 mm smears: about 1e-3.
    assert_close(gradient, torch.stack(differences).double(), rtol=5e-3, atol=0)
