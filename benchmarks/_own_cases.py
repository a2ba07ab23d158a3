"""The rows of issue 3's table without a peer: the cost of a feature relative to the plain projection."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
from _cases import Case, relative_error
from _scene import Scene, carm
from torch import Tensor

from deepdrr.camera import Camera
from deepdrr.raycast import Exact, Step, project, spline_coefficients

__all__ = ["own_cases"]

STEP = Step(mm=2.0)


def own_cases(scene: Scene) -> list[Callable[[], Case]]:
    """Builders of the rows, in the issue's order."""
    splines = [partial(cubic, scene, pose) for pose in ("AP", "tilt 30/20/10")] + [partial(cubic_from_values, scene)]
    return [partial(three_channels, scene), partial(exact_linear, scene), *splines, partial(batch_of_16, scene)]


def three_channels(scene: Scene) -> Case:
    """Three channels relative to one; the three sum to the one."""
    one, three, camera = scene.int16_field(), scene.int16_field(3), carm()
    return Case(
        name="3 channels / 1 channel, AP, 2 mm",
        ours=partial(project, three, camera, integration=STEP, backend="cpu"),
        other=partial(project, one, camera, integration=STEP, backend="cpu"),
        must=2.0,
        reach=1.5,
        step_mm=STEP.mm,
        errors=lambda ours, other: (relative_error(ours.sum(-3, keepdim=True), other), 0.0),
        cost=True,
    )


def exact_linear(scene: Scene) -> Case:
    """Exact integration relative to steps of half a voxel; errors against the float64 reference on a few rays."""
    field, camera, step = scene.int16_field(), carm("tilt 30/20/10"), Step(mm=scene.voxel_mm / 2)
    return Case(
        name="exact linear / half-voxel steps, tilt 30/20/10",
        ours=partial(project, field, camera, integration=Exact(), backend="cpu"),
        other=partial(project, field, camera, integration=step, backend="cpu"),
        must=3.0,
        reach=2.0,
        step_mm=step.mm,
        errors=lambda ours, other: _reference_errors(scene, camera, ours, other),
        cost=True,
    )


def cubic(scene: Scene, pose: str) -> Case:
    """Cubic B-spline relative to trilinear interpolation at the same step, with coefficients made once."""
    field, camera = scene.field(), carm(pose)
    coefficients = spline_coefficients(field)
    return Case(
        name=f"cubic / linear, {pose}, 2 mm",
        ours=partial(project, coefficients, camera, interpolation="cubic", integration=STEP, backend="cpu"),
        other=partial(project, field, camera, integration=STEP, backend="cpu"),
        must=5.0,
        reach=3.0,
        step_mm=STEP.mm,
        errors=lambda ours, other: (None, relative_error(other, ours)),
        note="coefficients made once",
        cost=True,
    )


def cubic_from_values(scene: Scene) -> Case:
    """Cost of the coefficients for a single view: cubic from values relative to cubic from ready coefficients."""
    field, camera = scene.field(), carm()
    coefficients = spline_coefficients(field)
    how = {"interpolation": "cubic", "integration": STEP, "backend": "cpu"}
    return Case(
        name="cubic with its coefficients / without, AP, 2 mm",
        ours=partial(project, field, camera, **how),
        other=partial(project, coefficients, camera, **how),
        must=None,
        reach=None,
        step_mm=STEP.mm,
        errors=lambda ours, other: (relative_error(ours, other), 0.0),
        note="no target: a filter over the whole volume",
        cost=True,
    )


def batch_of_16(scene: Scene) -> Case:
    """Sixteen poses in one call relative to sixteen calls."""
    field = scene.int16_field()
    cameras = [carm((6.0 * n - 45.0, 3.0 * n - 22.5, 0.0)) for n in range(16)]
    batch = Camera.stack(cameras)

    def one_by_one() -> Tensor:
        return torch.stack([project(field, camera, integration=STEP, backend="cpu") for camera in cameras])

    return Case(
        name="16 poses at once / one by one, 2 mm",
        ours=partial(project, field, batch, integration=STEP, backend="cpu"),
        other=one_by_one,
        must=1.0,
        reach=0.7,
        step_mm=STEP.mm,
        errors=lambda ours, other: (relative_error(ours, other), 0.0),
        cost=True,
    )


def _reference_errors(scene: Scene, camera: Camera, *images: Tensor, rays: int = 24) -> tuple[float, float]:
    """Errors of two images against the float64 reference, on rays × rays of their pixels in the middle."""
    top = (camera.height - rays) // 2
    window = camera.cropped(top, top, rays, rays)
    field = replace(scene.field(), values=scene.mu[None].double())
    exact = project(field, window, backend="reference")
    ours, other = (relative_error(image[..., top : top + rays, top : top + rays], exact) for image in images)
    return ours, other
