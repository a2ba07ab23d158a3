"""The contract of every operator of the ray integrals, as a base class of tests.

A subclass makes its fields; its cases are rules, the arguments of `project`.
"""

from dataclasses import replace
from typing import ClassVar

import torch
from compiled_operator import ROUNDED, DifferentiableOperator
from raycast_scenes import assert_gradients, carm, difficult_rays, gradients
from torch import Tensor
from torch.testing import assert_close

from deepdrr.camera import Camera
from deepdrr.raycast import Field, Rays, project

__all__ = ["GRADIENT", "RayOperator", "assert_same_gradients", "assert_same_integrals"]

# Of the brightest pixel's whole integral: float32 weights and sums, the accuracy that the product promises.
VALUE = 1e-5
# Of the largest derivative: float32 sums of a few hundred terms; the product promises 1e-4.
GRADIENT = 1e-4
Triple = tuple[float, float, float]
Shape = tuple[int, int, int]
Rule = dict[str, object]
Scene = tuple[Field, Camera]


class RayOperator(DifferentiableOperator):
    """The contract of every compiled operator, and what those of the ray integrals promise besides.

    Attributes:
        case: all rules, by name.
        smooth: those for which two implementations agree on every ray. A sample within rounding of a voxel's face may
            go to either side, and the other rules jump there.
        adjoint: those that have gradients with respect to the values.
        differentiable: those that have gradients with respect to the rays too.
    """

    smooth: ClassVar[dict[str, Rule]]
    adjoint: ClassVar[dict[str, Rule]]
    types = dict.fromkeys((torch.float32, torch.float16, torch.int16, torch.int64), torch.float32)
    value_share = VALUE
    summed_by_torch = ("source",)  # which views share

    def field(self, shape: Shape, spacing: Triple, turn_deg: float, generator: torch.Generator) -> Field:
        """Values with no structure."""
        raise NotImplementedError

    # -- the contract of every compiled operator ------------------------------------------------------------------

    def scene(self, case: Rule, generator: torch.Generator) -> Scene:
        # Odd sides: across an even number of voxels the middle one of an odd number of samples lies on a face.
        return self.field((21, 17, 13), (1.5, 0.8, 2.5), 40, generator), carm(11, 14, 35)

    def large_scene(self, case: Rule, generator: torch.Generator) -> Scene:
        views = Camera.stack([carm(47, 51, 35), carm(47, 51, 35, (5, 60, 0))])
        return self.field((60, 16, 12), (0.5, 0.8, 2.5), 40, generator), views

    def of_type(self, scene: Scene, dtype: torch.dtype) -> Scene:
        field, camera = scene
        return replace(field, values=(100 * field.values).round().to(dtype)), camera

    def values(self, scene: Scene, case: Rule, engine: str) -> Tensor:
        return project(*scene, backend=engine, **case)

    def scale(self, expected: Tensor) -> float:
        return float(expected.abs().sum(-3).max())  # the brightest pixel's whole integral

    def gradients(self, scene: Scene, case: Rule, engine: str) -> dict[str, Tensor]:
        field, camera = scene
        return gradients(field, Rays.from_camera(camera), engine, **case)

    def assert_gradients(self, found: dict[str, Tensor], scene: Scene, case: Rule) -> None:
        field, camera = scene
        assert_gradients(found, field, Rays.from_camera(camera), GRADIENT, **case)

    # -- values ---------------------------------------------------------------------------------------------------

    def test_rays_along_axes_missing_and_inside(self, smooth, generator):
        field = self.field((9, 7, 5), (1, 1, 1), 0, generator)
        assert_same_integrals(field, difficult_rays(), **smooth)

    def test_voxels_of_any_stride_are_read_as_they_are(self, case, generator):
        """In any order of the axes, with gaps between rows, planes and channels that hold no number."""
        field = self.field((20, 16, 12), (1.5, 0.8, 2.5), 40, generator)
        expected = project(field, carm(6, 7, 20), backend="cpu", **case)
        for order in ((0, 1, 2), (2, 0, 1), (1, 2, 0), (2, 1, 0)):
            spread = replace(field, values=with_gaps(field.values, order))
            if field.labels is not None:
                spread = replace(spread, labels=with_gaps(field.labels[None], order)[0])
            found = project(spread, carm(6, 7, 20), backend="cpu", **case)
            # The corners of a cell are added in the order in which they lie in memory.
            assert_close(found, expected, rtol=ROUNDED, atol=ROUNDED * self.scale(expected))

    # -- gradients ------------------------------------------------------------------------------------------------

    def test_gradients_of_rays_along_axes_missing_and_inside(self, differentiable, generator):
        """Off the planes of voxel centres, where a trilinear field's derivative jumps and two answers are right."""
        field = self.field((9, 7, 5), (1, 1, 1), 0, generator)
        found = assert_same_gradients(field, difficult_rays(), **differentiable)
        nothing = found["target"][0, [4, 5, 8]]  # of rays that miss the volume, or have no length
        assert torch.equal(nothing, torch.zeros_like(nothing))

    def test_gradients_are_of_the_type_of_their_inputs(self, differentiable, generator):
        field = self.field((5, 6, 7), (1, 1, 1), 30, generator)
        values = field.values.half().requires_grad_()
        bundle = Rays.from_camera(carm(3, 3, 9))
        target = bundle.target.float().requires_grad_()
        given = replace(field, values=values)
        integrals = project(given, Rays(bundle.source, target), backend="cpu", **differentiable)
        grad_values, grad_target = torch.autograd.grad(integrals.sum(), (values, target))
        assert (grad_values.dtype, grad_target.dtype) == (torch.float16, torch.float32)
        assert float(grad_values.abs().max()) > 0
        assert float(grad_target.abs().max()) > 0

    def test_values_and_integrals_are_each_others_adjoint(self, adjoint, generator):
        """⟨A v, w⟩ = ⟨v, Aᵀ w⟩, on a grid long enough for many slabs, seen along and across them."""
        field = self.field((70, 12, 9), (1.1, 1.5, 2.0), 20, generator)
        for angles in ((0, 0, 0), (90, 5, 0), (40, 50, 60)):
            values = field.values.clone().requires_grad_()
            integrals = project(replace(field, values=values), carm(17, 21, 90, angles), backend="cpu", **adjoint)
            weights = torch.rand(integrals.shape, generator=generator)
            (grad_values,) = torch.autograd.grad(integrals, values, weights)
            left, right = (integrals * weights).double().sum(), (grad_values * values).double().sum()
            # Float32 integrals of positive values; a sample within rounding of a face may fall to either voxel.
            assert_close(left, right, rtol=1e-6 if adjoint in self.smooth.values() else 2e-5, atol=0)


def assert_same_integrals(field: Field, view: Camera | Rays, backend: str = "cpu", **how: object) -> None:
    """A backend has the reference's integrals."""
    expected = project(field, view, backend="reference", **how)
    brightest = float(expected.abs().sum(-3).max())
    assert_close(project(field, view, backend=backend, **how), expected, rtol=0, atol=VALUE * brightest)


def assert_same_gradients(field: Field, bundle: Rays, backend: str = "cpu", **how: object) -> dict[str, Tensor]:
    """A backend has the reference's gradients, with respect to every input."""
    found = gradients(field, bundle, backend, **how)
    assert_gradients(found, field, bundle, GRADIENT, **how)
    return found


def with_gaps(grid: Tensor, order: Shape) -> Tensor:
    """A grid [C, I, J, K] whose axes lie in another order in memory, slowest first, with gaps between them."""
    channels, *shape = grid.shape
    room = torch.zeros(3 * channels, *(shape[axis] + 3 for axis in order), dtype=grid.dtype)
    if grid.is_floating_point():
        room.fill_(torch.nan)
    back = [1 + order.index(axis) for axis in range(3)]
    spread = room[::3].permute(0, *back)[:, : shape[0], : shape[1], : shape[2]]
    spread.copy_(grid)
    return spread
