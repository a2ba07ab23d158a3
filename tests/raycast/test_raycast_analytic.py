"""`project` against integrals known in closed form, for both backends."""

import math

import pytest
import torch
from raycast_scenes import box_chord, carm, grid, noise, rays, turned_grid_pose, unit_field
from torch.testing import assert_close

from deepdrr.camera import Camera
from deepdrr.raycast import Exact, Field, Rays, Samples, Step, project

# Relative to the integral. Reference: a few hundred float64 roundings. Compiled: float32 end result and weights.
TOLERANCE = {"reference": 1e-10, "cpu": 2e-6}

BACKENDS = pytest.mark.parametrize("backend", ["reference", "cpu"])
INTERPOLATIONS = pytest.mark.parametrize("interpolation", ["nearest", "linear"])
RULES = [Exact(), Step(mm=0.7), Samples(9)]
INTEGRATIONS = pytest.mark.parametrize("integration", RULES, ids=["exact", "step", "samples"])


def run(field: Field, view: Camera | Rays, backend: str, **how: object) -> torch.Tensor:
    """Project in the backend's own precision: the reference with float64 values."""
    if backend == "reference" and field.values is not None:
        field = Field(field.values.double(), field.ijk_from_world, field.labels, field.label_count)
    return project(field, view, backend=backend, **how).double()


@BACKENDS
@INTERPOLATIONS
@INTEGRATIONS
@pytest.mark.parametrize("shape", [(20, 16, 12), (1, 16, 12), (20, 1, 1), (1, 1, 1)])
def test_homogeneous_box_is_its_chord(backend, interpolation, integration, shape):
    spacing, turn = (1.5, 0.8, 2.5), 40.0
    field = Field(torch.full((1, *shape), 0.02), grid(shape, spacing, turn))
    bundle = Rays.from_camera(carm(24, 20, 45))
    half = torch.tensor([n * s / 2 for n, s in zip(shape, spacing, strict=True)], dtype=torch.float64)
    expected = float(torch.tensor(0.02)) * box_chord(bundle, turned_grid_pose(turn), half)
    assert (expected > 0).any()
    assert (expected == 0).any()
    result = run(field, bundle, backend, interpolation=interpolation, integration=integration)[0]
    scale = float(expected.max())
    assert_close(result, expected, rtol=0, atol=scale * TOLERANCE[backend])


@BACKENDS
@INTERPOLATIONS
def test_ray_along_a_row_of_voxels_sums_them(backend, interpolation, generator):
    """Along an axis through voxel centres linear and nearest both give Σ v · spacing: trapezia plus two half voxels."""
    values = noise((1, 9, 7, 5), generator)
    field = Field(values, grid((9, 7, 5), (2.0, 3.0, 0.5)))
    bundle = rays(((-50, 3, 0.5), (60, 3, 0.5)), ((4, 90, -1), (4, -90, -1)), ((-2, -6, 30), (-2, -6, -40)))
    sums = [2.0 * values[0, :, 4, 3].sum(), 3.0 * values[0, 6, :, 0].sum(), 0.5 * values[0, 3, 1].sum()]
    result = run(field, bundle, backend, interpolation=interpolation)[0, 0]
    # The values are float32: their sum of nine terms is good to 1e-6.
    assert_close(result, torch.stack(sums).double(), rtol=1e-6, atol=0)


@BACKENDS
def test_linear_keeps_the_face_value_in_the_outer_half_voxel_and_is_zero_beyond(backend, generator):
    values = noise((1, 4, 5, 6), generator)
    outer = [-0.5 + 1e-6, -0.3, 0.0]
    bundle = rays(*(((-9, j, 2.0), (9, j, 2.0)) for j in [*outer, -0.5001, 4.5001]))
    result = run(unit_field(values), bundle, backend)[0, 0]
    assert_close(result[:3], values[0, :, 0, 2].sum().double().expand(3), rtol=1e-6, atol=0)  # float32 sum
    assert result[3:].tolist() == [0.0, 0.0]


@BACKENDS
@INTERPOLATIONS
def test_a_ray_in_the_lower_face_is_inside_in_the_upper_face_outside(backend, interpolation):
    """The support is half open, so that boxes side by side never share a ray."""
    bundle = rays(((-9, -0.5, 1), (9, -0.5, 1)), ((-9, 2.5, 1), (9, 2.5, 1)))
    result = run(unit_field(torch.ones(1, 3, 3, 3)), bundle, backend, interpolation=interpolation)
    assert_close(result[0, 0], torch.tensor([3.0, 0.0], dtype=torch.float64))


@BACKENDS
@INTERPOLATIONS
def test_rays_through_edges_and_corners(backend, interpolation):
    """The diagonals of a cube of ones, and of its faces' middle planes, meet only edges and corners of voxels."""
    bundle = rays(
        ((-8, -8, -8), (16, 16, 16)),
        ((15.5, -8.5, 15.5), (-8.5, 15.5, -8.5)),
        ((-8, 3.5, -8), (16, 3.5, 16)),
        ((3.5, 3.5, -9), (3.5, 3.5, 9)),
    )
    result = run(unit_field(torch.ones(1, 8, 8, 8)), bundle, backend, interpolation=interpolation)[0, 0]
    expected = torch.tensor([8 * math.sqrt(3), 8 * math.sqrt(3), 8 * math.sqrt(2), 8.0], dtype=torch.float64)
    assert_close(result, expected, rtol=TOLERANCE[backend], atol=0)


@BACKENDS
def test_exact_linear_integrates_trilinear_polynomials(backend):
    """f = Π (a + b x) is its own trilinear interpolant; along a line it is one cubic, known from its coefficients."""
    x = [torch.arange(n, dtype=torch.float64) for n in (12, 9, 7)]
    factors = [(0.5, 0.2), (2.0, -0.1), (0.3, 0.4)]
    i, j, k = (a + b * axis for (a, b), axis in zip(factors, x, strict=True))
    values = (i[:, None, None] * j[:, None] * k)[None].float()
    start, end = torch.tensor([0.2, 7.9, 0.4]).double(), torch.tensor([10.7, 0.3, 5.8]).double()
    field = unit_field(values.double() if backend == "reference" else values)
    result = project(field, Rays(start.expand(1, 1, 3), end.expand(1, 1, 3)), backend=backend)
    lines = [(a + b * p, b * (q - p)) for (a, b), p, q in zip(factors, start.tolist(), end.tolist(), strict=True)]
    (a, p), (b, q), (c, r) = lines
    mean = a * b * c + (p * b * c + a * q * c + a * b * r) / 2 + (p * q * c + p * b * r + a * q * r) / 3 + p * q * r / 4
    assert_close(result.item(), mean * float((end - start).norm()), rtol=1e-6, atol=0)  # values were float32


@BACKENDS
@INTERPOLATIONS
def test_source_and_target_inside(backend, interpolation):
    bundle = rays(((2, 1, 2), (2, 6, 2)), ((2, 1, 2), (2, 99, 2)), ((2, -99, 2), (2, 6, 2)), ((3, 3, 3), (3, 3, 3)))
    result = run(unit_field(torch.ones(1, 8, 8, 8)), bundle, backend, interpolation=interpolation)[0, 0]
    assert_close(result, torch.tensor([5.0, 6.5, 6.5, 0.0], dtype=torch.float64), rtol=TOLERANCE[backend], atol=0)


@BACKENDS
@INTERPOLATIONS
def test_start_and_stop_split_the_integral(backend, interpolation, generator):
    """Start and stop may differ from ray to ray, lie outside [0, 1] or cross: ∫₀^s + ∫_s^1 = ∫₀^1."""
    field = Field(noise((2, 20, 16, 12), generator), grid((20, 16, 12), (1.5, 0.8, 2.5), 40))
    whole = Rays.from_camera(carm(8, 6, 35))
    split = 0.45 + 0.15 * torch.rand(8, 6, generator=generator, dtype=torch.float64)
    first = run(field, Rays(whole.source, whole.target, stop=split), backend, interpolation=interpolation)
    second = run(field, Rays(whole.source, whole.target, split, split * 0 + 3), backend, interpolation=interpolation)
    total = run(field, whole, backend, interpolation=interpolation)
    assert (first > 0).any()
    assert (second > 0).any()
    assert_close(first + second, total, rtol=0, atol=float(total.max()) * TOLERANCE[backend])
    crossed = Rays(whole.source, whole.target, split, split - 0.1)
    assert run(field, crossed, backend, interpolation=interpolation).abs().max() == 0


@BACKENDS
def test_sphere_of_voxels_approaches_the_sphere(backend):
    """A voxelised ball, linear: a chord ends within a voxel's diagonal of the sphere, on average far closer."""
    n, radius = 41, 15.0
    axis = torch.arange(n, dtype=torch.float64) - (n - 1) / 2
    ball = (axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2 <= radius**2).float()[None]
    camera = carm(33, 33, 36)
    result = run(Field(ball, grid((n, n, n), (1.0, 1.0, 1.0), 25)), camera, backend)[0]
    bundle = Rays.from_camera(camera)
    path = torch.nn.functional.normalize(bundle.target - bundle.source, dim=-1)
    distance = torch.linalg.cross(bundle.source, path).norm(dim=-1)
    chord = 2 * (radius**2 - distance**2).clamp(min=0).sqrt()
    central = distance < 0.7 * radius
    # Each end is smeared over one voxel about the sphere and met at up to 45°: √2 voxels per end at worst.
    assert (result - chord)[central].abs().max() < 2 * math.sqrt(2)
    assert (result - chord)[central].mean().abs() < 0.1  # the ball's volume is off by O(1 / R²)


@BACKENDS
def test_step_converges_to_exact_with_second_order(backend, generator):
    field = Field(noise((1, 12, 12, 12), generator), grid((12, 12, 12), (2.0, 2.0, 2.0), 15))
    camera = carm(16, 16, 30)
    exact = run(field, camera, backend)
    coarse, fine = (float((run(field, camera, backend, integration=Step(mm)) - exact).std()) for mm in (0.5, 0.25))
    assert coarse < 2e-3 * float(exact.max())
    assert 3.0 < coarse / fine < 5.5  # the midpoint rule halves to a quarter; kinks at cell faces scatter it


@BACKENDS
def test_every_ray_gets_the_same_number_of_samples(backend):
    """One sample is the middle of the chord, two are its quarters: here a slope, known everywhere."""
    slope = torch.arange(8.0).expand(1, 8, 8, 8).movedim(-1, 1)  # the value is i
    bundle = rays(((-30, 3, 4), (40, 3, 4)), ((3, -9, 4), (3, 30, 4)), ((90, 90, 90), (99, 90, 90)))
    lengths = run(unit_field(torch.ones(1, 8, 8, 8)), bundle, backend, integration=Exact())
    one, two = (run(unit_field(slope), bundle, backend, integration=Samples(n)) / lengths for n in (1, 2))
    # The chord along i is from −½ to 7½; where two samples lie at 1½ and 5½ the slope is not clamped.
    assert_close(one[0, 0, :2].tolist(), [3.5, 3.0], rtol=1e-6, atol=0)
    assert_close(two[0, 0, :2].tolist(), [3.5, 3.0], rtol=1e-6, atol=0)
    assert lengths[0, 0, 2] == 0
    assert one[0, 0, 2].isnan()


@BACKENDS
@INTEGRATIONS
@INTERPOLATIONS
def test_constant_field_of_each_channel(backend, integration, interpolation):
    """Channels do not mix, whatever their number (the compiled layout pads it to 1, 2 or a multiple of 4)."""
    bundle = rays(((-30, 3.2, 4.1), (40, 2.9, 3.7)))
    for channels in (1, 2, 3, 4, 5, 8, 9):
        levels = torch.arange(1.0, channels + 1)
        field = unit_field(levels[:, None, None, None].expand(channels, 8, 8, 8))
        result = run(field, bundle, backend, interpolation=interpolation, integration=integration)[:, 0, 0]
        assert_close(result / levels, result[:1].expand(channels), rtol=1e-6, atol=0)  # float32 sums


def test_distant_source_and_large_detector_keep_float32_accuracy(generator):
    """1536 × 1536 pixels, source a metre away: the compiled kernels lose nothing to cancellation."""
    field = Field(noise((1, 60, 60, 60), generator), grid((60, 60, 60), (2.0, 2.0, 2.0), 33))
    full = Rays.from_camera(
        Camera.carm(sdd_mm=1800, sid_mm=1000, height=1536, width=1536, pixel_mm=0.194, angles_deg=(31, 22, 5))
    )
    some = Rays(full.source[::111, ::97], full.target[::111, ::97])
    reference = project(field, some, backend="reference")
    # Positions are rounded to 2^-24 of a voxel index: 1e-5 of a line integral is what the product promises.
    assert_close(project(field, some, backend="cpu"), reference, rtol=1e-5, atol=1e-5)


def test_orthographic_camera_sees_parallel_rays():
    field = Field(torch.ones(1, 10, 10, 10), grid((10, 10, 10), (1.0, 1.0, 1.0)))
    base = Camera.carm(sdd_mm=1000, sid_mm=500, height=9, width=9, pixel_mm=1.0)
    camera = Camera(base.intrinsics, base.camera_from_world, base.sdd_mm, 9, 9, orthographic=True)
    for backend in ("cpu", "reference"):
        assert_close(project(field, camera, backend=backend), torch.full((1, 9, 9), 10.0))
