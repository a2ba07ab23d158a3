"""The camera: which pixel sees which point, and the way to and from other conventions."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from deepdrr import geo
from deepdrr.camera import Camera, carm_parameters, positioner_angles

DETECTOR = {"sdd_mm": 1020.0, "sid_mm": 530.0, "height": 120, "width": 160, "pixel_mm": 2.0}
EXACT = {"rtol": 0.0, "atol": 1e-9}  # float64 pixels and mm of order 1000, a few hundred ulp


def carm(alpha: float = 0.0, beta: float = 0.0, gamma: float = 0.0, **changes: object) -> Camera:
    return Camera.carm(**{**DETECTOR, "angles_deg": (alpha, beta, gamma), **changes})  # type: ignore[arg-type]


def some_points(generator: torch.Generator, count: int = 20) -> torch.Tensor:
    return (torch.rand(count, 3, generator=generator, dtype=torch.float64) - 0.5) * 150


class TestCarm:
    def test_source_and_axis(self) -> None:
        camera = carm(isocenter=(10, 20, 30))
        assert_close(camera.source_world, geo.point(10, 20 - 530, 30))
        assert_close(camera.principal_axis_world, geo.vector(0, 1, 0))

    def test_one_faces_the_patient(self) -> None:
        """At zero angles a point at the patient's right is left of the centre, one toward the head is above it."""
        center = carm().project_points(geo.point(0, 0, 0))
        right = carm().project_points(geo.point(50, 0, 0))
        head = carm().project_points(geo.point(0, 0, 50))
        assert center.tolist() == [80.0, 60.0]
        assert right[0] < center[0]
        assert right[1] == center[1]
        assert head[1] < center[1]
        assert head[0] == center[0]

    def test_seen_from_the_source_is_the_mirror_image(self, generator: torch.Generator) -> None:
        points = some_points(generator)
        ours, mirrored = (carm(25, -10, viewed_from=side).project_points(points) for side in ("detector", "source"))
        assert_close(ours[:, 0], 160 - mirrored[:, 0], **EXACT)
        assert_close(ours[:, 1], mirrored[:, 1], **EXACT)

    def test_magnification(self) -> None:
        """Two points 40 mm apart in the isocenter's plane are 40 · 1020 / 530 mm apart on the detector."""
        u = carm().project_points(torch.tensor([[-20.0, 0, 0], [20.0, 0, 0]], dtype=torch.float64))[:, 0]
        assert float((u[0] - u[1]) * 2.0) == pytest.approx(40 * 1020 / 530, rel=1e-12)

    def test_moving_the_patient_is_moving_the_camera_the_other_way(self, generator: torch.Generator) -> None:
        points = some_points(generator)
        motion = geo.rotation_about((1, 2, 3), 40, (5, 6, 7)) @ geo.translation((10, -20, 30))
        camera = carm(15, 5)
        with_patient = camera.project_points(geo.transform_points(motion, points))
        with_camera = camera.moved(geo.invert_rigid(motion)).project_points(points)
        assert_close(with_patient, with_camera, **EXACT)

    @pytest.mark.parametrize("angles", [(0, 0), (30, 10), (-45, -20)])
    def test_dicom_angles_follow_the_patient(self, angles: tuple[float, float]) -> None:
        assert positioner_angles(carm(*angles), torch.eye(4, dtype=torch.float64)) == pytest.approx(angles, abs=1e-9)
        prone = geo.rigid(geo.rotation((0, 0, 1), 180), (0, 0, 0))
        primary, secondary = positioner_angles(carm(*angles), geo.invert_rigid(prone))
        turned = (angles[0] - 180 + 180) % 360 - 180
        assert (primary - turned) % 360 == pytest.approx(0, abs=1e-9) or (primary - turned) % 360 == pytest.approx(360)
        assert secondary == pytest.approx(angles[1], abs=1e-9)


class TestPixels:
    def test_rays_go_from_the_source_to_pixel_centers(self) -> None:
        camera = carm(30, 20, 10)
        source, target = camera.pixel_rays()
        assert source.shape == target.shape == (120, 160, 3)
        assert_close(
            camera.project_points(target.reshape(-1, 3)).reshape(120, 160, 2)[7, 3], torch.tensor([3.5, 7.5]).double()
        )
        assert_close(source[5, 5], camera.source_world)
        depth = geo.transform_points(camera.camera_from_world, target.reshape(-1, 3))[:, 2]
        assert_close(depth, torch.full_like(depth, 1020), **EXACT)

    def test_backproject_undoes_project(self, generator: torch.Generator) -> None:
        points = some_points(generator)
        for camera in (carm(12, 34, 56), orthographic(carm(12, 34, 56))):
            depth = geo.transform_points(camera.camera_from_world, points)[:, 2]
            assert_close(camera.backproject(camera.project_points(points), depth), points, **EXACT)

    def test_orthographic_has_no_magnification_beyond_the_pixel_size(self) -> None:
        camera = orthographic(carm())
        u = camera.project_points(torch.tensor([[-20.0, 99, 0], [20.0, -99, 0]], dtype=torch.float64))[:, 0]
        assert float((u[0] - u[1]) * 2.0) == pytest.approx(40, rel=1e-12)
        source, target = camera.pixel_rays()
        assert_close((target - source)[3, 4], camera.principal_axis_world * 1020)

    def test_points_behind_the_source_have_no_image(self) -> None:
        assert carm().project_points(geo.point(0, -600, 0)).isnan().all()

    def test_pixel_spacing(self) -> None:
        assert [float(s) for s in carm().pixel_spacing_mm] == [2.0, 2.0]

    def test_resized_and_cropped_see_the_same_points(self, generator: torch.Generator) -> None:
        points, camera = some_points(generator), carm(20)
        pixels = camera.project_points(points)
        assert_close(
            camera.resized(60, 40).project_points(points), pixels * torch.tensor([0.25, 0.5]).double(), **EXACT
        )
        window = camera.cropped(top=10, left=-5, height=30, width=30)
        assert_close(window.project_points(points), pixels - torch.tensor([-5.0, 10.0]).double(), **EXACT)


class TestConversions:
    @pytest.mark.parametrize("viewed_from", ["source", "detector"])
    def test_projection_matrix_and_back(self, viewed_from: str) -> None:
        camera = carm(33, -12, 7, isocenter=(1, 2, 3), viewed_from=viewed_from)
        scaled = 0.37 * camera.projection_matrix
        back = Camera.from_projection_matrix(scaled, height=120, width=160, sdd_mm=1020)
        assert_close(back.intrinsics, camera.intrinsics, rtol=1e-9, atol=1e-9)
        assert_close(back.camera_from_world, camera.camera_from_world, rtol=1e-9, atol=1e-9)

    @pytest.mark.parametrize("angles", [(0, 0, 0), (33, -12, 7), (-150, 60, -170), (180, 40, 0), (0, 90, 25)])
    @pytest.mark.parametrize("viewed_from", ["source", "detector"])
    def test_c_arm_parameters_and_back(self, angles: tuple[float, float, float], viewed_from: str) -> None:
        camera = carm(*angles, isocenter=(10, -20, 30), viewed_from=viewed_from)
        found = carm_parameters(camera, (10, -20, 30))
        assert found["angles_deg"] == pytest.approx(angles, abs=1e-9)
        again = Camera.carm(**found)
        assert_close(again.projection_matrix, camera.projection_matrix, rtol=1e-9, atol=1e-6)

    def test_a_camera_that_no_c_arm_is(self) -> None:
        with pytest.raises(ValueError, match="principal point at the detector's centre"):
            carm_parameters(carm().cropped(0, 0, 50, 50), (0, 0, 0))
        with pytest.raises(ValueError, match=r"isocenter must lie on .* got a point \(.*20.*\) mm off it"):
            carm_parameters(carm(), (20, 0, 0))
        with pytest.raises(ValueError, match="unbatched and perspective"):
            carm_parameters(orthographic(carm()), (0, 0, 0))

    def test_k_r_t_and_back(self) -> None:
        camera = carm(33, -12, 7)
        pose = camera.camera_from_world
        back = Camera.from_krt(camera.intrinsics, pose[:3, :3], pose[:3, 3], height=120, width=160, sdd_mm=1020)
        assert back.camera_from_world.tolist() == pose.tolist()

    def test_a_hand_made_projection_matrix(self) -> None:
        """x right, y down, z forward, focal length 100, centre (50, 40), source at the origin."""
        matrix = torch.tensor([[100.0, 0, 50, 0], [0, 100, 40, 0], [0, 0, 1, 0]], dtype=torch.float64)
        camera = Camera.from_projection_matrix(matrix, height=80, width=100, sdd_mm=1000)
        assert camera.project_points(geo.point(1, 2, 10)).tolist() == [60.0, 60.0]
        assert float(camera.pixel_spacing_mm[0]) == 10.0

    def test_skewed_and_non_square_pixels(self) -> None:
        k = torch.tensor([[90.0, 3, 50], [0, 110, 40], [0, 0, 1]], dtype=torch.float64)
        matrix = k @ carm(10, 20).camera_from_world[:3]
        camera = Camera.from_projection_matrix(matrix, height=80, width=100, sdd_mm=1000)
        assert_close(camera.intrinsics, k, rtol=1e-9, atol=1e-9)


class TestBatch:
    def test_a_stack_projects_like_its_members(self, generator: torch.Generator) -> None:
        cameras = [carm(a, b) for a, b in ((0, 0), (30, 10), (-60, 5))]
        stack = Camera.stack(cameras)
        points = some_points(generator)
        pixels = stack.project_points(points)
        assert stack.batch_shape == (3,)
        assert pixels.shape == (3, 20, 2)
        source, target = stack.pixel_rays()
        assert source.shape == (3, 120, 160, 3)
        for index, camera in enumerate(cameras):
            assert_close(pixels[index], camera.project_points(points))
            assert_close(target[index], camera.pixel_rays()[1])
            assert_close(stack[index].camera_from_world, camera.camera_from_world)

    def test_one_pose_with_several_intrinsics(self) -> None:
        """Batches broadcast: a biplane system can share what is common."""
        camera = carm()
        two = Camera(
            torch.stack([camera.intrinsics, camera.resized(60, 80).intrinsics]),
            camera.camera_from_world,
            camera.sdd_mm,
            120,
            160,
        )
        assert two.batch_shape == (2,)
        assert two.pixel_rays()[1].shape == (2, 120, 160, 3)

    def test_unequal_detectors_cannot_be_stacked(self) -> None:
        with pytest.raises(ValueError, match="share height, width"):
            Camera.stack([carm(), carm().resized(60, 80)])


class TestGradients:
    def test_pose_and_intrinsics(self, generator: torch.Generator) -> None:
        points, camera = some_points(generator, 3), carm(20, 10)

        def pixels(offset: torch.Tensor, focal: torch.Tensor) -> torch.Tensor:
            pose = camera.camera_from_world.clone()
            pose[:3, 3] = pose[:3, 3] + offset
            intrinsics = camera.intrinsics * torch.stack([focal, focal, torch.ones_like(focal)])[:, None]
            return Camera(intrinsics, pose, camera.sdd_mm, 120, 160).project_points(points)

        start = torch.zeros(3, dtype=torch.float64, requires_grad=True)
        focal = torch.ones((), dtype=torch.float64, requires_grad=True)
        assert torch.autograd.gradcheck(pixels, (start, focal))


def orthographic(camera: Camera) -> Camera:
    return Camera(
        camera.intrinsics, camera.camera_from_world, camera.sdd_mm, camera.height, camera.width, orthographic=True
    )


class TestBadInput:
    @pytest.mark.parametrize(
        ("change", "complaint"),
        [
            ({"sdd_mm": -1.0}, "sdd_mm must be a positive length in mm, got -1.0"),
            ({"sid_mm": 1020.0}, "sid_mm must be less than sdd_mm"),
            ({"pixel_mm": 0.0}, "pixel_mm must be a positive"),
            ({"height": 0}, "height must be at least 1"),
            ({"isocenter": (0, math.nan, 0)}, "isocenter must be finite"),
            ({"viewed_from": "above"}, "viewed_from must be"),
            ({"angles_deg": (0, 1)}, "angles_deg must be"),
        ],
    )
    def test_carm(self, change: dict[str, object], complaint: str) -> None:
        with pytest.raises(ValueError, match=complaint):
            Camera.carm(**{**DETECTOR, **change})  # type: ignore[arg-type]

    def test_parts(self) -> None:
        good = carm()
        with pytest.raises(ValueError, match="upper triangular"):
            Camera(good.intrinsics.T, good.camera_from_world, good.sdd_mm, 120, 160)
        with pytest.raises(ValueError, match="reflection"):
            Camera(good.intrinsics, torch.diag(torch.tensor([1.0, 1, -1, 1]).double()), good.sdd_mm, 120, 160)
        with pytest.raises(TypeError, match="height must be an integer"):
            Camera(good.intrinsics, good.camera_from_world, good.sdd_mm, 120.0, 160)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="orthographic must be True or False, got 'x'"):
            replace(good, orthographic="x")  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="orthographic must be True or False, got 'x'"):
            Camera.from_inverse(good.k_inv, good.rt_inv, good.sdd_mm, 120, 160, orthographic="x")  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="device must be 'cpu', or a GPU such as 'cuda:0', got 'x'"):
            good.to("x")
        with pytest.raises(ValueError, match="share dtype"):
            Camera(good.intrinsics.float(), good.camera_from_world, good.sdd_mm, 120, 160)

    def test_projection_matrix(self) -> None:
        with pytest.raises(ValueError, match=r"\[..., 3, 4\], got shape \(4, 4\)"):
            Camera.from_projection_matrix(torch.eye(4), height=1, width=1, sdd_mm=1)
        with pytest.raises(ValueError, match="invertible"):
            Camera.from_projection_matrix(torch.zeros(3, 4), height=1, width=1, sdd_mm=1)

    def test_orthographic_has_no_projection_matrix(self) -> None:
        with pytest.raises(ValueError, match="orthographic"):
            _ = orthographic(carm()).projection_matrix


def test_arrays_of_numpy_are_refused_in_a_sentence() -> None:
    with pytest.raises(TypeError, match=r"intrinsics must be a tensor .*got ndarray"):
        Camera.from_krt(np.eye(3), torch.eye(3), torch.zeros(3), height=4, width=4, sdd_mm=1.0)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="matrix must be a tensor"):
        Camera.from_projection_matrix(np.zeros((3, 4)), height=4, width=4, sdd_mm=1.0)  # type: ignore[arg-type]
    camera = Camera.carm(sdd_mm=1000, sid_mm=500, height=4, width=4, pixel_mm=1.0)
    with pytest.raises(ValueError, match=r"points_world must be \[\.\.\., 3\], got shape \(5, 2\)"):
        camera.project_points(torch.zeros(5, 2))


def test_another_type_is_another_camera_and_the_same_type_the_camera_itself() -> None:
    camera = carm()
    assert camera.to(camera.intrinsics.dtype) is camera
    assert camera.to("cpu").to(torch.float64) is camera
    coarse = camera.to(torch.float32)
    assert coarse is not camera
    assert coarse.intrinsics.dtype == coarse.camera_from_world.dtype == coarse.sdd_mm.dtype == torch.float32
