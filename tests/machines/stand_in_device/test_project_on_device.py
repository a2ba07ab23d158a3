"""`project` on a device that has no compiled backend: the CPU's numbers, on the device."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from raycast_scenes import carm, grid, noise
from torch import Tensor

from deepdrr.camera import Camera
from deepdrr.raycast import Exact, Field, Rays, Request, Samples, Step, project, select_backend

SHAPE = (9, 12, 7)
VIEW = carm(6, 8, 30.0)
MATRIX = grid(SHAPE, (2.0, 1.5, 3.0), turn_deg=25.0)
RULES = [
    ("nearest", Exact()),
    ("linear", Exact()),
    ("linear", Step(mm=0.7)),
    ("linear", Samples(40)),
    ("cubic", Step(mm=0.7)),
]


def on(device: str, field: Field, single: bool) -> Field:
    """The field there, its matrix in the finest type that the device has."""
    matrix = field.ijk_from_world.to(torch.float32 if single else torch.float64).to(device)
    values, labels = (None if part is None else part.to(device) for part in (field.values, field.labels))
    return replace(field, values=values, ijk_from_world=matrix, labels=labels)


def seen_from(device: str, camera: Camera, single: bool) -> Camera:
    dtype = torch.float32 if single else torch.float64
    parts = (camera.intrinsics, camera.camera_from_world, camera.sdd_mm)
    intrinsics, pose, sdd_mm = (part.to(dtype).to(device) for part in parts)
    return Camera(intrinsics, pose, sdd_mm, camera.height, camera.width)


def check_equal(found: Tensor, expected: Tensor, device: str, single: bool) -> None:
    """Equal to the rounding of float32 sums; in single precision of positions too, 1e-7 of 1 m in voxels of 2 mm."""
    assert found.device.type == device
    assert found.dtype == expected.dtype
    rtol, atol = (2e-3, 2e-3) if single else (1e-5, 1e-5)
    torch.testing.assert_close(found.cpu(), expected, rtol=rtol, atol=atol)


@pytest.mark.parametrize(("interpolation", "integration"), RULES)
@pytest.mark.parametrize("channels", [1, 2])
def test_line_integrals(
    device: str, single: bool, interpolation: Any, integration: Any, channels: int, generator: torch.Generator
) -> None:
    field = Field(noise((channels, *SHAPE), generator), MATRIX)
    options = {"interpolation": interpolation, "integration": integration}
    found = project(on(device, field, single), seen_from(device, VIEW, single), **options)
    check_equal(found, project(field, VIEW, **options), device, single)


@pytest.mark.parametrize("routing", ["hard", "soft"])
@pytest.mark.parametrize("with_values", [True, False])
def test_labels(device: str, single: bool, routing: Any, with_values: bool, generator: torch.Generator) -> None:
    labels = torch.randint(3, SHAPE, generator=generator, dtype=torch.uint8)
    values = noise((1, *SHAPE), generator) if with_values else None
    field = Field(values, MATRIX, labels=labels, label_count=3)
    found = project(on(device, field, single), seen_from(device, VIEW, single), routing=routing)
    expected = project(field, VIEW, routing=routing)
    if single and routing == "hard":  # a moved border between labels moves a piece of the integral to another channel
        check_equal(found.sum(-3), expected.sum(-3), device, single)
    else:
        check_equal(found, expected, device, single)


def gradients(field: Field, view: Camera, weights: Tensor) -> list[Tensor]:
    """Of a weighted sum, by values, placement, intrinsics, pose and distance."""
    assert field.values is not None
    leaves = (field.values, field.ijk_from_world, view.intrinsics, view.camera_from_world, view.sdd_mm)
    values, matrix, intrinsics, pose, sdd_mm = (leaf.detach().clone().requires_grad_() for leaf in leaves)
    camera = Camera(intrinsics, pose, sdd_mm, view.height, view.width)
    image = project(replace(field, values=values, ijk_from_world=matrix), camera)
    return list(torch.autograd.grad((weights * image).sum(), (values, matrix, intrinsics, pose, sdd_mm)))


def test_gradients(device: str, single: bool, generator: torch.Generator) -> None:
    # Smooth values: between two voxels of noise the slope jumps where rounding moves a sample.
    axes = torch.meshgrid(*(torch.linspace(0.0, 2.0, n) for n in SHAPE), indexing="ij")
    field = Field(torch.stack([(a.sin() + 1.5) for a in axes]).prod(0)[None], MATRIX)
    weights = noise((1, VIEW.height, VIEW.width), generator)
    expected = gradients(field, VIEW, weights)
    found = gradients(on(device, field, single), seen_from(device, VIEW, single), weights.to(device))
    for there, here in zip(found, expected, strict=True):
        assert there.device.type == device
        # Relative to the largest: float32 sums over rays; the single device's positions are rounded before that too.
        # (By the distance it is 0: a detector further off sees the same.)
        scale = max(here.abs().max().item(), 1e-2)
        torch.testing.assert_close(
            there.cpu().double(), here.double(), rtol=0.0, atol=scale * (2e-3 if single else 1e-4)
        )


def test_rays_with_limits(device: str, single: bool, generator: torch.Generator) -> None:
    field = Field(noise((1, *SHAPE), generator), MATRIX)
    ends = torch.randn(2, 3, 4, 3, generator=generator) * 20.0
    start, stop = torch.full((3, 4), 0.2), torch.full((3, 4), 0.7)
    expected = project(field, Rays(ends[0], ends[1], start, stop))
    there = Rays(*(part.to(device) for part in (ends[0], ends[1], start, stop)))
    check_equal(project(on(device, field, single), there), expected, device, single)


def test_why_no_compiled_backend(device: str, single: bool) -> None:
    if single:
        pytest.skip("project goes to the host before it selects a backend there")
    field = on(device, Field(torch.ones(1, *SHAPE), MATRIX), single)
    rays = Rays.from_camera(seen_from(device, VIEW, single))
    chosen = select_backend(Request(field, rays, "linear", Exact()))
    assert chosen.backend.name == "reference"
    assert "not cpu: " in chosen.reason
    assert device in chosen.reason
    with pytest.raises(ValueError, match="backend 'cpu' cannot serve this request: "):
        project(field, rays, backend="cpu")


def test_what_is_elsewhere_is_named(device: str, single: bool) -> None:
    field = Field(torch.ones(1, *SHAPE), MATRIX)
    with pytest.raises(ValueError, match=f"must be on one device, got {device}:0 and cpu"):
        project(on(device, field, single), Rays.from_camera(VIEW))
    with pytest.raises(ValueError, match=f"values and labels must be on one device, got cpu and {device}:0"):
        Field(torch.ones(1, *SHAPE), MATRIX, torch.zeros(SHAPE, dtype=torch.uint8, device=device), 1)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"ijk_from_world": torch.zeros(4, 4)}, "ijk_from_world must end in the row 0 0 0 1"),
        ({"ijk_from_world": torch.diag(torch.tensor([1.0, 0.0, 1.0, 1.0]))}, "ijk_from_world must be invertible"),
        ({"labels": torch.full(SHAPE, 7, dtype=torch.uint8), "label_count": 3}, "labels must lie in 0 to 2"),
    ],
)
def test_fields_that_cannot_be(device: str, wrong: dict[str, Any], sentence: str) -> None:
    parts = {"values": torch.ones(1, *SHAPE), "ijk_from_world": torch.eye(4), **wrong}
    there = {name: part.to(device) if isinstance(part, Tensor) else part for name, part in parts.items()}
    with pytest.raises(ValueError, match=sentence):
        Field(**there)


def test_rays_that_are_not_finite(device: str) -> None:
    ends = torch.zeros(2, 1, 1, 3)
    ends[1, 0, 0, 2] = torch.nan
    with pytest.raises(ValueError, match="target must be finite, got NaN or infinity"):
        Rays(ends[0].to(device), ends[1].to(device))
