"""Gradients of the CUDA kernels that route by label, against the float64 reference's autograd, input by input."""

from dataclasses import replace

import pytest
import torch
from cuda_machine import Gpu, marches
from raycast_scenes import GRIDS, assert_gradients, carm, difficult_rays, gradients, labeled, organs
from routed_rules import DIFFERENTIABLE, ROUTED, small_ct
from torch.testing import assert_close

from deepdrr.raycast import Field, Rays, project, with_kernel_layout

# float32 sums of a few hundred terms of either sign; the product promises 1e-4 of the largest derivative.
GRADIENT = 2e-5


def assert_same_gradients(gpu: Gpu, field: Field, bundle: Rays, **how: object) -> None:
    found = gradients(gpu.field(field), gpu.rays(bundle), "cuda", **how)
    assert_gradients(found, field, bundle, GRADIENT, **how)


@pytest.mark.parametrize("count", [1, 6, 128])
@pytest.mark.parametrize(("shape", "spacing"), GRIDS)
@pytest.mark.parametrize("kernel", DIFFERENTIABLE)
def test_gradients_agree_with_the_reference(gpu: Gpu, generator, launched, shape, spacing, count, kernel) -> None:
    bundle = Rays.from_camera(carm(12, 13, 30))
    limits = [torch.full((12, 13), t, dtype=torch.float64) for t in (0.1, 0.52)]
    field = labeled(shape, spacing, 33, count, generator)
    assert_same_gradients(gpu, field, Rays(bundle.source, bundle.target, *limits), **ROUTED[kernel])
    assert set(marches(launched)) == {f"{kernel}_f32", f"{kernel}_grad_rays_f32", f"{kernel}_grad_values_fast"}


@pytest.mark.parametrize("kernel", DIFFERENTIABLE)
def test_gradients_of_organs(gpu: Gpu, generator, kernel: str) -> None:
    assert_same_gradients(gpu, organs((12, 11, 13), generator), Rays.from_camera(carm(13, 12, 14)), **ROUTED[kernel])


@pytest.mark.parametrize("kernel", DIFFERENTIABLE)
def test_gradients_of_rays_along_axes_missing_and_inside(gpu: Gpu, generator, kernel: str) -> None:
    field = labeled((9, 7, 5), (1, 1, 1), 0, 4, generator)
    assert_same_gradients(gpu, field, difficult_rays(), **ROUTED[kernel])


@pytest.mark.parametrize("storage", ["f32", "i16"])
def test_gradients_of_hard_steps_by_the_rays(gpu: Gpu, generator, launched, storage: str) -> None:
    """A sample within rounding of a face may go to either label: one ray in a hundred. Sides are odd: across an even
    number of voxels the middle one of an odd number of samples lies on a face."""
    field, bundle, how = hard_steps(generator), gpu.rays(carm(16, 17, 18)), ROUTED["step_linear_hard"]
    expected = gradients(field, Rays.from_camera(carm(16, 17, 18)), "reference", **how)["target"]
    target = bundle.target.clone().requires_grad_()
    stored = gpu.field(with_kernel_layout(field, "int16" if storage == "i16" else "float32"))
    integrals = project(stored, Rays(bundle.source, target), backend="cuda", **how)
    weights = torch.randn(integrals.shape, generator=torch.Generator().manual_seed(1)).to(integrals)
    (found,) = torch.autograd.grad((weights * integrals).sum(), target)
    error = (found.cpu() - expected).abs().amax(-1) / expected.abs().max()
    assert float((error > GRADIENT).double().mean()) < 0.01
    assert marches(launched) == [f"step_linear_hard_{storage}", f"step_linear_hard_grad_rays_{storage}"]


@pytest.mark.parametrize("mode", ["fast", "fixed"])
def test_gradients_of_hard_steps_by_the_values(gpu: Gpu, generator, launched, request, mode: str) -> None:
    if mode == "fixed":
        request.getfixturevalue("deterministic")
    field, how = hard_steps(generator), ROUTED["step_linear_hard"]
    expected = gradients(field, Rays.from_camera(carm(16, 17, 18)), "reference", **how)["values"]
    found = gradients(gpu.field(field), gpu.rays(carm(16, 17, 18)), "cuda", **how)["values"]
    error = (found - expected).abs() / expected.abs().max()
    assert float((error > GRADIENT).double().mean()) < 0.01
    assert f"step_linear_hard_grad_values_{mode}" in launched


def hard_steps(generator: torch.Generator) -> Field:
    field = labeled((13, 11, 15), (1.1, 1.3, 0.9), 33, 5, generator)
    return replace(field, values=torch.round(3000 * field.values))


def test_soft_path_lengths_follow_the_pose(gpu: Gpu, generator, launched) -> None:
    """What a silhouette loss differentiates: soft lengths of organs, without values."""
    field = labeled((9, 8, 7), (1.0, 1.2, 0.9), 33, 3, generator, values=False)
    for kernel in ("exact_linear_soft", "step_linear_soft"):
        assert_same_gradients(gpu, field, Rays.from_camera(carm(6, 7, 9)), **ROUTED[kernel])


@pytest.mark.parametrize("kernel", DIFFERENTIABLE)
def test_gradients_by_the_rays_of_values_stored_as_int16(gpu: Gpu, generator, launched, kernel: str) -> None:
    field, bundle = organs((20, 18, 12), generator), Rays.from_camera(carm(6, 7, 20))
    field = replace(field, values=torch.round(3000 * field.values))
    expected = gradients(field, bundle, "reference", **ROUTED[kernel])["target"]
    stored, target = gpu.field(with_kernel_layout(field, "int16")), gpu.rays(bundle).target.clone().requires_grad_()
    integrals = project(stored, Rays(gpu.rays(bundle).source, target), backend="cuda", **ROUTED[kernel])
    weights = torch.randn(integrals.shape, generator=torch.Generator().manual_seed(1)).to(integrals)
    (found,) = torch.autograd.grad((weights * integrals).sum(), target)
    assert_close(found.cpu(), expected, rtol=0, atol=GRADIENT * float(expected.abs().max()))
    assert f"{kernel}_grad_rays_i16" in launched


@pytest.mark.parametrize("kernel", DIFFERENTIABLE)
def test_the_deterministic_gradient_has_the_same_bits_each_time(
    gpu, generator, deterministic, launched, kernel: str
) -> None:
    field, bundle = organs((18, 16, 20), generator), Rays.from_camera(carm(15, 16, 20))
    first, second = (gradients(gpu.field(field), gpu.rays(bundle), "cuda", **ROUTED[kernel]) for _ in range(2))
    assert torch.equal(first["values"], second["values"])
    assert f"{kernel}_grad_values_fixed" in launched
    assert_same_gradients(gpu, field, bundle, **ROUTED[kernel])


@pytest.mark.parametrize("kernel", DIFFERENTIABLE)
def test_values_and_integrals_are_each_others_adjoint(gpu: Gpu, generator, kernel: str) -> None:
    """⟨A v, w⟩ = ⟨v, Aᵀ w⟩, and so for a second derivative, which is the integral again."""
    field = gpu.field(labeled((40, 12, 9), (1.1, 1.5, 2.0), 33, 5, generator))
    values = field.values.clone().requires_grad_()
    bundle = gpu.rays(carm(17, 21, 90, (40, 50, 60)))
    integrals = project(replace(field, values=values), bundle, backend="cuda", **ROUTED[kernel])
    weights = torch.rand(integrals.shape, generator=torch.Generator().manual_seed(1)).to(integrals)
    (by_values,) = torch.autograd.grad(integrals, values, weights)
    left, right = (integrals * weights).double().sum(), (by_values * values).double().sum()
    assert_close(left, right, rtol=1e-6, atol=0)  # float32 integrals of positive values


def test_gradients_on_a_real_ct_at_a_small_size(gpu: Gpu) -> None:
    bundle = Rays.from_camera(carm(8, 9, 250, (15, 10, 0)))
    assert float(project(small_ct(), bundle, backend="reference").min(-3).values.max()) > 0  # the rays meet every label
    for kernel in DIFFERENTIABLE:
        assert_same_gradients(gpu, small_ct(), bundle, **ROUTED[kernel])
