"""What structures cover in an image, against what is known of a cube and a rod."""

from dataclasses import replace

import pytest
import torch
from annotation_phantom import CAMERA
from torch.testing import assert_close

from deepdrr import Projector, Volume
from deepdrr.annotations import (
    amodal_boxes,
    annotations_in_room,
    mask_boxes,
    structure_hulls,
    structures,
    structures_of,
)
from deepdrr.camera import Camera
from deepdrr.projector import Scene
from deepdrr.tools import Tool


def test_path_lengths_masks_and_boxes_of_a_cube_and_a_rod(projector: Projector) -> None:
    found = structures(projector)
    assert found.names == ("cube", "screw")
    centre = found.path_lengths_mm[:, 30, 40]
    assert centre.tolist() == pytest.approx([16.0, 0.0], rel=1e-3)  # the pixel's ray is tilted by its half, 0.75/1000
    assert torch.equal(found.masks, found.path_lengths_mm > 0)
    # The cube's near face, 592 mm from the source, has an edge of 16 · 1000/592 mm, 18.02 pixels about the centre.
    assert found.boxes[0].tolist() == [31.0, 21.0, 49.0, 39.0]
    half = 8.0 / 592.0 * 1000.0 / 1.5
    assert_close(found.amodal_boxes[0], torch.tensor([40 - half, 30 - half, 40 + half, 30 + half], dtype=torch.float64))


@pytest.mark.parametrize("views", [None, 2])
def test_labels_of_background_only_are_no_structures(views: int | None, block: Volume) -> None:
    """A label map of a crop that holds none of the structures is one, too."""
    camera = CAMERA if views is None else Camera.stack([CAMERA] * views)
    empty = block.with_labels(torch.zeros(block.shape, dtype=torch.uint8), names={})
    found = structures(Projector(empty, carm=camera))
    assert found.names == ()
    assert found.path_lengths_mm.shape == (*camera.batch_shape, 0, 60, 80)
    assert found.amodal_boxes.shape == found.boxes.shape == (*camera.batch_shape, 0, 4)


def test_the_hull_has_the_box_of_all_voxels(block: Volume) -> None:
    hulls = structure_hulls(block)
    assert len(hulls["cube"]) == 8
    cameras = [
        Camera.carm(sdd_mm=900, sid_mm=400, height=60, width=80, pixel_mm=1.5, angles_deg=(a, b, 10.0))
        for a, b in ((0, 0), (37, 12), (120, -40))
    ]
    assert block.labels is not None
    boxes = amodal_boxes(hulls, Camera.stack(cameras), block.world_from_anatomical)
    for number, name in block.label_names.items():
        voxels = (block.labels == number).nonzero().double()
        corners = torch.cat([voxels + 0.5 * (2 * torch.tensor([n & 1, n >> 1 & 1, n >> 2]) - 1) for n in range(8)])
        pixels = Camera.stack(cameras).project_points(
            corners @ block.anatomical_from_ijk[:3, :3].T + block.anatomical_from_ijk[:3, 3]
        )
        assert_close(boxes[name], torch.cat([pixels.amin(-2), pixels.amax(-2)], dim=-1))


def test_boxes_of_masks_lie_in_amodal_boxes_and_fill_them(projector: Projector) -> None:
    found = structures(projector)
    gap = found.boxes - found.amodal_boxes
    assert bool((gap[:, :2] > -0.5).all())  # a pixel belongs to the mask by its centre: half a pixel each way
    assert bool((gap[:, :2] < 0.5).all())
    assert bool((gap[:, 2:].abs() < 0.5).all())


def test_a_structure_beyond_the_image_has_its_whole_box(block: Volume) -> None:
    block.translate((-36, 0, 0))
    found = structures(Projector(block, carm=CAMERA, mas=5.0))
    assert 80.0 in found.boxes[0].tolist() or 0.0 in found.boxes[0].tolist()
    side = found.amodal_boxes[0, 2] - found.amodal_boxes[0, 0]
    assert float(side) > float(found.boxes[0, 2] - found.boxes[0, 0]) + 5
    assert bool((found.amodal_boxes[0, 0] < 0) | (found.amodal_boxes[0, 2] > 80))


def test_shares_of_all_labels_sum_to_one(block: Volume) -> None:
    assert block.labels is not None
    named = {1: "water", 3: "cube", 9: "screw"}
    whole = block.with_labels(torch.where(block.labels == 0, 1, block.labels.int()), names=named)
    found = structures(Projector(whole, carm=CAMERA, mas=5.0))
    inside = found.path_lengths_mm.sum(0) > 5.0
    assert found.shares is not None
    # Densities are kept as int16 of a full scale, 3e-5 of the densest voxel each.
    assert_close(found.shares.sum(0)[inside], torch.ones_like(found.shares.sum(0)[inside]), rtol=0, atol=1e-3)


def test_a_share_is_that_of_the_attenuation(block: Volume) -> None:
    shot = Projector(block, carm=CAMERA).project("label_line_integrals", "line_integrals", "label_path_lengths")
    found = structures_of(shot, [block])
    inside = shot["line_integrals"] > 1e-3
    assert found.shares is not None
    expected = shot["label_line_integrals"][0] / shot["line_integrals"]
    assert_close(found.shares[0][inside], expected[inside])
    assert float(found.shares[0, 30, 40]) > 16.0 / 40.0  # bone attenuates more than its share of the 40 mm
    assert float(found.shares.max()) < 1.0


def test_without_shares(block: Volume) -> None:
    assert structures_of(Projector(block, carm=CAMERA).project("label_path_lengths"), [block]).shares is None


def test_hulls_can_be_made_once(block: Volume, projector: Projector) -> None:
    hulls = structure_hulls(block)
    assert_close(structures(projector, hulls=hulls).amodal_boxes, structures(projector).amodal_boxes)
    with pytest.raises(ValueError, match="hulls must hold all structures, got none of 'screw'"):
        structures(projector, hulls={"cube": hulls["cube"]})


def test_bad_input(block: Volume) -> None:
    projector = Projector(block, carm=CAMERA)
    with pytest.raises(ValueError, match=r"label_path_lengths, or tool_path_lengths .*, got line_integrals"):
        structures_of(projector.project("line_integrals"), [block])
    whole = projector.project("label_path_lengths", "label_line_integrals", "line_integrals")
    with pytest.raises(ValueError, match="structures must have different names, got 'cube' twice"):
        structures_of(replace(whole, label_channels=("cube", "cube")), [block])
    with pytest.raises(TypeError, match="masks must be bool"):
        mask_boxes(torch.ones(3, 3))
    with pytest.raises(ValueError, match="the volume has no labels"):
        structure_hulls(Volume.from_array(block.hu, block.anatomical_from_ijk, check_hu="off"))


def test_an_empty_mask_has_no_box() -> None:
    assert bool(mask_boxes(torch.zeros(2, 3, 4, dtype=torch.bool)).isnan().all())


class TestTools:
    """Tools beside labels."""

    @pytest.fixture
    def with_wire(self, block: Volume) -> Projector:
        wire = Tool.make("k-wire", diameter_mm=6.0, length_mm=30.0, name="wire")
        wire.align(tip=(-20.0, 0.0, 10.0), direction=(0.0, 0.0, 1.0))
        return Projector([block, wire], carm=CAMERA)

    def test_they_come_after_the_labels(self, with_wire: Projector) -> None:
        found = structures(with_wire)
        assert found.names == ("cube", "screw", "wire")
        assert found.shares is not None
        assert found.masks.shape == found.shares.shape == (3, 60, 80)
        assert float(found.path_lengths_mm[2].max()) == pytest.approx(6.0, rel=0.02)  # a polygon of many sides
        gap = found.boxes[2] - found.amodal_boxes[2]
        assert bool((gap.abs() < 0.6).all())  # half a pixel, and the slant of the rays across the wire

    def test_their_key_points_are_in_the_room_with_the_landmarks(self, with_wire: Projector) -> None:
        marks = annotations_in_room(with_wire.scene)
        assert {"bone", "axis", "wire.tip"} <= marks.keys()
        torch.testing.assert_close(marks.points["wire.tip"], torch.tensor([-20.0, 0.0, 10.0], dtype=torch.float64))

    def test_a_tool_alone(self) -> None:
        wire = Tool.make("k-wire", diameter_mm=6.0, length_mm=30.0, name="wire")
        wire.align(tip=(0.0, 0.0, 0.0), direction=(0.0, 0.0, 1.0))
        assert structures(Projector(Scene(wire), carm=CAMERA)).names == ("wire",)
