"""A field stored in two memory orders, and a camera's rays stored by rows and columns of pixels."""

from dataclasses import replace

import pytest
import torch
from raycast_scenes import carm, grid, noise
from torch.testing import assert_close

from deepdrr.raycast import Exact, Field, Rays, Request, Samples, Step, project, with_kernel_layout
from deepdrr.raycast._rays import CameraRays
from deepdrr.raycast.cpu._line_integrals import layout_read
from deepdrr.raycast.layout._arrangement import edge_pitch
from deepdrr.raycast.layout._memory_order import memory_order

SHAPE, SPACING = (40, 36, 24), (0.7, 0.8, 2.5)
AFFINE = grid(SHAPE, SPACING)
# An orbit about the patient keeps columns of pixels along k, a tilt keeps rows along i, both together neither.
FRONT, ORBIT, TILT, OBLIQUE = ((0, 0, 0), (37, 0, 0), (0, 25, 0), (37, 25, 10))
# Sums of float32 in another order, of samples whose places are rounded to 2^-22 voxels.
SAME = {"rtol": 5e-6, "atol": 1e-3}


def hu(generator: torch.Generator) -> Field:
    return Field((noise((1, *SHAPE), generator) * 3000 - 1000).round(), AFFINE)


def fastest_axis_read(field: Field, angles_deg: tuple[float, float, float]) -> int:
    """The fastest axis in memory of the values that a view's kernel is given."""
    rays = CameraRays(carm(40, 30, 30, angles_deg))
    layout = layout_read(field, Request(field, rays, "linear", Step(mm=0.5)))
    return memory_order(field.values)[2] if layout is None else layout.fastest_axis


@pytest.mark.parametrize(("angles_deg", "axis"), [(FRONT, 2), (ORBIT, 2), (TILT, 0), (OBLIQUE, 0)])
@pytest.mark.cpu_only("of the layout that the CPU's kernels read")
def test_a_view_reads_the_copy_whose_rows_lie_along_its_detector(angles_deg, axis, generator):
    """From the front both would do: rays are fewer voxels apart along k, so that fewer rows serve more of them."""
    assert fastest_axis_read(with_kernel_layout(hu(generator), "int16"), angles_deg) == axis


@pytest.mark.parametrize("angles_deg", [FRONT, ORBIT, TILT, OBLIQUE])
@pytest.mark.parametrize("integration", [Step(mm=0.5), Samples(count=60), Exact()], ids=["step", "samples", "exact"])
def test_both_copies_have_the_same_integrals(angles_deg, integration, generator):
    field, camera = with_kernel_layout(hu(generator), "int16"), carm(40, 30, 30, angles_deg)
    one_way = replace(field, arrangement=None)
    expected = project(one_way, camera, integration=integration)
    assert_close(project(field, camera, integration=integration), expected, **SAME)


@pytest.mark.cpu_only("of the layout that the CPU's kernels read")
def test_a_copy_that_is_no_longer_one_is_left_aside(generator):
    field = with_kernel_layout(hu(generator), "int16")
    other = replace(field, values=field.values.clone())
    assert fastest_axis_read(other, ORBIT) == 0
    field.values[0, 20, 18, 12] += 1000
    assert fastest_axis_read(field, ORBIT) == 0
    again = with_kernel_layout(field, "int16")
    assert fastest_axis_read(again, ORBIT) == 2
    assert torch.equal(again.arrangement.turned.values, field.values)


def test_a_copy_is_made_once(generator):
    field = with_kernel_layout(hu(generator), "int16")
    assert with_kernel_layout(field, "int16") is field
    assert with_kernel_layout(hu(generator)).arrangement is None


def test_a_thin_grid_lies_one_way(generator):
    thin = Field(torch.zeros(1, 40, 36, 15), grid((40, 36, 15), SPACING))
    assert with_kernel_layout(thin, "int16").arrangement.turned is None


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("orthographic", [False, True])
def test_rows_and_columns_of_pixels_are_the_same_rays(orthographic, dtype):
    """Places of some thousand mm are 1e-4 mm apart in float32, 2e-13 in float64."""
    camera = replace(carm(7, 5, 25), orthographic=orthographic)
    parts = ("intrinsics", "camera_from_world", "sdd_mm")
    camera = replace(camera, **{name: getattr(camera, name).to(dtype) for name in parts})
    lines, rays = CameraRays(camera), Rays.from_camera(camera)
    tolerance = {"rtol": 0, "atol": 1e-12 if dtype == torch.float64 else 5e-4}
    assert lines.shape == rays.shape
    assert_close(lines.source, rays.source, **tolerance)
    assert_close(lines.target, rays.target, **tolerance)


@pytest.mark.parametrize("orthographic", [False, True])
def test_a_camera_is_projected_as_its_rays_are(orthographic, generator):
    field = with_kernel_layout(hu(generator))
    cameras = [replace(carm(9, 8, 30, angles), orthographic=orthographic) for angles in (FRONT, OBLIQUE)]
    for camera in cameras:
        # The same float64 ends, added up here or there: the last bit of a place moves an integral by less than this.
        assert_close(project(field, camera), project(field, Rays.from_camera(camera)), **SAME)


@pytest.mark.parametrize("orthographic", [False, True])
def test_two_axes_of_views_share_what_has_but_one_of_them(orthographic, generator):
    """Poses [2, 1] and distances [3] are six views, one intrinsic matrix for all."""
    field, cameras = with_kernel_layout(hu(generator)), [carm(9, 8, 30, angles) for angles in (FRONT, OBLIQUE)]
    poses = torch.stack([camera.camera_from_world for camera in cameras])[:, None]
    distances = cameras[0].sdd_mm * torch.tensor([0.9, 1.0, 1.1], dtype=torch.float64)
    views = replace(cameras[0], camera_from_world=poses, sdd_mm=distances, orthographic=orthographic)
    images = project(field, views, integration=Step(mm=0.5))
    assert images.shape[:2] == (2, 3)
    for a in range(2):
        for b in range(3):
            view = replace(views, camera_from_world=poses[a, 0], sdd_mm=distances[b])
            assert_close(images[a, b], project(field, view, integration=Step(mm=0.5)), **SAME)


def test_an_edge_aslant_of_the_grid_is_along_no_axis():
    aslant = carm(9, 9, 30, (0, 0, 0.01))
    assert edge_pitch(CameraRays(aslant), AFFINE) == [torch.inf] * 3
    front = edge_pitch(CameraRays(carm(9, 9, 30, FRONT)), AFFINE)
    assert front[1] == torch.inf
    # Square pixels: as many mm along i as along k.
    assert_close(front[0] * SPACING[0], front[2] * SPACING[2], rtol=1e-9, atol=0)
