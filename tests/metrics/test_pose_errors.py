"""Errors of poses, targets and landmarks."""

import math

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from deepdrr.camera import Camera
from deepdrr.geometry import rigid, rotation, transform_points, translation
from deepdrr.metrics import (
    DoubleGeodesicSE3,
    LandmarkReprojectionLoss,
    landmark_reprojection_error,
    mean_target_registration_error,
    rotation_angle,
    target_registration_error,
)

EXACT = {"rtol": 0.0, "atol": 1e-9}  # float64 mm of order 1000, some hundred ulp


def pose(axis: tuple[float, float, float], degrees: float, offset: tuple[float, float, float]) -> Tensor:
    return rigid(rotation(axis, degrees), offset)[None]


def a_camera() -> Camera:
    return Camera.carm(sdd_mm=1020, sid_mm=530, height=100, width=120, pixel_mm=2.0, angles_deg=(20, 10, 0))


class TestGeodesic:
    @pytest.mark.parametrize("degrees", [0.0, 1e-6, 0.01, 37.0, 90.0, 179.99, 180.0])
    def test_the_angle_is_exact_everywhere(self, degrees: float) -> None:
        first = rotation((3, 1, -2), 50)
        second = first @ rotation((1, 2, 3), degrees)
        # From the sine near 0 and π, from the cosine between: float64 rounding either way.
        assert math.degrees(float(rotation_angle(first, second))) == pytest.approx(degrees, abs=2e-13 + 1e-14 * degrees)

    def test_rotation_is_on_half_the_sdd(self) -> None:
        rot, xyz, both = DoubleGeodesicSE3(1000.0)(pose((0, 0, 1), 0, (0, 0, 0)), pose((1, 1, 0), 12, (0, 0, 0)))
        assert_close(rot, torch.tensor([500 * math.radians(12)], dtype=torch.float64), **EXACT)
        assert_close(xyz, torch.zeros(1).double(), **EXACT)
        assert_close(both, rot, rtol=0, atol=1e-8)  # ε = 1e-7 mm² on 100 mm

    def test_translation_is_seen_from_the_camera(self) -> None:
        """A camera that orbits the origin has turned, but not moved in its own axes."""
        start = translation((0, 0, -500))[None]
        orbited = pose((0, 1, 0), 30, (0, 0, 0)) @ start
        rot, xyz, _ = DoubleGeodesicSE3(1020.0)(start, orbited)
        assert_close(rot, torch.tensor([510 * math.radians(30)], dtype=torch.float64), **EXACT)
        assert_close(xyz, torch.zeros(1).double(), **EXACT)

    def test_equal_poses_have_distance_zero_and_a_finite_gradient(self) -> None:
        first = pose((1, 2, 3), 40, (10, 20, 30)).requires_grad_()
        rot, xyz, both = DoubleGeodesicSE3(1020.0)(first, first.detach())
        assert_close(rot.detach(), torch.zeros(1).double(), rtol=0, atol=1e-10)
        assert xyz.tolist() == [0.0]
        both.sum().backward()
        assert first.grad is not None
        assert bool(torch.isfinite(first.grad).all())

    def test_gradients(self, generator: torch.Generator) -> None:
        first, second = pose((1, 2, 3), 40, (10, 20, 30)), pose((3, 2, 1), 20, (-5, 0, 7))
        assert torch.autograd.gradcheck(DoubleGeodesicSE3(100.0), (first.requires_grad_(), second.requires_grad_()))

    def test_bad_input(self) -> None:
        eye = torch.eye(4)[None]
        with pytest.raises(ValueError, match=r"pose_2 must be \[B, 4, 4\], got shape \(1, 3, 3\)"):
            DoubleGeodesicSE3(1020.0)(eye, eye[:, :3, :3])
        with pytest.raises(TypeError, match=r"pose_1 must be a floating-point tensor, got dtype torch\.int64"):
            DoubleGeodesicSE3(1020.0)(eye.long(), eye)
        with pytest.raises(ValueError, match="sdd must be positive and finite, got -1"):
            DoubleGeodesicSE3(-1.0)


class TestTargets:
    def test_it_is_how_far_a_fixed_patient_seems_to_move(self, generator: torch.Generator) -> None:
        """A camera moved by D sees the patient where an unmoved one would see him moved by D⁻¹."""
        targets = 100 * torch.randn(7, 3, generator=generator, dtype=torch.float64)
        truth = a_camera().world_from_camera[None]
        motion = rigid(rotation((1, 0, 2), 3), (4, 5, 6))
        found = target_registration_error(motion[None] @ truth, truth, targets)
        expected = (transform_points(torch.linalg.inv(motion), targets) - targets).norm(dim=-1)
        assert_close(found, expected[None], **EXACT)
        assert_close(
            mean_target_registration_error(motion[None] @ truth, truth, targets), expected.mean()[None], **EXACT
        )

    def test_batches_and_bad_input(self) -> None:
        poses = torch.eye(4).expand(5, 4, 4)
        assert target_registration_error(poses, poses[:1], torch.rand(3, 3)).shape == (5, 3)
        assert mean_target_registration_error(poses, poses, torch.rand(5, 3, 3)).tolist() == [0.0] * 5
        with pytest.raises(ValueError, match=r"targets_world must be \[N, 3\] or \[B, N, 3\], got shape \(3,\)"):
            target_registration_error(poses, poses, torch.rand(3))


class TestLandmarks:
    def scene(self, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        camera = a_camera()
        points = 40 * torch.randn(6, 3, generator=generator, dtype=torch.float64)
        k_inv, rt_inv = torch.linalg.inv(camera.intrinsics)[None], camera.world_from_camera[None]
        return points, camera.project_points(points), k_inv, rt_inv

    def test_the_error_is_in_pixels_of_the_camera(self, generator: torch.Generator) -> None:
        points, pixels, k_inv, rt_inv = self.scene(generator)
        assert_close(landmark_reprojection_error(points, pixels, k_inv, rt_inv), torch.zeros(1, 6).double(), **EXACT)
        moved = pixels + torch.tensor([3.0, 4.0])
        assert_close(
            landmark_reprojection_error(points, moved, k_inv, rt_inv), torch.full((1, 6), 5.0).double(), **EXACT
        )

    def test_hubers_function(self, generator: torch.Generator) -> None:
        points, pixels, k_inv, rt_inv = self.scene(generator)
        offsets = torch.tensor([[0.0, 0.0], [2.0, 0.0], [0.0, 4.0], [30.0, 40.0], [torch.nan, 1.0], [0.0, 0.0]])
        loss = LandmarkReprojectionLoss(points, pixels + offsets, delta_px=4.0)
        expected = (0 + 2**2 / 8 + 4 - 2 + 50 - 2 + 0) / 5
        assert_close(loss(k_inv, rt_inv), torch.tensor([expected], dtype=torch.float64), **EXACT)

    def test_unseen_landmarks_have_no_gradient(self, generator: torch.Generator) -> None:
        points, pixels, k_inv, rt_inv = self.scene(generator)
        seen = pixels + 1.0
        seen[2] = torch.nan
        points = points.clone()
        points[2] = rt_inv[0, :3, 3]  # at the source, where nothing is projected
        rt_inv.requires_grad_()
        LandmarkReprojectionLoss(points, seen)(k_inv, rt_inv).sum().backward()
        assert rt_inv.grad is not None
        assert bool(torch.isfinite(rt_inv.grad).all())

    def test_gradients(self, generator: torch.Generator) -> None:
        points, pixels, k_inv, rt_inv = self.scene(generator)
        loss = LandmarkReprojectionLoss(points, pixels + 3.0, delta_px=4.0)
        assert torch.autograd.gradcheck(loss, (k_inv.requires_grad_(), rt_inv.requires_grad_()))

    def test_bad_input(self, generator: torch.Generator) -> None:
        points, pixels, k_inv, rt_inv = self.scene(generator)
        with pytest.raises(ValueError, match="points_world and pixels must be as many, got 6 and 5"):
            landmark_reprojection_error(points, pixels[1:], k_inv, rt_inv)
        with pytest.raises(ValueError, match=r"k_inv must .*got shape \(1, 4, 4\)"):
            landmark_reprojection_error(points, pixels, rt_inv, rt_inv)
        with pytest.raises(ValueError, match=r"in front of the source where they are seen, landmark \[0, 0\] is not"):
            landmark_reprojection_error(points - 2000 * rt_inv[0, :3, 2], pixels, k_inv, rt_inv)
        with pytest.raises(ValueError, match="at least one landmark that is seen"):
            LandmarkReprojectionLoss(points, torch.full_like(pixels, torch.nan))
