"""Cubic B-splines: the coefficients, what the spline reproduces, its border, and the compiled kernel."""

from typing import ClassVar

import pytest
import torch
from compiled_operator import RegisteredOperator, TwiceDifferentiableOperator, cases_of_the_class
from contracts import assert_same_integrals
from hypothesis import given, settings
from hypothesis import strategies as st
from raycast_scenes import (
    box_chord,
    carm,
    grid,
    noise,
    rays,
    turned_grid_pose,
    unit_field,
)
from torch import Tensor
from torch.testing import assert_close

from deepdrr.raycast import (
    Exact,
    Field,
    Rays,
    Step,
    prefilter,
    project,
    spline_coefficients,
    with_kernel_layout,
)
from deepdrr.raycast.spline._operator import compiled_prefilter
from deepdrr.raycast.spline._prefilter import prefilter_in_torch

pytest_generate_tests = cases_of_the_class

BACKENDS = pytest.mark.parametrize("backend", ["reference", "cpu"])
CUBIC = {"interpolation": "cubic", "integration": Step(mm=0.5)}


def spline_matrix(n: int) -> Tensor:
    """B of f = B c: a row (1, 4, 1) / 6 per value, its neighbour outside mirrored about the outer centre."""
    matrix = torch.zeros(n, n, dtype=torch.float64)
    for i in range(n):
        for j, weight in ((i - 1, 1 / 6), (i, 4 / 6), (i + 1, 1 / 6)):
            mirrored = 0 if n == 1 else abs(j) if j < n else 2 * n - 2 - j
            matrix[i, mirrored] += weight
    return matrix


@pytest.mark.parametrize("shape", [(30, 7, 2), (1, 5, 3), (1, 1, 1), (2, 1, 40)])
def test_the_spline_passes_through_the_values(shape, generator):
    values = torch.randn(2, *shape, generator=generator, dtype=torch.float64)
    b, c, d = (spline_matrix(n) for n in shape)
    again = torch.einsum("ia,jb,kc,nabc->nijk", b, c, d, prefilter(values))
    assert_close(again, values, rtol=0, atol=1e-13)  # float64 roundings
    assert torch.equal(prefilter_in_torch(values, chunk=50), prefilter(values))  # in several chunks


# Lines shorter and longer than a packet; axes of one voxel; several leading axes. In either order in memory.
SHAPES = [(1, 30, 7, 2), (2, 1, 5, 3), (1, 1, 1), (2, 1, 40), (3, 17, 33, 70), (1, 2, 64, 1), (2, 3, 4, 40, 5)]


class TestPrefilter(TwiceDifferentiableOperator, RegisteredOperator):
    """Cases are shapes, with the last axis or the third to last as the fastest in memory."""

    case: ClassVar = {f"{shape}{axis}": (shape, axis) for shape in SHAPES for axis in (-1, -3)}
    differentiable = case
    types: ClassVar = {torch.float32: torch.float32, torch.int16: torch.float32, torch.float64: torch.float64}
    value_share = gradient_share = 1e-6  # rounded to float32 after each of three axes

    def scene(self, case, generator: torch.Generator) -> Tensor:
        shape, axis = case
        return noise(shape, generator).movedim(-1, axis).contiguous().movedim(axis, -1)

    def large_scene(self, case, generator: torch.Generator) -> Tensor:
        return self.scene(((1, 40, 30, 50), case[1]), generator)

    def of_type(self, scene: Tensor, dtype: torch.dtype) -> Tensor:
        return (1000 * scene).round().to(dtype)

    def values(self, scene: Tensor, case, engine: str) -> Tensor:
        if engine == "reference":
            return prefilter_in_torch(scene.double())
        return prefilter(scene) if engine == "auto" else compiled_prefilter(scene, engine=engine)

    def gradients(self, scene: Tensor, case, engine: str) -> dict[str, Tensor]:
        leaf = (scene.double() if engine == "reference" else scene).clone().requires_grad_()
        upstream = torch.randn(scene.shape, generator=torch.Generator().manual_seed(1))
        coefficients = self.values(leaf, case, engine)
        return {"values": torch.autograd.grad(coefficients, leaf, upstream.to(coefficients))[0]}

    def calls(self, generator: torch.Generator):
        for spacing in (None, [2.0, 0.5, 1.0]):
            values = noise((2, 5, 4, 3), generator).requires_grad_()
            yield torch.ops.deepdrr.prefilter.default, (values, False, spacing, "cpu")

    def small(self, generator: torch.Generator):
        return prefilter, (torch.rand(1, 4, 3, 2, generator=generator, dtype=torch.float64),)


@pytest.mark.parametrize("shape", [(2, 9, 33, 40), (1, 1, 2, 5)])
def test_the_gradient_by_the_values_is_the_transposed_filter(shape, generator):
    """⟨A x, y⟩ = ⟨x, Aᵀ y⟩."""
    values, upstream = torch.randn(2, *shape, generator=generator)
    coefficients = prefilter(values.requires_grad_())
    (gradient,) = torch.autograd.grad(coefficients, values, upstream)
    left, right = (coefficients.detach().double() * upstream).sum(), (values.detach().double() * gradient).sum()
    scale = float(coefficients.detach().norm() * upstream.norm())
    assert_close(left, right, rtol=0, atol=1e-7 * scale)  # float32 results, independent roundings


def test_transforms_of_torch(generator):
    values = noise((2, 5, 4, 3), generator)
    assert torch.equal(torch.func.vmap(prefilter, in_dims=-1)(values.movedim(0, -1)), prefilter(values))
    jacobian = torch.func.jacrev(prefilter)(values[0, :, :1, :1])[:, 0, 0, :, 0, 0]
    assert_close(jacobian.double(), torch.linalg.inv(spline_matrix(5)), rtol=0, atol=1e-6)  # float32


@BACKENDS
def test_reproduces_cubics_in_the_interior(backend):
    """The border's mirroring dies away by √3 − 2 per voxel: thirty voxels inside nothing is left of it in float64."""
    axis = (torch.arange(72, dtype=torch.float64) - 36) / 15

    def polynomial(x: Tensor, y: Tensor, z: Tensor) -> Tensor:
        return (1 + x - 0.5 * x**2 + 0.3 * x**3) * (2 - y + 0.2 * y**3) * (1 + 0.5 * z + 0.4 * z**2 - 0.1 * z**3)

    values = polynomial(axis[:, None, None], axis[:, None], axis)[None]
    start, end = torch.tensor([32.3, 38.9, 33.2]).double(), torch.tensor([39.8, 32.1, 38.6]).double()
    field = unit_field(values if backend == "reference" else values.float())
    result = project(field, Rays(start.expand(1, 1, 3), end.expand(1, 1, 3)), backend=backend, **CUBIC).item()
    length = float((end - start).norm())
    count = int(-(-length // 0.5))
    points = start + (torch.arange(count, dtype=torch.float64)[:, None] + 0.5) / count * (end - start)
    expected = polynomial(*((points.T - 36) / 15)).mean() * length
    # Float32 values reach 40 at the corners and lend their rounding to the coefficients.
    assert_close(result, expected.item(), rtol=1e-11 if backend == "reference" else 2e-6, atol=0)


@BACKENDS
@pytest.mark.parametrize("shape", [(20, 16, 12), (1, 16, 12), (1, 1, 2)])
def test_homogeneous_box_is_its_chord(backend, shape):
    spacing, turn = (1.5, 0.8, 2.5), 40.0
    values = torch.ones(1, *shape, dtype=torch.float64 if backend == "reference" else torch.float32)
    bundle = Rays.from_camera(carm(24, 20, 45))
    half = torch.tensor([n * s / 2 for n, s in zip(shape, spacing, strict=True)], dtype=torch.float64)
    expected = box_chord(bundle, turned_grid_pose(turn), half)
    result = project(Field(values, grid(shape, spacing, turn)), bundle, backend=backend, **CUBIC)[0].double()
    # Weights that add up to 1: a few float64 roundings; float32 in the compiled kernel.
    assert_close(result, expected, rtol=0, atol=float(expected.max()) * (1e-10 if backend == "reference" else 2e-6))


@BACKENDS
def test_keeps_the_face_value_in_the_outer_half_voxel_and_is_zero_beyond(backend, generator):
    values = noise((1, 6, 5, 6), generator)
    bundle = rays(*(((-9, j, 2.3), (9, j, 2.3)) for j in [-0.5 + 1e-6, -0.3, 0.0, -0.5001, 4.5001]))
    result = project(unit_field(values), bundle, backend=backend, **CUBIC)[0, 0]
    assert_close(result[:2], result[2].expand(2), rtol=1e-6, atol=0)  # float32
    assert result[2] > 1
    assert result[3:].tolist() == [0.0, 0.0]


SIDE, SPACING, ANGLE = st.one_of(st.just(1), st.integers(2, 25)), st.floats(0.2, 5.0), st.floats(-180, 180)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    shape=st.tuples(SIDE, SIDE, SIDE),
    spacing=st.tuples(SPACING, SPACING, SPACING),
    turn=ANGLE,
    angles=st.tuples(ANGLE, ANGLE, ANGLE),
    channels=st.integers(1, 5),
    seed=st.integers(0, 2**31),
)
def test_the_compiled_kernel_agrees_with_the_reference(shape, spacing, turn, angles, channels, seed):
    field = Field(noise((channels, *shape), torch.Generator().manual_seed(seed)), grid(shape, spacing, turn))
    camera = carm(9, 13, min(sum(n * s for n, s in zip(shape, spacing, strict=True)), 400.0), angles)
    assert_same_integrals(field, camera, **CUBIC)


@pytest.mark.parametrize("before", [lambda field: field, with_kernel_layout])
def test_coefficients_made_once_serve_many_views(before, generator):
    field = before(Field(noise((3, 9, 8, 17), generator), grid((9, 8, 17), (1.5, 0.8, 2.5), 40)))
    values = field.values.clone()
    ready = spline_coefficients(field)
    assert ready.prefiltered
    assert torch.equal(field.values, values)
    assert spline_coefficients(ready) is ready
    assert with_kernel_layout(ready) is ready
    assert_close(ready.values, prefilter(values), rtol=0, atol=1e-6)  # the axes in another order, float32 between them
    assert torch.equal(project(ready, carm(6, 7, 20), **CUBIC), project(field, carm(6, 7, 20), **CUBIC))


def test_coefficients_of_values_that_require_a_gradient_pass_it_on(generator):
    values = noise((1, 5, 6, 4), generator).requires_grad_()
    coefficients = spline_coefficients(unit_field(values))
    (gradient,) = torch.autograd.grad(coefficients.values.sum(), values)
    assert_close(gradient.sum(), torch.autograd.grad(prefilter(values).sum(), values)[0].sum())
    with torch.no_grad():
        assert not spline_coefficients(unit_field(values)).values.requires_grad


def test_coefficients_are_not_values():
    coefficients = spline_coefficients(unit_field(torch.ones(1, 3, 3, 3)))
    with pytest.raises(ValueError, match=r"interpolation must be 'cubic' for a field of spline coefficients.*'linear'"):
        project(coefficients, carm(2, 2, 4))
    with pytest.raises(ValueError, match=r"integration must be Step.* for interpolation 'cubic'"):
        project(coefficients, carm(2, 2, 4), interpolation="cubic", integration=Exact())
    labels = torch.zeros(3, 3, 3, dtype=torch.int64)
    with pytest.raises(ValueError, match="no spline coefficients"):
        spline_coefficients(Field(None, torch.eye(4, dtype=torch.float64), labels, 2))
