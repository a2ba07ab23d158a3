"""Annotations on a detector: places, depths, what is seen, gradients."""

import math

import pytest
import torch
from annotation_phantom import CAMERA, MARKS

from deepdrr import Projector, Volume
from deepdrr.annotations import HIDDEN_BY, project_annotations
from deepdrr.camera import Camera
from deepdrr.geometry import rigid, rotation
from deepdrr.materials import MaterialModel, linear_attenuation


def turned(degrees: float) -> Camera:
    return Camera.carm(sdd_mm=1000, sid_mm=600, height=60, width=80, pixel_mm=1.5, angles_deg=(degrees, 0.0, 0.0))


def test_places_depths_and_what_is_seen(projector: Projector) -> None:
    seen = project_annotations(MARKS, CAMERA, scene=projector.scene)
    assert seen.names == ("bone", "steel", "outside", "absent")
    torch.testing.assert_close(seen.pixels[:3], CAMERA.project_points(torch.stack(list(MARKS.points.values()))))
    # The beam runs from the back to the front, y: 605 mm from the source along it, and 20 mm beside it.
    assert seen.depth_mm[:2].tolist() == pytest.approx([600.0, math.hypot(605.0, 20.0)])
    assert bool(seen.pixels[3].isnan().all())
    assert bool(seen.depth_mm[3].isnan())
    assert seen.in_view.tolist() == [True, True, False, False]
    assert seen.hidden.tolist() == [False, True, False, False]
    assert seen.visibility.tolist() == [2, 1, 0, 0]
    assert seen.edges == {"axis": ((0, 1),)}
    torch.testing.assert_close(seen.outlines["axis"], CAMERA.project_points(MARKS["axis"].points_mm))


def test_a_batch_is_the_single_views(projector: Projector) -> None:
    cameras = [CAMERA, turned(90.0), turned(30.0)]
    batch = project_annotations(MARKS, Camera.stack(cameras), scene=projector.scene)
    for n, camera in enumerate(cameras):
        single = project_annotations(MARKS, camera, scene=projector.scene)
        for name in ("pixels", "depth_mm", "in_view", "hidden", "visibility"):
            torch.testing.assert_close(getattr(batch, name)[n], getattr(single, name), equal_nan=True)
        torch.testing.assert_close(batch.outlines["axis"][n], single.outlines["axis"])
    assert batch.hidden[:, 0].tolist() == [False, True, False]  # from the side the rod is on the way to the bone


def test_the_placement_of_the_patient_moves_the_marks(block: Volume) -> None:
    block.world_from_anatomical = rigid(rotation((0, 1, 0), 20.0), (3, 4, 5))
    seen = project_annotations(block.annotations, CAMERA, world_from_annotations=block.world_from_anatomical)
    wanted = CAMERA.project_points(torch.stack([block.landmark_in_world(name) for name in block.landmarks]))
    torch.testing.assert_close(seen.pixels[:3], wanted)


def test_gradients_with_respect_to_camera_and_placement() -> None:
    angle = torch.tensor(0.1, dtype=torch.float64, requires_grad=True)

    def places(angle: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        one, zero = torch.ones_like(angle), torch.zeros_like(angle)
        rows = [angle.cos(), -angle.sin(), zero, one], [angle.sin(), angle.cos(), zero, zero]
        place = torch.stack([*map(torch.stack, rows), *torch.eye(4, dtype=torch.float64)[2:]])
        moved = CAMERA.moved(place)
        seen = project_annotations(MARKS, moved, world_from_annotations=place @ place)
        return seen.pixels[:3], seen.depth_mm[:3]

    assert torch.autograd.gradcheck(places, (angle,))


def test_a_point_without_a_place_leaves_the_gradient_finite() -> None:
    pose = CAMERA.camera_from_world.clone().requires_grad_()
    camera = Camera(CAMERA.intrinsics, pose, CAMERA.sdd_mm, 60, 80)
    torch.nan_to_num(project_annotations(MARKS, camera).pixels).sum().backward()
    assert pose.grad is not None
    assert bool(pose.grad.isfinite().all())


def test_parallel_rays_and_points_out_of_the_beam() -> None:
    parallel = Camera(CAMERA.intrinsics, CAMERA.camera_from_world, CAMERA.sdd_mm, 60, 80, orthographic=True)
    assert project_annotations(MARKS, parallel).depth_mm[1].item() == pytest.approx(605.0)
    behind = CAMERA.moved(rigid(torch.eye(3, dtype=torch.float64), (0, 700, 0)))  # source beyond the marks
    seen = project_annotations(MARKS, behind)
    assert bool(seen.pixels.isnan().all())
    assert not bool(seen.in_view.any())
    beyond = CAMERA.moved(rigid(torch.eye(3, dtype=torch.float64), (0, -500, 0)))  # detector before the marks
    assert bool(project_annotations(MARKS, beyond).pixels[:2].isfinite().all())
    assert not bool(project_annotations(MARKS, beyond).in_view.any())


@pytest.mark.parametrize(("thickness_mm", "hidden"), [(0.98, False), (1.02, True)])
def test_metal_hides_from_half_of_the_photons_on(thickness_mm: float, hidden: bool) -> None:
    """A plate of titanium of the half-value thickness at 60 keV, times a factor, square to the beam's axis."""
    half = HIDDEN_BY / float(linear_attenuation("titanium", torch.tensor([60.0])))
    hu = torch.zeros(3, 4, 3)
    labels = torch.zeros(3, 4, 3, dtype=torch.uint8)
    labels[:, 1] = 1
    affine = torch.diag(torch.tensor([10.0, thickness_mm * half, 10.0, 1.0]))
    affine[:3, 3] = -torch.diagonal(affine)[:3]
    plate = Volume.from_array(hu, affine, labels=labels, label_names={1: "plate"}, check_hu="off")
    scene = Projector(plate, carm=CAMERA, materials=MaterialModel(by_label={1: "titanium"})).scene
    for camera in (CAMERA, turned(180.0)):  # before or behind the landmark
        assert project_annotations(MARKS, camera, scene=scene).hidden[0].item() is hidden
