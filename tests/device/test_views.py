"""Named views: position of the source, and anatomy in the picture."""

import pytest
import torch
from torch.testing import assert_close

from deepdrr import geo
from deepdrr.camera import positioner_angles
from deepdrr.device import VIEWS, CArmGeometry, camera_for_view, view

GEOMETRY = CArmGeometry().binned(8)
CENTER = 96.0
EXACT = {"rtol": 0.0, "atol": 1e-9}  # float64 mm of order 1000, a few hundred ulp
AXES = {
    letter: geo.vector(*axis)
    for letter, axis in {
        "R": (1, 0, 0),
        "L": (-1, 0, 0),
        "A": (0, 1, 0),
        "P": (0, -1, 0),
        "H": (0, 0, 1),
        "F": (0, 0, -1),
    }.items()
}


def side(direction: torch.Tensor) -> set[str]:
    """The letters of the sides toward which a direction points: AH is front and head."""
    return {letter for letter, axis in AXES.items() if float(direction @ axis) > 1e-9}


def shift(name: str, letter: str) -> tuple[int, int]:
    """Where a marker at one side of the patient is in the picture: (−1 left … 1 right, −1 up … 1 down)."""
    u, v = (camera_for_view(name, GEOMETRY).project_points(60 * AXES[letter]) - CENTER).tolist()
    return tuple(0 if abs(step) < 1e-6 else (1 if step > 0 else -1) for step in (u, v))  # type: ignore[return-value]


# The tube's side, from the definitions in textbooks of radiography: a view is named by the way of the beam (AP: in at
# the front, out at the back), a lateral and an angiographic oblique by the side at the receptor; inlet is a beam toward
# the feet and outlet toward the head, both in at the front; in Judet's views the raised side is nearer to the tube.
SOURCE_AT = {
    "AP": "A",
    "PA": "P",
    "left lateral": "R",
    "right lateral": "L",
    "inlet": "AH",
    "outlet": "AF",
    "left iliac oblique": "AR",
    "right iliac oblique": "AL",
    "left obturator oblique": "AL",
    "right obturator oblique": "AR",
    "LAO": "PR",
    "RAO": "PL",
    "cranial": "PF",
    "caudal": "PH",
}


class TestWhereTheTubeIs:
    @pytest.mark.parametrize("name", VIEWS)
    def test_source_and_detector(self, name: str) -> None:
        camera = camera_for_view(name, GEOMETRY)
        detector = camera.backproject(torch.tensor([[CENTER, CENTER]], dtype=torch.float64))[0]
        assert side(camera.source_world) == set(SOURCE_AT[name])
        assert_close(detector / detector.norm(), -camera.source_world / 530, **EXACT)
        assert_close(view(name).beam_anatomical, camera.principal_axis_world)

    @pytest.mark.parametrize("name", VIEWS)
    def test_the_header_will_state_the_same_angles(self, name: str) -> None:
        angles = positioner_angles(camera_for_view(name, GEOMETRY), torch.eye(4, dtype=torch.float64))
        assert angles == pytest.approx((view(name).alpha_deg, view(name).beta_deg), abs=1e-9)

    def test_inlet_is_caudal_and_outlet_cranial(self) -> None:
        """The beam of the inlet view goes backward and 40° toward the feet."""
        expected = geo.rotation((1, 0, 0), 40) @ AXES["P"]
        assert_close(view("inlet").beam_anatomical, expected)
        assert float(view("inlet").beam_anatomical[2]) < 0 < float(view("outlet").beam_anatomical[2])


class TestThePicture:
    @pytest.mark.parametrize("name", ["AP", "PA", "inlet", "outlet", "cranial", "caudal"])
    def test_frontal_views_face_the_patient(self, name: str) -> None:
        assert shift(name, "R") == (-1, 0)
        assert shift(name, "L") == (1, 0)
        assert shift(name, "H") == (0, -1)

    def test_laterals_face_the_side_that_is_at_the_detector(self) -> None:
        assert shift("left lateral", "A") == (-1, 0)
        assert shift("right lateral", "A") == (1, 0)
        assert shift("left lateral", "H") == shift("right lateral", "H") == (0, -1)

    @pytest.mark.parametrize("name", [n for n in VIEWS if "oblique" in n or n in ("LAO", "RAO")])
    def test_obliques_have_the_right_side_at_the_left(self, name: str) -> None:
        assert shift(name, "R") == (-1, 0)
        assert shift(name, "H") == (0, -1)

    @pytest.mark.parametrize("name", VIEWS)
    def test_reversed_exchanges_the_ends_and_keeps_the_picture(self, name: str) -> None:
        """What lies in the plane across the beam through the isocenter has the same image up to magnification 1."""
        there, back = view(name), view(name).reversed()
        assert_close(back.beam_anatomical, -there.beam_anatomical, **EXACT)
        assert back.reversed().beam_anatomical.tolist() == pytest.approx(there.beam_anatomical.tolist(), abs=1e-12)
        axes = camera_for_view(there, GEOMETRY).camera_from_world[:2, :3]
        in_plane = torch.tensor([[30.0, 0], [0, 40], [-20, 10]]).double() @ axes
        ours, theirs = (camera_for_view(v, GEOMETRY).project_points(in_plane) for v in (there, back))
        assert_close(ours, theirs, **EXACT)


class TestPlacement:
    def test_the_isocenter_is_at_the_center(self) -> None:
        camera = camera_for_view("inlet", GEOMETRY, isocenter=(10, -20, 30))
        pixel = camera.project_points(geo.point(10, -20, 30))
        assert_close(pixel, torch.tensor([CENTER, CENTER]).double(), **EXACT)

    def test_the_view_follows_the_patient(self, generator: torch.Generator) -> None:
        """The picture of a patient who lies prone, or anyhow, is the picture of the patient who lies supine."""
        axis, offset = torch.randn(2, 3, generator=generator, dtype=torch.float64)
        world_from_anatomical = geo.rigid(geo.rotation(axis, 77), 50 * offset)
        points = torch.randn(9, 3, generator=generator, dtype=torch.float64) * 40
        center = geo.point(5, 6, 7)
        center_world = geo.transform_points(world_from_anatomical, center)
        supine = camera_for_view("LAO", GEOMETRY, isocenter=center)
        lying = camera_for_view("LAO", GEOMETRY, isocenter=center_world, world_from_anatomical=world_from_anatomical)
        assert_close(
            lying.project_points(geo.transform_points(world_from_anatomical, points)),
            supine.project_points(points),
            **EXACT,
        )
        angles = positioner_angles(lying, geo.invert_rigid(world_from_anatomical))
        assert angles == pytest.approx((45, 0), abs=1e-9)

    def test_a_stretched_patient_is_refused(self) -> None:
        stretched = torch.diag(torch.tensor([1.0, 2.0, 1.0, 1.0], dtype=torch.float64))
        with pytest.raises(ValueError, match="world_from_anatomical must be a rotation"):
            camera_for_view("AP", GEOMETRY, world_from_anatomical=stretched)


class TestNames:
    @pytest.mark.parametrize("name", ["left lateral", "LEFT_LATERAL", "Left-Lateral "])
    def test_spelling(self, name: str) -> None:
        assert view(name) is VIEWS["left lateral"]

    @pytest.mark.parametrize(
        ("name", "near"), [("inlett", "'inlet'"), ("laterall", "lateral'"), ("xyz", "known are 'AP', 'PA'")]
    )
    def test_unknown_names_get_the_near_ones(self, name: str, near: str) -> None:
        with pytest.raises(ValueError, match=f"unknown view '{name}'; .*{near}"):
            view(name)

    def test_a_name_is_text(self) -> None:
        with pytest.raises(TypeError, match="name must be a view or its name, got 3"):
            view(3)  # type: ignore[arg-type]


def test_short_names_for_the_usual_ones() -> None:
    assert view("lateral") is view("left lateral")
    assert view("Oblique") is view("LAO")
