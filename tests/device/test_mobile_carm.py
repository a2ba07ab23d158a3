"""The C-arm with joints: its moves, its refusals, and the contents of a configuration."""

import json
import math

import pytest
import torch
import yaml
from torch.testing import assert_close

from deepdrr import geo
from deepdrr.device import VIEWS, CArmGeometry, CArmPose, JointLimits, MobileCArm, view

EXACT = {"rtol": 0.0, "atol": 1e-9}  # float64 mm of order 1000, a few hundred ulp


class TestMoves:
    def test_at_rest_the_tube_is_under_the_table(self) -> None:
        camera = MobileCArm().camera
        assert camera.source_world.tolist() == [0, -530, 0]
        assert camera.principal_axis_world.tolist() == [0, 1, 0]
        assert (camera.height, camera.width) == (1536, 1536)
        assert [float(side) for side in camera.pixel_spacing_mm] == pytest.approx([0.194, 0.194], rel=1e-12)

    def test_move_to_sets_what_is_given_and_keeps_the_rest(self) -> None:
        carm = MobileCArm(isocenter=(1, 2, 3), gamma=5)
        carm.move_to(alpha=30, beta=10, degrees=True)
        assert carm.pose == CArmPose(30, 10, 5, (1, 2, 3))
        carm.move_to(beta=-20, isocenter=torch.tensor([4.0, 5.0, 6.0]))
        assert carm.pose == CArmPose(30, -20, 5, (4, 5, 6))
        assert_close(carm.camera.principal_axis_world, geo.carm_direction(30, -20))
        assert_close(carm.camera.source_world, carm.isocenter - 530 * geo.carm_direction(30, -20), **EXACT)

    def test_radians(self) -> None:
        carm = MobileCArm(alpha=math.pi / 6, degrees=False)
        carm.move_to(beta=math.pi / 18, degrees=False)
        carm.move_by(gamma=math.pi / 2, degrees=False)
        assert carm.pose.angles_deg == pytest.approx((30, 10, 90), abs=1e-12)

    def test_move_by_adds(self) -> None:
        carm = MobileCArm(isocenter=(1, 2, 3), alpha=10, beta=20, gamma=30)
        carm.move_by(alpha=5, beta=-5, isocenter=(0, 0, 10))
        assert carm.pose == CArmPose(15, 15, 30, (1, 2, 13))

    def test_reposition_moves_the_isocenter_only(self) -> None:
        carm = MobileCArm(alpha=25, beta=-10)
        before = carm.camera
        carm.reposition((10, -20, 30))
        assert carm.pose.angles_deg == (25, -10, 0)
        assert_close(carm.camera.source_world - before.source_world, geo.point(10, -20, 30), **EXACT)

    def test_the_camera_follows_every_move(self) -> None:
        """Nothing is cached: the camera is that of the present pose."""
        carm = MobileCArm()
        first = carm.camera
        carm.move_to(alpha=90)
        assert carm.camera.principal_axis_world.tolist() == [-1, 0, 0]
        assert first.principal_axis_world.tolist() == [0, 1, 0]

    def test_the_isocenter_given_out_is_a_copy(self) -> None:
        carm = MobileCArm()
        carm.isocenter[0] = 99.0
        assert carm.isocenter.tolist() == [0, 0, 0]

    def test_gamma_turns_the_picture_about_its_center(self) -> None:
        """Right-handed about the beam, seen from the detector (looking against the beam): counter-clockwise.

        The detector turns, so what it sees turns the other way in its picture: the head, up before, goes right.
        """
        carm = MobileCArm(gamma=90)
        u, v = carm.camera.project_points(geo.point(0, 0, 50)).tolist()
        assert u > 768 + 400
        assert v == pytest.approx(768)

    def test_repr_tells_the_pose(self) -> None:
        carm = MobileCArm(isocenter=(0, 0, 100), alpha=30, viewed_from="source")
        assert "isocenter=(0, 0, 100) mm, alpha=30°, beta=0°" in repr(carm)
        assert "viewed from the source" in repr(carm)


class TestLimits:
    @pytest.mark.parametrize(
        ("move", "complaint"),
        [
            (
                {"alpha": 120},
                r"alpha must be in the joint's range from -100 to 100 degrees, got 120; alpha=-60, beta=150",
            ),
            ({"beta": -200}, r"beta must be in the joint's range from -180 to 180 degrees, got -200; .*beta=160"),
            ({"alpha": math.nan}, "alpha must be finite"),
            ({"isocenter": (0, math.inf, 0)}, "isocenter must be finite"),
            ({"viewed_from": "above"}, "viewed_from must be"),
        ],
    )
    def test_a_refused_move_leaves_the_arm_where_it_was(self, move: dict[str, object], complaint: str) -> None:
        carm = MobileCArm(isocenter=(1, 2, 3), alpha=10, beta=20)
        before = carm.to_config()
        with pytest.raises(ValueError, match=complaint):
            carm.move_to(**{"gamma": 45, "beta": 30, **move})  # type: ignore[arg-type]
        assert carm.to_config() == before

    def test_move_by_is_refused_too(self) -> None:
        carm = MobileCArm(alpha=90)
        with pytest.raises(ValueError, match="alpha must be in the joint's range"):
            carm.move_by(alpha=20)
        assert carm.alpha_deg == 90

    def test_the_advice_is_the_same_camera(self) -> None:
        """The pose that the error proposes has the same source, detector and picture."""
        free, arm = MobileCArm(alpha=120, beta=25, gamma=5, limits=JointLimits.unlimited()), MobileCArm()
        with pytest.raises(ValueError, match=r"alpha=-60, beta=155, gamma=-175 is the same beam and picture"):
            arm.move_to(alpha=120, beta=25, gamma=5)
        arm.move_to(alpha=-60, beta=155, gamma=-175)
        assert_close(arm.camera.camera_from_world, free.camera.camera_from_world, **EXACT)

    def test_the_ends_of_a_range_are_reached_in_radians_too(self) -> None:
        carm = MobileCArm(limits=JointLimits(alpha_deg=(-70, 70)))
        carm.move_to(alpha=math.radians(70), degrees=False)
        assert carm.alpha_deg == pytest.approx(70)
        carm.move_to(alpha=-70)
        assert carm.alpha_deg == -70

    def test_unlimited(self) -> None:
        carm = MobileCArm(limits=JointLimits.unlimited())
        carm.move_to(alpha=720, beta=-500, gamma=1e4)
        assert carm.pose.angles_deg == (720, -500, 1e4)

    def test_a_start_outside_is_refused(self) -> None:
        with pytest.raises(ValueError, match="alpha must be in the joint's range"):
            MobileCArm(alpha=180)

    @pytest.mark.parametrize("span", [(10, -10), (0,), 5, (0, math.nan)])
    def test_bad_ranges(self, span: object) -> None:
        with pytest.raises(ValueError, match="beta_deg must"):
            JointLimits(beta_deg=span)  # type: ignore[arg-type]

    @pytest.mark.parametrize("value", ["30", True, None, [1.0]])
    def test_an_angle_is_a_number(self, value: object) -> None:
        with pytest.raises(TypeError, match="alpha_deg must be a number"):
            CArmPose(alpha_deg=value)  # type: ignore[arg-type]


class TestViews:
    @pytest.mark.parametrize("name", VIEWS)
    @pytest.mark.parametrize("reverse", [False, True])
    def test_a_typical_arm_reaches_every_view(self, name: str, reverse: bool) -> None:
        wanted = view(name).reversed() if reverse else view(name)
        carm = MobileCArm(isocenter=(5, 6, 7))
        carm.move_to_view(wanted)
        assert carm.limits.allow(carm.pose)
        expected = CArmGeometry().camera(wanted.pose((5, 6, 7)), viewed_from=wanted.viewed_from)
        assert_close(carm.camera.camera_from_world, expected.camera_from_world, **EXACT)
        assert_close(carm.camera.intrinsics, expected.intrinsics)

    def test_the_joint_position_does_not_depend_on_the_way(self) -> None:
        straight, detour = MobileCArm(), MobileCArm(alpha=-80, beta=120)
        straight.move_to_view("AP")
        detour.move_to_view("AP")
        assert straight.pose == detour.pose == CArmPose(0, 180, 180)

    def test_out_of_reach(self) -> None:
        carm = MobileCArm(limits=JointLimits(alpha_deg=(-60, 60), beta_deg=(-60, 60)))
        with pytest.raises(ValueError, match="the joints do not reach the view 'left lateral'"):
            carm.move_to_view("left lateral")
        assert carm.pose == CArmPose()


class TestConfig:
    @pytest.mark.parametrize(
        "codec", [(json.dumps, json.loads), (yaml.safe_dump, yaml.safe_load)], ids=["json", "yaml"]
    )
    def test_there_and_back(self, codec: tuple[object, object]) -> None:
        dump, load = codec
        carm = MobileCArm(
            (1.5, -2, 0.1),
            200,
            math.pi,
            -0.25,
            geometry=CArmGeometry(sdd_mm=1200, sid_mm=700, height=10, width=20, pixel_mm=0.3),
            limits=JointLimits(alpha_deg=None, gamma_deg=(-90, 90)),
            viewed_from="source",
        )
        back = MobileCArm.from_config(load(dump(carm.to_config())))  # type: ignore[operator]
        assert back.to_config() == carm.to_config()
        assert back.camera.camera_from_world.tolist() == carm.camera.camera_from_world.tolist()
        assert back.camera.intrinsics.tolist() == carm.camera.intrinsics.tolist()

    def test_what_is_missing_has_its_default(self) -> None:
        assert MobileCArm.from_config({}).to_config() == MobileCArm().to_config()
        partial = MobileCArm.from_config({"geometry": {"width": 100}, "limits": {"beta_deg": [-10, 10]}})
        assert (partial.camera.height, partial.camera.width) == (1536, 100)
        assert partial.limits == JointLimits(beta_deg=(-10, 10))

    @pytest.mark.parametrize(
        ("config", "complaint"),
        [
            ({"alpha": 3}, "unknown key in the configuration of a C-arm: 'alpha'; did you mean 'alpha_deg'"),
            ({"geometry": {"sdd": 1000}}, "unknown key in geometry: 'sdd'; did you mean 'sdd_mm'"),
            ({"limits": {"gama_deg": None}}, "unknown key in limits: 'gama_deg'; did you mean 'gamma_deg'"),
            ({"geometry": "mobil"}, "unknown geometry 'mobil'; did you mean 'mobile'"),
            ({"geometry": {"sid_mm": 2000}}, "sid_mm must be less than sdd_mm"),
        ],
    )
    def test_bad_values(self, config: dict[str, object], complaint: str) -> None:
        with pytest.raises(ValueError, match=complaint):
            MobileCArm.from_config(config)

    @pytest.mark.parametrize(
        ("config", "complaint"),
        [
            ({"alpha_deg": "30"}, "alpha must be a number, got '30'"),
            ({"geometry": {"sdd_mm": "1 m"}}, "sdd_mm must be a number, got '1 m'"),
            ({"geometry": {"height": 12.5}}, "height must be an integer"),
            ({"limits": [1, 2]}, "limits must be a mapping"),
            ([], "the configuration of a C-arm must be a mapping"),
        ],
    )
    def test_bad_kinds(self, config: dict[str, object], complaint: str) -> None:
        with pytest.raises(TypeError, match=complaint):
            MobileCArm.from_config(config)


def test_a_geometry_and_limits_are_records() -> None:
    with pytest.raises(TypeError, match="geometry must be a CArmGeometry, got 'mobile'"):
        MobileCArm(geometry="mobile")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="limits must be a JointLimits, got 3"):
        MobileCArm(limits=3)  # type: ignore[arg-type]
