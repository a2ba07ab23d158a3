"""Routing of the integral to one channel per label: the meaning of the channels."""

from dataclasses import replace

import pytest
import torch
from raycast_scenes import carm, grid, noise, rays, unit_field
from torch.testing import assert_close

from deepdrr.raycast import Exact, Field, Rays, Step, project

SHAPE, SPACING = (14, 11, 9), (1.5, 0.8, 2.5)
AFFINE = grid(SHAPE, SPACING, 40)
BACKENDS = pytest.mark.parametrize("backend", ["cpu", "reference"])
ROUTINGS = pytest.mark.parametrize("routing", ["hard", "soft"])
RULES = pytest.mark.parametrize("integration", [Exact(), Step(mm=0.5)], ids=["exact", "step"])
# Float32 sums of up to 34 chords per ray, relative to the whole path.
RTOL = 2e-6
# A lung beside bone along x: six voxels of 0.2, then four of 0.9.
LENGTHS, VALUES = (6, 4), (0.2, 0.9)


def random_labels(generator: torch.Generator, count: int) -> torch.Tensor:
    return torch.randint(0, count, SHAPE, generator=generator)


def masked(values: torch.Tensor, labels: torch.Tensor, count: int) -> torch.Tensor:
    """[L, I, J, K]: the values of each label, 0 elsewhere."""
    return torch.stack([(labels == label) * values[0] for label in range(count)])


def slab() -> Field:
    labels = torch.arange(2).repeat_interleave(torch.tensor(LENGTHS))[:, None, None].expand(10, 3, 3)
    return replace(unit_field(torch.tensor(VALUES, dtype=torch.float64)[labels][None]), labels=labels, label_count=2)


@BACKENDS
def test_path_lengths_sum_to_the_whole_path(backend, generator):
    lengths = project(Field(None, AFFINE, random_labels(generator, 128), 128), carm(12, 10, 30), backend=backend)
    whole = project(Field(torch.ones(1, *SHAPE), AFFINE), carm(12, 10, 30), backend="reference")
    assert lengths.shape == (128, 12, 10)
    assert_close(lengths.sum(0), whole[0], rtol=0, atol=RTOL * float(whole.max()))


@BACKENDS
@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int64])
def test_a_label_is_the_projection_of_its_mask(backend, dtype, generator):
    """Channel l = nearest projection of [labels == l] · values."""
    labels, values = random_labels(generator, 5), noise((1, *SHAPE), generator)
    how = {"interpolation": "nearest"}
    expected = project(Field(masked(values, labels, 5), AFFINE), carm(12, 10, 30), backend="reference", **how)
    field = Field(values, AFFINE, labels.to(dtype), 5)
    routed = project(field, carm(12, 10, 30), backend=backend, **how)
    assert_close(routed, expected, rtol=0, atol=RTOL * float(expected.sum(0).max()))
    soft = project(field, carm(12, 10, 30), backend=backend, routing="soft", **how)
    assert torch.equal(soft, routed)


@ROUTINGS
@RULES
def test_channels_sum_to_the_unrouted_integral(routing, integration, generator):
    values, how = noise((1, *SHAPE), generator).double(), {"integration": integration}
    routed = project(Field(values, AFFINE, random_labels(generator, 5), 5), carm(12, 10, 30), routing=routing, **how)
    plain = project(Field(values, AFFINE), carm(12, 10, 30), backend="reference", **how)
    assert_close(routed.sum(0), plain[0])


@RULES
@pytest.mark.parametrize("path_lengths", [False, True])
def test_a_soft_channel_is_the_linear_projection_of_the_masked_values(integration, path_lengths, generator):
    labels, values = random_labels(generator, 5), noise((1, *SHAPE), generator).double()
    masks = masked(torch.ones_like(values) if path_lengths else values, labels, 5)
    field = Field(None if path_lengths else values, AFFINE, labels, 5)
    how = {"integration": integration, "backend": "reference"}
    soft = project(field, carm(12, 10, 30), routing="soft", **how)
    expected = project(Field(masks, AFFINE), carm(12, 10, 30), **how)
    assert_close(soft, expected.to(soft.dtype))


@pytest.mark.parametrize("along", [1, -1])
@pytest.mark.parametrize("height", [0.0, 1.0, 2.4])
def test_two_slabs(along, height):
    """Between the last centre of one slab and the first of the other the value runs straight from 0.2 to 0.9.

    Hard: each slab gets its half of the way, on which the mean is 1/4 of the step off. Soft: each slab gets its own
    voxels' share, as if the other were empty. The ray at 2.4 runs in the outer half voxel, which is like the face.
    """
    bundle = rays(((-20 * along, height, 1), (20 * along, height, 1)))
    first, second = (n * value for n, value in zip(LENGTHS, VALUES, strict=True))
    crossing = (VALUES[1] - VALUES[0]) / 8
    hard, soft = (project(slab(), bundle, routing=routing).flatten() for routing in ("hard", "soft"))
    assert_close(hard, torch.tensor([first + crossing, second - crossing], dtype=torch.float64))
    assert_close(soft, torch.tensor([first, second], dtype=torch.float64))


@ROUTINGS
def test_steps_converge_to_the_exact_integral(routing, generator):
    """Hard labels: a sample within half a step of a face may go to the wrong side, two or three such per ray."""
    field = Field(noise((1, *SHAPE), generator).double(), AFFINE, random_labels(generator, 3), 3)
    exact = project(field, carm(5, 4, 20), routing=routing)
    for mm in (0.1, 0.01):
        stepped = project(field, carm(5, 4, 20), integration=Step(mm=mm), routing=routing)
        assert_close(stepped, exact, rtol=0, atol=3 * mm)


@pytest.mark.parametrize(
    ("routing", "how"),
    [
        ("hard", {}),
        ("soft", {}),
        ("soft", {"integration": Step(mm=0.7)}),
    ],
)
def test_gradients_of_the_reference_are_finite_differences(routing, how, generator):
    """By the values and by the rays; of steps with hard labels, which jump as a sample passes a face, by the values."""
    values = noise((1, 3, 4, 3), generator).double().requires_grad_()
    labels, affine = torch.randint(0, 3, (3, 4, 3), generator=generator), grid((3, 4, 3), (1.1, 0.9, 1.4), 25)
    bundle = Rays.from_camera(carm(2, 2, 3, (23, -31, 11)))

    def integrals(v, source, target):
        return project(Field(v, affine, labels, 3), Rays(source, target), routing=routing, backend="reference", **how)

    ends = (bundle.source.clone().requires_grad_(), bundle.target.clone().requires_grad_())
    assert torch.autograd.gradcheck(integrals, (values, *ends))


def test_the_gradient_of_hard_labels_by_the_rays_has_the_motion_of_their_borders():
    """A ray that climbs 1 in 3 through a border at y = 3.5: raised by δ, it passes it δ / sin θ mm earlier."""
    labels = (torch.arange(8) > 3).long()[None, :, None].expand(8, 8, 1)
    field = Field(None, torch.eye(4, dtype=torch.float64), labels, 2)
    raised = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    bundle = rays(((-9, 0.1, 0), (9, 6.1, 0)))
    path = project(field, Rays(bundle.source + raised, bundle.target + raised), interpolation="nearest")
    (slope,) = torch.autograd.grad(path[1, 0, 0], raised)
    assert_close(slope[1], torch.tensor(10.0).double().sqrt())


def test_interpolation_is_without_meaning_for_hard_path_lengths(generator):
    field = Field(None, AFFINE, random_labels(generator, 5), 5)
    linear, nearest = (project(field, carm(6, 5, 30), interpolation=how) for how in ("linear", "nearest"))
    assert torch.equal(linear, nearest)


@pytest.mark.parametrize(
    ("field", "how", "message"),
    [
        (slab(), {"routing": "fuzzy"}, "routing must be 'hard' or 'soft', got 'fuzzy'"),
        (slab(), {"routing": True}, "routing must be 'hard' or 'soft', got True"),
        (unit_field(torch.ones(1, 3, 3, 3)), {"routing": "soft"}, "'hard' for a field without labels, got 'soft'"),
        (
            slab(),
            {"routing": "soft", "interpolation": "cubic", "integration": Step(mm=1.0)},
            "'hard' for interpolation 'cubic', got 'soft'",
        ),
    ],
)
def test_project_refuses(field, how, message):
    with pytest.raises(ValueError, match=message):
        project(field, rays(((-9, 1, 1), (9, 1, 1))), **how)
