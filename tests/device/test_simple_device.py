"""The free device: it looks where it is told, upright."""

import pytest
import torch
from torch.testing import assert_close

from deepdrr import geo
from deepdrr.device import CArmGeometry, MobileCArm, SimpleDevice

GEOMETRY = CArmGeometry(sdd_mm=1000, sid_mm=600, height=100, width=200, pixel_mm=1.0)
EXACT = {"rtol": 0.0, "atol": 1e-9}  # float64 mm and pixels of order 1000, a few hundred ulp


def looking(**changes: object) -> SimpleDevice:
    device = SimpleDevice(GEOMETRY)
    view = {"point": (10, 20, 30), "direction": (1, 2, -2), "up": (0, 0, 1)}
    device.set_view(**{**view, **changes})  # type: ignore[arg-type]
    return device


class TestSetView:
    def test_the_point_is_at_the_center(self) -> None:
        camera = looking().camera
        assert_close(camera.project_points(geo.point(10, 20, 30)), torch.tensor([100.0, 50.0]).double(), **EXACT)
        assert_close(camera.principal_axis_world, geo.vector(1, 2, -2) / 3)

    @pytest.mark.parametrize(
        ("where", "distance"),
        [({}, 600.0), ({"source_to_point_mm": 450}, 450.0), ({"source_to_point_fraction": 0.7}, 700.0)],
    )
    def test_the_source_is_so_far_from_the_point(self, where: dict[str, float], distance: float) -> None:
        camera = looking(**where).camera
        assert_close(camera.source_world, geo.point(10, 20, 30) - distance * geo.vector(1, 2, -2) / 3, **EXACT)

    @pytest.mark.parametrize("viewed_from", ["detector", "source"])
    @pytest.mark.parametrize("up", [(0, 0, 1), (1, 0, 0), (-3, 1, 0.5)])
    def test_up_is_up(self, up: tuple[float, float, float], viewed_from: str) -> None:
        """A step along `up`, as far as it is across the beam, is a step up in the picture and not sideways."""
        camera = looking(up=up, viewed_from=viewed_from).camera
        beam = camera.principal_axis_world
        across = geo.vector(*up) - (geo.vector(*up) @ beam) * beam
        u, v = camera.project_points(geo.point(10, 20, 30) + 5 * across).tolist()
        assert u == pytest.approx(100)
        assert v < 50

    def test_the_sides_are_mirror_images(self) -> None:
        point = geo.point(30, 10, 20)
        ours, other = (looking(viewed_from=side).camera.project_points(point) for side in ("detector", "source"))
        assert_close(ours[0], 200 - other[0], **EXACT)
        assert_close(ours[1], other[1], **EXACT)

    def test_it_can_stand_where_a_carm_stands(self) -> None:
        """A beam up and a picture whose top is the head: the C-arm at rest."""
        device, carm = SimpleDevice(), MobileCArm(isocenter=(1, 2, 3))
        assert_close(device.camera.camera_from_world, MobileCArm().camera.camera_from_world)
        device.set_view((1, 2, 3), direction=(0, 1, 0), up=(0, 0, 1))
        assert_close(device.camera.camera_from_world, carm.camera.camera_from_world, **EXACT)
        assert_close(device.camera.intrinsics, carm.camera.intrinsics)


class TestBadInput:
    @pytest.mark.parametrize(
        ("change", "complaint"),
        [
            ({"up": (-2, -4, 4)}, "up must not be parallel to direction"),
            ({"up": (0, 0, 0)}, "up must not be the zero vector"),
            ({"direction": (0, 0, 0)}, "direction must not be the zero vector"),
            ({"point": (0, 0)}, "point must be three coordinates"),
            ({"source_to_point_mm": 1000}, "source_to_point_mm must be between 0 and .* 1000 mm, got 1000"),
            ({"source_to_point_fraction": 1.0}, "source_to_point_fraction must be between 0 and 1, got 1.0"),
            ({"source_to_point_mm": 5, "source_to_point_fraction": 0.5}, "not both"),
            ({"viewed_from": "left"}, "viewed_from must be"),
        ],
    )
    def test_the_view_stays(self, change: dict[str, object], complaint: str) -> None:
        device = looking()
        before = repr(device)
        with pytest.raises(ValueError, match=complaint):
            device.set_view(**{"point": (0, 0, 0), "direction": (1, 2, -2), "up": (0, 1, 0), **change})  # type: ignore[arg-type]
        assert repr(device) == before
