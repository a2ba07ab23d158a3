"""Exact integrals of packets whose rays share their cells, as those of fine pixels do, are those of the reference."""

from dataclasses import replace

import pytest
import torch
from compiled_operator import EVERY_BUILD, on_any_number_of_threads
from contracts import assert_same_integrals
from raycast_scenes import GRIDS, carm, grid, noise
from torch.testing import assert_close

from deepdrr.camera import Camera
from deepdrr.raycast import Field, Rays, Step, project, with_kernel_layout

pytestmark = pytest.mark.cpu_only("of the CPU's packets")

# Along the grid's axes, both ways; between two axes; and the poses of a C-arm.
POSES = [
    (0, 0, 0),
    (180, 0, 0),
    (90, 0, 0),
    (0, 90, 0),
    (45, 0, 0),
    (35, 35, 0),
    (20, -35, 10),
    (0, 60, 0),
    (89.9, 0.1, 3),
]
SHAPE, SPACING = (23, 31, 17), (1.5, 1.1, 3.0)
# Field of view of 26 pixels, mm: a pixel is 0.04 to 8 mm. Some packets share their cells, some walk.
VIEWS_MM = [1.0, 8.0, 40.0, 90.0, 200.0]


@EVERY_BUILD
@pytest.mark.parametrize("view_mm", VIEWS_MM)
def test_any_pose_and_any_pitch_of_pixels(build, view_mm, generator):
    field = Field(noise((3, *SHAPE), generator), grid(SHAPE, SPACING))
    for angles in POSES:
        assert_same_integrals(field, carm(26, 44, view_mm, angles), build)


@EVERY_BUILD
@pytest.mark.parametrize("channels", [1, 2, 4, 5, 9])
def test_any_number_of_channels(build, channels, generator):
    field = Field(noise((channels, *SHAPE), generator) - 0.5, grid(SHAPE, SPACING, 30))
    assert_same_integrals(field, carm(9, 14, 6.0), build)


@EVERY_BUILD
@pytest.mark.parametrize(("shape", "spacing"), GRIDS)
def test_grids_of_one_slice_and_tiny_ones(build, shape, spacing, generator):
    field = Field(noise((2, *shape), generator), grid(shape, spacing))
    extent = max(n * s for n, s in zip(shape, spacing, strict=True))
    for angles in POSES:
        assert_same_integrals(field, carm(16, 24, extent, angles), build)


@EVERY_BUILD
def test_packets_that_straddle_every_edge_of_the_volume(build, generator):
    """A window of fine pixels slides over the silhouette: chords begin and end on different faces within a packet."""
    field = Field(noise((3, *SHAPE), generator), grid(SHAPE, SPACING))
    for angles in ((0, 0, 0), (20, -35, 10), (45, 20, 0)):
        camera = carm(10, 10, 4.0, angles)
        for x in (-26, -17, 0, 17, 26):
            for y in (-26, -17, 0, 17, 26):
                moved = camera.camera_from_world.clone()
                moved[..., 0, 3] += x
                moved[..., 1, 3] += y
                assert_same_integrals(field, replace(camera, camera_from_world=moved), build)


@EVERY_BUILD
def test_limits_sources_inside_and_rays_of_all_directions(build, generator):
    field = Field(noise((3, *SHAPE), generator), grid(SHAPE, SPACING, 25))
    fine = Rays.from_camera(carm(12, 20, 6.0))
    start = 0.45 + 0.1 * torch.rand(12, 20, generator=generator, dtype=torch.float64)
    stop = start + 0.1 * (torch.rand(12, 20, generator=generator, dtype=torch.float64) - 0.2)
    assert_same_integrals(field, Rays(fine.source, fine.target, start, stop), build)
    inside = torch.zeros(1, 1, 3, dtype=torch.float64) + 0.123
    assert_same_integrals(field, Rays(inside, fine.target), build)
    everywhere = torch.nn.functional.normalize(torch.randn(12, 20, 3, generator=generator, dtype=torch.float64), dim=-1)
    assert_same_integrals(field, Rays(inside - 200 * everywhere, inside + 200 * everywhere), build)
    assert_same_integrals(field, Rays(inside, inside + 60 * everywhere), build)


@EVERY_BUILD
def test_parallel_rays_on_planes_of_voxel_centres(build, generator):
    """Rays that run within a plane where two cells meet: both give the same, and nothing is counted twice."""
    field = Field(noise((2, 9, 9, 9), generator), grid((9, 9, 9), (1.0, 1.0, 1.0)))
    steps = torch.linspace(-4.5, 4.5, 19, dtype=torch.float64)[:-1]  # centers, faces, and the outer half voxels
    across = torch.stack(torch.meshgrid(steps, steps, indexing="ij"), -1)
    for axis in range(3):
        ends = [torch.zeros(18, 18, 3, dtype=torch.float64) for _ in range(2)]
        for end, at in zip(ends, (-20.0, 20.0), strict=True):
            end[..., [a for a in range(3) if a != axis]] = across
            end[..., axis] = at
        assert_same_integrals(field, Rays(*ends), build)


@EVERY_BUILD
def test_sheared_grids(build, generator):
    shear = torch.eye(4, dtype=torch.float64)
    shear[0, 1], shear[2, 0] = 0.4, -0.3
    field = Field(noise((3, *SHAPE), generator), grid(SHAPE, SPACING) @ shear)
    for angles in POSES:
        assert_same_integrals(field, carm(10, 14, 8.0, angles), build)


@EVERY_BUILD
def test_orthographic_cameras(build, generator):
    field = Field(noise((3, *SHAPE), generator), grid(SHAPE, SPACING, 12))
    for view_mm in VIEWS_MM:
        assert_same_integrals(field, replace(carm(13, 21, view_mm), orthographic=True), build)


@EVERY_BUILD
@pytest.mark.parametrize("storage", ["float32", "int16"])
def test_empty_blocks_are_skipped_and_add_nothing(build, storage, generator):
    values = torch.zeros(3, 60, 50, 40)
    values[0, 20:28, 20:30, 5:9] = (1000 * noise((8, 10, 4), generator)).round()
    values[2, :, 48:, :] = (1000 * noise((60, 2, 40), generator)).round()
    field = with_kernel_layout(Field(values, grid((60, 50, 40), (1.0, 1.2, 1.4))), storage)
    assert field.arrangement.layout.occupied is not None
    for angles in POSES:
        camera = carm(20, 24, 30.0, angles)
        # Beside matter, sums that it was part of leave their rounding: 1e-5 of what a ray through it would have.
        expected, found = (project(field, camera, backend=name) for name in ("reference", build))
        assert_close(found, expected, rtol=0, atol=1e-5 * 1000 * 8)
        seen = Rays.from_camera(camera)  # read in the same layout, with the map and without
        assert torch.equal(
            project(field, seen, backend=build), project(replace(field, arrangement=None), seen, backend=build)
        )


@EVERY_BUILD
def test_any_number_of_threads_gives_the_same_bits(build, generator):
    field = Field(noise((3, *SHAPE), generator), grid(SHAPE, SPACING, 30))
    cameras = Camera.stack([carm(90, 101, 20.0), carm(90, 101, 20.0, (0, 60, 0))])
    one, *others = on_any_number_of_threads(lambda: project(field, cameras, backend=build))
    assert all(torch.equal(one, other) for other in others)


def test_error_is_that_of_rounding(generator):
    """2e-6 of the largest integral: sums in float32 of a few hundred slabs, whose positions count from cells nearby."""
    field = Field(noise((2, 240, 200, 12), generator), grid((240, 200, 12), (0.7, 0.7, 3.0)))
    for angles in ((0, 0, 0), (90, 0, 0), (30, 10, 5)):
        camera = carm(12, 16, 5.0, angles)
        expected = project(field, camera, backend="reference")
        error = (project(field, camera, backend="cpu") - expected).abs().max()
        assert float(error) < 2e-6 * float(expected.max())


def test_exact_is_the_limit_of_short_steps(generator):
    field = Field(noise((3, *SHAPE), generator), grid(SHAPE, SPACING, 30))
    camera = carm(12, 16, 6.0)
    exact, fine = (
        project(field, camera, backend="cpu"),
        project(field, camera, integration=Step(mm=0.01), backend="cpu"),
    )
    # Midpoints are off by (step / voxel)² / 24 of a kink's height: below 1e-5 here; the sums' rounding is 1e-5.
    assert_close(fine, exact, rtol=3e-5, atol=0)
