"""Derivatives of the reference by autograd, with respect to every input, against the integral itself."""

from dataclasses import replace

import pytest
import torch
from raycast_scenes import carm, grid
from torch.autograd import gradcheck, gradgradcheck

from deepdrr.raycast import Exact, Field, Rays, Request, Samples, Step, project
from deepdrr.raycast._reference import ReferenceBackend

SHAPE = (4, 3, 5)
VIEW = carm(2, 2, 4, (23, -31, 11))


def values(generator: torch.Generator) -> torch.Tensor:
    return torch.rand((2, *SHAPE), generator=generator, dtype=torch.float64, requires_grad=True)


@pytest.mark.parametrize(
    ("interpolation", "integration"),
    [
        ("linear", Exact()),
        ("linear", Step(mm=0.6)),
        ("linear", Samples(21)),
        ("nearest", Exact()),
        ("cubic", Step(mm=0.6)),
    ],
)
def test_gradient_by_values_ray_ends_and_limits(interpolation, integration, generator):
    affine, bundle = grid(SHAPE, (1.5, 0.8, 1.2), 40), Rays.from_camera(VIEW)
    stop = torch.full((2, 2), 0.5201, dtype=torch.float64, requires_grad=True)
    ends = [tensor.detach().contiguous().requires_grad_() for tensor in (bundle.source, bundle.target)]

    def integrals(field_values, source, target, limit):
        rays = Rays(source, target, stop=limit)
        return project(Field(field_values, affine), rays, interpolation=interpolation, integration=integration)

    assert gradcheck(integrals, (values(generator), *ends, stop))


def shifted(matrix: torch.Tensor, offset: torch.Tensor) -> torch.Tensor:
    """A homogeneous matrix with something added to its translation."""
    column = torch.cat([offset, offset.new_zeros(1)])[:, None]
    return matrix + torch.cat([torch.zeros(4, 3, dtype=offset.dtype), column], dim=1)


def test_gradient_by_pose_intrinsics_and_placement(generator):
    """By the parts that may move freely: elsewhere a step would leave the rigid and the affine matrices."""
    field = Field(values(generator).detach(), grid(SHAPE, (1.5, 0.8, 1.2), 40))

    def integrals(camera_shift, zoom, volume_shift):
        scale = torch.stack([zoom, zoom, zoom / zoom])[:, None]
        camera = replace(
            VIEW,
            camera_from_world=shifted(VIEW.camera_from_world, camera_shift),
            intrinsics=VIEW.intrinsics * scale,
        )
        return project(replace(field, ijk_from_world=shifted(field.ijk_from_world, volume_shift)), camera)

    zero, other = (torch.zeros(3, dtype=torch.float64, requires_grad=True) for _ in range(2))
    one = torch.ones((), dtype=torch.float64, requires_grad=True)
    assert gradcheck(integrals, (zero, one, other))


def test_second_derivative_through_several_chunks(generator):
    reference = ReferenceBackend(chunk_samples=20)  # a ray at a time: recomputation is part of the test
    affine, bundle = grid((2, 3, 2), (1.5, 0.8, 1.2), 40), Rays.from_camera(carm(1, 2, 2, (23, -31, 11)))
    target = bundle.target.detach().requires_grad_()
    field_values = torch.rand(1, 2, 3, 2, generator=generator, dtype=torch.float64, requires_grad=True)

    def integrals(values, ends):
        return reference.integrate(Request(Field(values, affine), Rays(bundle.source, ends), "linear", Exact()))

    assert gradgradcheck(integrals, (field_values, target))


def test_routed_path_lengths_have_a_gradient_by_the_rays(generator):
    labels = torch.randint(0, 3, SHAPE, generator=generator)
    bundle = Rays.from_camera(VIEW)
    target = bundle.target.detach().requires_grad_()
    lengths = project(Field(None, grid(SHAPE, (1.5, 0.8, 1.2), 40), labels, 3), Rays(bundle.source, target))
    (gradient,) = torch.autograd.grad(lengths.sum(), target)
    assert torch.isfinite(gradient).all()
    assert gradient.abs().max() > 0
