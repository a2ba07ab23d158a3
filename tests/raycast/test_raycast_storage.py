"""int16 storage: values stored without loss, the error of others, and refusals."""

from dataclasses import replace

import pytest
import torch
from compiled_operator import EVERY_BUILD
from raycast_scenes import carm, grid, noise
from torch import Tensor
from torch.testing import assert_close

from deepdrr.raycast import Exact, Field, Rays, Step, project, spline_coefficients, with_kernel_layout

SHAPE, SPACING = (21, 17, 13), (0.7, 0.8, 2.5)
AFFINE = grid(SHAPE, SPACING, 40)
CAMERA = carm(11, 14, 25)
EVERY_INTEGRATION = pytest.mark.parametrize("integration", [Exact(), Step(mm=0.7)], ids=["exact", "step"])


def hu(generator: torch.Generator, channels: int = 1) -> Field:
    values = torch.randint(-1024, 3072, (channels, *SHAPE), generator=generator)
    return Field(values.float(), AFFINE)


def grad_source(field: Field, backend: str, **how: object) -> Tensor:
    bundle = Rays.from_camera(CAMERA)
    source = bundle.source.clone().requires_grad_()
    integrals = project(field, Rays(source, bundle.target), backend=backend, **how)
    (gradient,) = torch.autograd.grad(integrals.square().sum(), source)
    return gradient


@EVERY_BUILD
@pytest.mark.cpu_only("of the CPU's builds")
@EVERY_INTEGRATION
def test_hounsfield_units_are_held_without_loss(build, integration, generator):
    field = hu(generator, channels=3)
    small = with_kernel_layout(field, "int16")
    assert small.values.dtype == torch.int16
    assert torch.equal(small.values.float(), field.values)
    assert small.scale.tolist() == [1.0, 1.0, 1.0]
    for interpolation in ("nearest", "linear"):
        how = {"interpolation": interpolation, "integration": integration, "backend": build}
        # The same products in the same order: HU are whole numbers in float32 too.
        assert torch.equal(project(small, CAMERA, **how), project(with_kernel_layout(field), CAMERA, **how))
    how = {"integration": integration}
    expected = grad_source(with_kernel_layout(field), build, **how)
    # Float32 derivatives, the compiler free to contract their terms in either.
    assert_close(grad_source(small, build, **how), expected, rtol=0, atol=1e-5 * float(expected.abs().max()))


@EVERY_INTEGRATION
def test_densities_are_off_by_half_a_step_at_most(integration, generator):
    """Half of max / 32767 is 1.53e-5 of the largest value, and so of the integral of that along the chord."""
    values = noise((2, *SHAPE), generator) * torch.tensor([2.0, 0.003])[:, None, None, None]
    field = Field(values, AFFINE)
    small = with_kernel_layout(field, "int16")
    largest = values.amax((1, 2, 3))
    assert_close(small.scale, largest.double() / 32767)
    loss = (small.values * small.scale[:, None, None, None] - values).abs().amax((1, 2, 3)) / largest
    assert float(loss.max()) <= 1.6e-5
    box = Field(torch.ones(1, *SHAPE), AFFINE)
    bound = 1.6e-5 * largest[:, None, None] * project(box, CAMERA) + 1e-5 * largest[:, None, None]
    difference = project(small, CAMERA, integration=integration) - project(field, CAMERA, integration=integration)
    assert bool((difference.abs() <= bound).all())


@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_every_rule_knows_the_scale(backend, generator):
    field = Field(0.01 * noise((1, *SHAPE), generator), AFFINE)
    small = with_kernel_layout(field, "int16")
    for how in (
        {"interpolation": "nearest"},
        {"interpolation": "linear"},
        {"interpolation": "cubic", "integration": Step(mm=0.7)},
    ):
        expected = project(field, CAMERA, backend=backend, **how)
        result = project(small, CAMERA, backend=backend, **how)
        # Rounding to int16, which the spline's prefilter may amplify by 3 per axis.
        assert_close(result, expected, rtol=0, atol=5e-4 * float(expected.max()))
    labels = torch.randint(0, 3, SHAPE, generator=generator)
    routed = [
        project(replace(f, labels=labels, label_count=3), CAMERA, interpolation="nearest") for f in (field, small)
    ]
    assert_close(routed[1], routed[0], rtol=0, atol=2e-5 * float(routed[0].max()))


def test_there_and_back(generator):
    small = with_kernel_layout(Field(noise((2, *SHAPE), generator), AFFINE), "int16")
    assert with_kernel_layout(small, "int16") is small
    floats = with_kernel_layout(small)
    assert floats.scale is None
    assert_close(floats.values, (small.values * small.scale[:, None, None, None]).float(), rtol=1e-6, atol=0)
    assert torch.equal(with_kernel_layout(floats, "int16").values, small.values)


def test_a_scale_of_the_users_own(generator):
    """Attenuation that is linear in HU is whole numbers of µ(water) / 1000."""
    numbers = torch.randint(0, 4095, (1, *SHAPE), generator=generator, dtype=torch.int16)
    scale = torch.tensor([0.0193e-3])
    expected = project(Field(numbers * scale, AFFINE), CAMERA)
    for field in (
        Field(numbers, AFFINE, scale=scale),
        with_kernel_layout(Field(numbers, AFFINE, scale=scale), "int16"),
    ):
        assert_close(project(field, CAMERA), expected, rtol=1e-5, atol=1e-6)  # float32 sums


@pytest.mark.parametrize(
    ("values", "scale", "error", "message"),
    [
        (torch.ones(1, 3, 3, 3), torch.ones(1), ValueError, "int16, got torch.float32"),
        (None, torch.ones(1), ValueError, "int16, got None"),
        (torch.ones(2, 3, 3, 3, dtype=torch.int16), torch.ones(1), ValueError, r"2 channels, got shape \(1,\)"),
        (torch.ones(1, 3, 3, 3, dtype=torch.int16), torch.ones(1, dtype=torch.int64), TypeError, "floating point"),
        (torch.ones(1, 3, 3, 3, dtype=torch.int16), torch.zeros(1), ValueError, r"positive numbers, got \[0.0\]"),
        (torch.ones(1, 3, 3, 3, dtype=torch.int16), torch.full((1,), torch.inf), ValueError, "positive numbers"),
    ],
)
def test_a_wrong_scale_is_refused(values, scale, error, message):
    labels = torch.zeros(3, 3, 3, dtype=torch.uint8) if values is None else None
    with pytest.raises(error, match=message):
        Field(values, torch.eye(4), labels, None if labels is None else 1, scale=scale)


def test_what_int16_cannot_hold_is_refused(generator):
    field = hu(generator)
    with pytest.raises(ValueError, match="storage must be 'float32' or 'int16', got 'int8'"):
        with_kernel_layout(field, "int8")
    with pytest.raises(ValueError, match="finite to be stored as int16, got nan"):
        with_kernel_layout(replace(field, values=torch.full_like(field.values, torch.nan)), "int16")
    with pytest.raises(ValueError, match="finite to be stored as int16, got inf to inf"):
        with_kernel_layout(replace(field, values=torch.full_like(field.values, torch.inf)), "int16")
    with pytest.raises(ValueError, match="'float32' for a field with no values"):
        with_kernel_layout(Field(None, AFFINE, torch.zeros(SHAPE, dtype=torch.uint8), 1), "int16")
    with pytest.raises(ValueError, match="'float32' for a field with spline coefficients"):
        with_kernel_layout(spline_coefficients(field), "int16")
    with pytest.raises(ValueError, match="must not require a gradient"):
        with_kernel_layout(replace(field, values=field.values.clone().requires_grad_()), "int16")
