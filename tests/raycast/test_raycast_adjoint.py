"""The hand-written adjoints of the compiled backend against the reference's autograd, over random geometry."""

from dataclasses import replace

import torch
from contracts import assert_same_gradients
from hypothesis import given, settings
from hypothesis import strategies as st
from raycast_scenes import carm, grid, noise
from torch import Tensor
from torch.testing import assert_close

from deepdrr.raycast import Exact, Field, Rays, Samples, Step, project

RULES = [
    {"interpolation": "linear", "integration": Exact()},
    {"interpolation": "linear", "integration": Step(mm=0.7)},
    {"interpolation": "linear", "integration": Samples(45)},
    {"interpolation": "cubic", "integration": Step(mm=0.7)},
]
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


def test_no_rays_no_gradient(generator):
    values = noise((1, 5, 6, 7), generator).requires_grad_()
    empty = Rays(torch.zeros(0, 2, 2, 3), torch.ones(0, 2, 2, 3, requires_grad=True))
    integrals = project(Field(values, grid((5, 6, 7), (1.0, 1.0, 1.0))), empty, backend="cpu")
    grad_values, grad_target = torch.autograd.grad(integrals.sum(), (values, empty.target))
    assert grad_values.abs().max() == 0
    assert grad_target.shape == (0, 2, 2, 3)


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
