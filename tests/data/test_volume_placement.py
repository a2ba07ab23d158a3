"""Position of the patient: the conventions of the room, and invariants of every move."""

import pytest
import torch
from volume_phantoms import GRIDS, volume

from deepdrr.geometry import transform_directions, transform_points, vector

EXACT = {"atol": 1e-9, "rtol": 0.0}  # float64 at some 100 mm


def test_a_volume_starts_in_its_own_frame() -> None:
    ct = volume("oblique")
    assert torch.equal(ct.world_from_anatomical, torch.eye(4, dtype=torch.float64))
    assert torch.equal(ct.center_in_world, ct.center_in_anatomical)


@pytest.mark.parametrize(
    ("head_first", "supine", "right", "anterior", "superior"),
    [
        (True, True, (1, 0, 0), (0, 1, 0), (0, 0, 1)),
        (True, False, (-1, 0, 0), (0, -1, 0), (0, 0, 1)),
        (False, True, (-1, 0, 0), (0, 1, 0), (0, 0, -1)),
        (False, False, (1, 0, 0), (0, -1, 0), (0, 0, -1)),
    ],
)
def test_patient_positions(head_first: bool, supine: bool, right: object, anterior: object, superior: object) -> None:
    """World x, y, z are to the right of a head-first supine patient, up, and toward the head end."""
    ct = volume("oblique")
    ct.orient_patient(head_first=head_first, supine=supine, center=(10, 20, 30))
    turned = [transform_directions(ct.world_from_anatomical, e).tolist() for e in torch.eye(3, dtype=torch.float64)]
    assert turned == [list(right), list(anterior), list(superior)]
    assert torch.allclose(ct.center_in_world, vector(10, 20, 30), **EXACT)


def test_orienting_forgets_earlier_moves() -> None:
    ct, fresh = volume(), volume()
    ct.rotate((1, 2, 3), 77)
    for patient in (ct, fresh):
        patient.orient_patient(head_first=False)
    assert torch.equal(ct.world_from_anatomical, fresh.world_from_anatomical)


def test_a_point_is_placed() -> None:
    ct = volume(landmarks={"femur_left": (-5, 6, 7)})
    ct.rotate((0, 1, 0), 40)
    ct.place("femur_left", (1, 2, 3))
    assert torch.allclose(ct.landmark_in_world("femur_left"), vector(1, 2, 3), **EXACT)
    assert torch.equal(ct.point_in_world("femur_left"), ct.landmark_in_world("femur_left"))
    ct.place((0, 0, 0), (4, 5, 6))
    assert torch.allclose(ct.point_in_world((0, 0, 0)), vector(4, 5, 6), **EXACT)
    assert torch.allclose(transform_points(ct.world_from_anatomical, torch.zeros(3).double()), vector(4, 5, 6), **EXACT)


def test_translation_moves_everything_by_the_same() -> None:
    ct = volume("LPS", landmarks={"tip": (1, 2, 3)})
    ct.orient_patient(supine=False)
    before = ct.center_in_world, ct.landmark_in_world("tip")
    ct.translate((7, -8, 9))
    assert torch.allclose(ct.center_in_world - before[0], vector(7, -8, 9), **EXACT)
    assert torch.allclose(ct.landmark_in_world("tip") - before[1], vector(7, -8, 9), **EXACT)


def test_rotation_keeps_its_center_and_distances() -> None:
    ct = volume("oblique", landmarks={"a": (1, 2, 3), "b": (40, 50, 60)})
    ct.translate((100, 0, 0))
    center, length = ct.center_in_world, (ct.landmark_in_world("a") - ct.landmark_in_world("b")).norm()
    ct.rotate((1, 1, 1), 33)
    assert torch.allclose(ct.center_in_world, center, **EXACT)
    assert torch.allclose((ct.landmark_in_world("a") - ct.landmark_in_world("b")).norm(), length, **EXACT)


def test_rotation_about_a_landmark() -> None:
    ct = volume(landmarks={"a": (1, 2, 3), "b": (11, 2, 3)})
    ct.rotate((0, 0, 1), 90, center=ct.landmark_in_world("a"))
    assert torch.allclose(ct.landmark_in_world("a"), vector(1, 2, 3), **EXACT)
    assert torch.allclose(ct.landmark_in_world("b"), vector(1, 12, 3), **EXACT)


@pytest.mark.parametrize("grid", GRIDS)
def test_transforms_are_inverses(grid: str) -> None:
    ct = volume(grid)
    ct.rotate((3, -1, 2), 50)
    ct.translate((1, 2, 3))
    eye = torch.eye(4, dtype=torch.float64)
    assert torch.allclose(ct.ijk_from_world @ ct.world_from_ijk, eye, **EXACT)
    assert torch.allclose(ct.anatomical_from_world @ ct.world_from_anatomical, eye, **EXACT)


def test_what_a_property_returns_is_not_the_state() -> None:
    ct = volume(landmarks={"tip": (1, 2, 3)})
    for tensor in (ct.world_from_anatomical, ct.anatomical_from_ijk, ct.landmarks["tip"]):
        tensor.fill_(9.0)
    assert torch.equal(ct.world_from_anatomical, torch.eye(4, dtype=torch.float64))
    assert ct.landmark_in_world("tip").tolist() == [1, 2, 3]


def test_placement_can_be_assigned_but_must_be_rigid() -> None:
    ct = volume()
    with pytest.raises(ValueError, match="world_from_anatomical must be a rotation"):
        ct.world_from_anatomical = torch.diag(torch.tensor([1.0, 1.0, 2.0, 1.0]))
    with pytest.raises(ValueError, match="reflection"):
        ct.world_from_anatomical = torch.diag(torch.tensor([-1.0, 1.0, 1.0, 1.0]))


def test_an_unknown_landmark_names_its_neighbors() -> None:
    ct = volume(landmarks={"femur_left": (0, 0, 0), "femur_right": (1, 0, 0)})
    with pytest.raises(ValueError, match=r"unknown landmark 'femur_lef'; did you mean 'femur_left'"):
        ct.landmark_in_world("femur_lef")
    with pytest.raises(ValueError, match="unknown landmark 'tip'; there are none"):
        volume().place("tip", (0, 0, 0))


@pytest.mark.parametrize("bad", [(1, 2), (1, 2, float("nan"))])
def test_points_are_checked(bad: tuple[float, ...]) -> None:
    for move in (volume().translate, lambda p: volume().orient_patient(center=p), lambda p: volume().place(p, p)):
        with pytest.raises(ValueError, match="must be"):
            move(bad)
