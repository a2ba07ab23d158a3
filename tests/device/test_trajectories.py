"""Paths and disturbances of them."""

import math

import pytest
import torch
from torch.testing import assert_close

from deepdrr import geo
from deepdrr.device import CArmGeometry, CArmPose, MobileCArm, cameras, jitter, jitter_camera, orbit, sweep

GEOMETRY = CArmGeometry().binned(16)
EXACT = {"rtol": 0.0, "atol": 1e-9}  # float64 mm of order 1000, a few hundred ulp


class TestPaths:
    def test_an_orbit_keeps_its_distance(self) -> None:
        center = CArmPose(beta_deg=10, isocenter=(1, 2, 3))
        path = orbit(-100, 100, 5, center=center)
        assert [pose.alpha_deg for pose in path] == [-100, -50, 0, 50, 100]
        batch = cameras(path, GEOMETRY)
        assert batch.batch_shape == (5,)
        distance = (batch.source_world - geo.point(1, 2, 3)).norm(dim=-1)
        assert_close(distance, torch.full_like(distance, 530), **EXACT)

    def test_a_sweep_ends_exactly_where_it_should(self) -> None:
        start, stop = CArmPose(0.1, 0.2, 0.3, (0.4, 0.5, 0.6)), CArmPose(30, -20, 10, (0, 0, 100))
        path = sweep(start, stop, 4)
        assert path[0] == start
        assert path[-1] == stop
        assert path[1].beta_deg == pytest.approx(0.2 * 2 / 3 - 20 / 3)

    def test_a_batch_is_its_members(self) -> None:
        path = orbit(0, 40, 3)
        batch = cameras(path, GEOMETRY, viewed_from="source")
        for index, pose in enumerate(path):
            single = GEOMETRY.camera(pose, viewed_from="source")
            assert_close(batch[index].camera_from_world, single.camera_from_world)
            assert_close(batch[index].intrinsics, single.intrinsics)

    def test_an_arm_can_follow(self) -> None:
        carm = MobileCArm(geometry=GEOMETRY)
        for pose in orbit(-90, 90, 3):
            carm.move_to(alpha=pose.alpha_deg, beta=pose.beta_deg, gamma=pose.gamma_deg, isocenter=pose.isocenter)
            assert carm.pose == pose

    @pytest.mark.parametrize(
        ("count", "error"), [(1, ValueError), (0, ValueError), (2.0, TypeError), (True, TypeError)]
    )
    def test_bad_counts(self, count: object, error: type[Exception]) -> None:
        with pytest.raises(error, match=r"count must be (at least 2|an integer), got"):
            orbit(0, 1, count)  # type: ignore[arg-type]

    def test_no_poses(self) -> None:
        with pytest.raises(ValueError, match="poses must hold at least one pose"):
            cameras([])


class TestJitter:
    def test_uniform_within_the_amplitudes(self, generator: torch.Generator) -> None:
        base = CArmPose(30, 10, 0, (1, 2, 3))
        near = [jitter(base, generator, angle_deg=5, shift_mm=20) for _ in range(2000)]
        moved = torch.tensor([(*p.angles_deg, *p.isocenter) for p in near]) - torch.tensor([30, 10, 0, 1, 2, 3])
        amplitude = torch.tensor([5.0, 5, 5, 20, 20, 20])
        assert bool((moved.abs() <= amplitude + 1e-4).all())  # float32 of numbers below 64
        # The variance of a uniform number in ±a is a²/3; its estimate from n has the relative error √(0.8/n) = 2 %.
        assert_close(moved.var(dim=0), amplitude**2 / 3, rtol=0.1, atol=0.0)

    def test_the_same_generator_gives_the_same_pose(self) -> None:
        first, again = (jitter(CArmPose(), torch.Generator().manual_seed(7), angle_deg=5) for _ in range(2))
        assert first == again

    def test_one_amplitude_leaves_the_others_draws_alone(self) -> None:
        both = jitter(CArmPose(), torch.Generator().manual_seed(7), angle_deg=5, shift_mm=10)
        shift_only = jitter(CArmPose(), torch.Generator().manual_seed(7), shift_mm=10)
        assert shift_only == CArmPose(isocenter=both.isocenter)

    def test_a_camera_turns_about_the_point(self, generator: torch.Generator) -> None:
        camera, center = GEOMETRY.camera(CArmPose(20, 10)), geo.point(0, 0, 50)
        before = camera.project_points(center)
        turned = [jitter_camera(camera, generator, center=center, angle_deg=10) for _ in range(200)]
        for near in turned:
            assert_close(near.project_points(center), before, **EXACT)
        relative = [(near.world_from_camera @ camera.camera_from_world)[:3, :3] for near in turned]
        angles = [math.degrees(math.acos(min(1.0, (float(r.trace()) - 1) / 2))) for r in relative]
        assert max(angles) < 10.0
        assert max(angles) > 9.0  # 200 uniform draws miss the last tenth with probability 0.9²⁰⁰

    def test_a_camera_is_shifted(self, generator: torch.Generator) -> None:
        camera = GEOMETRY.camera()
        near = jitter_camera(camera, generator, center=(0, 0, 0), shift_mm=5)
        step = near.source_world - camera.source_world
        assert 0 < float(step.abs().max()) <= 5

    def test_negative_amplitudes(self, generator: torch.Generator) -> None:
        with pytest.raises(ValueError, match="angle_deg must not be negative, got -1"):
            jitter(CArmPose(), generator, angle_deg=-1)
