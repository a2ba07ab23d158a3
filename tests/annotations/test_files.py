"""Annotations of images in files, read back by others' readers where there are some."""

import json
from pathlib import Path

import numpy as np
import pydicom
import pytest
import torch
import yaml
from annotation_phantom import CAMERA, MARKS
from numpy.typing import NDArray
from PIL import Image
from pycocotools.coco import COCO
from skimage.draw import polygon2mask

from deepdrr import Projector
from deepdrr.annotations import (
    Annotations,
    Box,
    ImageAnnotations,
    Plane,
    Point,
    coco_dataset,
    image_annotations,
    mask_of,
    on_detector,
    overlay_picture,
    project_annotations,
    read_annotations,
    read_mask_planes,
    run_lengths,
    structures,
    write_annotations,
    write_coco,
    write_mask_index,
    write_mask_planes,
    write_seg,
    write_yolo,
)
from deepdrr.camera import Camera


@pytest.fixture
def notes(projector: Projector) -> ImageAnnotations:
    seen = project_annotations(MARKS, CAMERA, scene=projector.scene)
    return image_annotations(structures(projector), seen, height=60, width=80)


def speckled(seed: int, shape: tuple[int, int] = (37, 53), share: float = 0.5) -> NDArray[np.bool_]:
    return np.random.default_rng(seed).random(shape) < share


def bare(masks: NDArray[np.bool_]) -> ImageAnnotations:
    """Structures a, b, … without landmarks."""
    count, height, width = masks.shape
    boxes = np.tile([0.0, 0.0, width, height], (count, 1))
    names = tuple("abcdefghijklmnopqrstuvwxyz"[:count])
    return ImageAnnotations(height=height, width=width, structures=names, masks=masks, boxes=boxes, amodal_boxes=boxes)


class TestCoco:
    """COCO, read by pycocotools."""

    # pycocotools 2.0.11 with NumPy 2: its own arrays know no `copy`.
    @pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
    def test_pycocotools_reads_boxes_masks_and_key_points(
        self, notes: ImageAnnotations, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        write_coco(tmp_path / "coco.json", {"a.png": notes}, skeleton=[("bone", "steel")])
        coco = COCO(str(tmp_path / "coco.json"))
        assert [category["name"] for category in coco.loadCats(coco.getCatIds())] == ["cube", "screw", "landmarks"]
        for n, name in enumerate(("cube", "screw")):
            (entry,) = coco.loadAnns(coco.getAnnIds(catIds=coco.getCatIds(catNms=[name])))
            assert np.array_equal(coco.annToMask(entry), notes.masks[n])
            assert entry["area"] == notes.masks[n].sum()
            u, v, width, height = entry["bbox"]
            assert [u, v, u + width, v + height] == notes.boxes[n].tolist()
            assert entry["amodal_bbox"][:2] == notes.amodal_boxes[n, :2].tolist()
        (body,) = coco.loadAnns(coco.getAnnIds(catIds=coco.getCatIds(catNms=["landmarks"])))
        bone, steel = notes.pixels[:2].tolist()
        assert body["keypoints"] == [*bone, 2, *steel, 1, 0, 0, 0, 0, 0, 0]
        assert body["num_keypoints"] == 2
        (category,) = coco.loadCats(coco.getCatIds(catNms=["landmarks"]))
        assert (category["keypoints"], category["skeleton"]) == (list(notes.points), [[1, 2]])

    @pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
    @pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 1.0])
    def test_run_lengths_are_those_of_pycocotools(self, share: float) -> None:
        from pycocotools import mask as theirs

        for seed, shape in enumerate([(1, 1), (37, 53), (300, 7), (5, 700)]):
            mask = speckled(seed, shape, share)
            code = run_lengths(mask)
            assert code["counts"] == theirs.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode()
            assert np.array_equal(mask_of(code), mask)

    def test_images_share_their_categories(self, notes: ImageAnnotations) -> None:
        found = coco_dataset({"a.png": notes, "b.png": bare(speckled(1)[None])})
        assert [category["name"] for category in found["categories"]] == ["cube", "screw", "a", "landmarks"]
        assert [entry["id"] for entry in found["annotations"]] == [1, 2, 3, 4, 5]
        assert found["annotations"][3]["category_id"] == 3
        assert found["annotations"][4]["num_keypoints"] == 0

    def test_bad_input(self, notes: ImageAnnotations) -> None:
        with pytest.raises(ValueError, match="unknown landmark of the skeleton 'bones'; did you mean 'bone'"):
            coco_dataset({"a.png": notes}, skeleton=[("bones", "steel")])


class TestYolo:
    """YOLO's text files."""

    def test_boxes(self, notes: ImageAnnotations, tmp_path: Path) -> None:
        description, labels = write_yolo(tmp_path, {"a.png": notes}, "detect", split="val")
        assert yaml.safe_load(description.read_text()) == {
            "path": ".",
            "val": "images/val",
            "names": {0: "cube", 1: "screw"},
        }
        assert labels == tmp_path / "labels" / "val" / "a.txt"
        for n, line in enumerate(labels.read_text().splitlines()):
            number, *box = map(float, line.split())
            (u, v), (w, h) = np.array(box[:2]) * [80, 60], np.array(box[2:]) * [80, 60]
            assert number == n
            assert [u - w / 2, v - h / 2, u + w / 2, v + h / 2] == pytest.approx(notes.boxes[n].tolist(), abs=1e-4)

    def test_outlines_give_the_masks_back(self, tmp_path: Path) -> None:
        """Two parts, one at the border; without holes, which outlines do not have."""
        mask = np.zeros((40, 50), dtype=np.bool_)
        mask[5:12, 0:9] = mask[20:33, 14:40] = mask[25:39, 30:50] = True
        _, labels = write_yolo(tmp_path, {"a.png": bare(mask[None])}, "segment")
        found = np.zeros((40, 50), dtype=np.bool_)
        for line in labels.read_text().splitlines():
            points = np.array(line.split()[1:], dtype=np.float64).reshape(-1, 2) * [50, 40] - 0.5
            # One at the border is cut there, half a pixel outside its outermost centres.
            found |= polygon2mask((40, 50), points[:, ::-1])
        assert np.array_equal(found, mask)

    def test_key_points(self, notes: ImageAnnotations, tmp_path: Path) -> None:
        description, labels = write_yolo(tmp_path, {"a.png": notes}, "pose")
        assert yaml.safe_load(description.read_text())["kpt_shape"] == [4, 3]
        values = list(map(float, labels.read_text().split()))
        points = np.array(values[5:]).reshape(4, 3)
        assert points[:, 2].tolist() == [2, 1, 0, 0]
        np.testing.assert_allclose(points[:2, :2] * [80, 60], notes.pixels[:2], atol=1e-4)
        assert not points[2:].any()

    def test_bad_input(self, notes: ImageAnnotations, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="unknown task 'poses'; did you mean 'pose'"):
            write_yolo(tmp_path, {"a.png": notes}, "poses")  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="names that differ before their endings, got 'a' twice"):
            write_yolo(tmp_path, {"a.png": notes, "a.jpg": notes}, "pose")
        with pytest.raises(ValueError, match="the task 'pose' needs landmarks, the images have none"):
            write_yolo(tmp_path, {"a.png": bare(speckled(0)[None])}, "pose")
        for no_name in ("", "..", "../other", "a/b"):
            with pytest.raises(ValueError, match="split must be the name of a folder, such as 'train', got"):
                write_yolo(tmp_path / "out", {"a.png": notes}, "pose", split=no_name)
        assert not (tmp_path / "out").exists()


class TestMasks:
    """Masks as PNG."""

    @pytest.mark.parametrize("count", [1, 16, 17, 35])
    def test_bit_planes_keep_what_overlaps(self, count: int, tmp_path: Path) -> None:
        masks = np.stack([speckled(n) for n in range(count)])
        names = [f"Wirbel {n} – ä" for n in range(count)]
        files = write_mask_planes(tmp_path / "masks.png", masks, names)
        assert len(files) == -(-count // 16)
        found_names, found = read_mask_planes(files)
        assert found_names == tuple(names)
        assert np.array_equal(found, masks)

    def test_an_index_has_the_later_one_on_top(self, tmp_path: Path) -> None:
        masks = np.stack([speckled(n, share=0.2) for n in range(3)])
        write_mask_index(tmp_path / "index.png", masks, ["a", "b", "c"])
        with Image.open(tmp_path / "index.png") as picture:
            assert picture.mode == "P"
            assert json.loads(picture.text["structures"]) == {"1": "a", "2": "b", "3": "c"}  # type: ignore[attr-defined]
            index = np.asarray(picture)
        wanted = np.where(masks[2], 3, np.where(masks[1], 2, np.where(masks[0], 1, 0)))
        assert np.array_equal(index, wanted)

    def test_bad_input(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="names must be 1, one for each mask, got 0"):
            write_mask_planes(tmp_path / "a.png", speckled(0)[None], [])
        with pytest.raises(ValueError, match=r"masks must be bool \[L, H, W\], got float64"):
            write_mask_index(tmp_path / "a.png", np.zeros((1, 2, 2)), ["a"])  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="at most 255"):
            write_mask_index(tmp_path / "a.png", np.zeros((256, 2, 2), np.bool_), ["a"] * 256)
        Image.new("L", (2, 2)).save(tmp_path / "b.png")
        with pytest.raises(ValueError, match="must be a PNG of write_mask_planes: it names no structures"):
            read_mask_planes([tmp_path / "b.png"])
        for write in (write_mask_index, write_mask_planes):
            with pytest.raises(ValueError, match=r"path must end in \.png, got .*a\.jpg"):
                write(tmp_path / "a.jpg", speckled(0)[None], ["a"])
        write_mask_index(tmp_path / "c.png", speckled(0)[None], ["a"])
        with pytest.raises(ValueError, match="must be a PNG of write_mask_planes, got one of write_mask_index"):
            read_mask_planes([tmp_path / "c.png"])
        with pytest.raises(TypeError, match="paths must be a list of files, got"):
            read_mask_planes(str(tmp_path / "c.png"))


def test_dicom_seg_refers_to_the_image_and_holds_the_masks(
    projector: Projector, notes: ImageAnnotations, tmp_path: Path
) -> None:
    import highdicom

    projector.project("expected_image").save(tmp_path / "xray.dcm")
    write_seg(tmp_path / "seg.dcm", notes, tmp_path / "xray.dcm", seed="a")
    image, seg = pydicom.dcmread(tmp_path / "xray.dcm"), highdicom.seg.segread(tmp_path / "seg.dcm")
    assert [seg.get_segment_description(n).segment_label for n in seg.segment_numbers] == ["cube", "screw"]
    planes = seg.get_pixels_by_source_instance([image.SOPInstanceUID])
    assert np.array_equal(planes[0].transpose(2, 0, 1) > 0, notes.masks)
    assert seg.StudyInstanceUID == image.StudyInstanceUID
    with pytest.raises(ValueError, match="image must have 37×53 pixels as its masks, got 60×80"):
        write_seg(tmp_path / "b.dcm", bare(speckled(0)[None]), tmp_path / "xray.dcm")
    with pytest.raises(ValueError, match="must have a structure in view to be a DICOM SEG, got none"):
        write_seg(tmp_path / "b.dcm", bare(np.zeros((1, 60, 80), np.bool_)), tmp_path / "xray.dcm")
    assert not (tmp_path / "b.dcm").exists()


class TestOnTheDetector:
    """Annotations in the plane of the detector."""

    def test_they_fall_on_the_same_pixels_and_lie_in_the_plane(self, tmp_path: Path) -> None:
        place = torch.linalg.inv(CAMERA.camera_from_world)  # any rigid motion
        local = MARKS.moved(torch.linalg.inv(place))
        found = on_detector(local, CAMERA, world_from_annotations=place)
        write_annotations(tmp_path / "plane.mrk.json", found)
        again = read_annotations(tmp_path / "plane.mrk.json")
        assert again.keys() == MARKS.keys()
        before = project_annotations(local, CAMERA, world_from_annotations=place)
        after = project_annotations(again, CAMERA, world_from_annotations=place)
        torch.testing.assert_close(after.pixels, before.pixels, equal_nan=True)
        for one in again.values():
            depths = one.points_mm[..., 2]  # the frame of the marks is the camera's here
            torch.testing.assert_close(depths, torch.full_like(depths, 1000.0))

    def test_planes_and_boxes_become_their_outlines(self) -> None:
        turn = torch.eye(3, dtype=torch.float64)[[0, 2, 1]] * torch.tensor([[1.0], [1.0], [-1.0]])
        marks = Annotations(
            [Box("box", (0, 0, 0), turn, (10, 10, 20)), Plane("edge on", (0, 0, 0), turn.roll(1, 1), (10, 20))]
        )
        found = on_detector(marks, CAMERA)
        assert len(found["box"].points_mm) == 4  # one face hides the other seen along the beam
        assert len(found["edge on"].points_mm) >= 3

    def test_what_has_no_image_keeps_its_name(self) -> None:
        found = on_detector(Annotations([Point("behind", (0, -700, 0))]), CAMERA)
        assert found.points == {}
        assert list(found) == ["behind"]
        with pytest.raises(ValueError, match="camera must be of a single view"):
            on_detector(MARKS, Camera.stack([CAMERA, CAMERA]))


class TestOverlay:
    """Pictures with annotations."""

    def test_what_is_drawn_is_where_it_is(self, notes: ImageAnnotations) -> None:
        picture = np.full((60, 80), 100, dtype=np.uint8)
        drawn = overlay_picture(picture, notes)
        scale = drawn.shape[0] // 60
        assert drawn.shape == (60 * scale, 80 * scale, 3)
        u, v = (notes.pixels[0] * scale).astype(int)
        assert drawn[v, u + 3].tolist() == [255, 255, 255]  # the arm of a cross
        outside = ~notes.masks.any(0)
        outside[:, 40:] = False  # names and lines are there
        untouched = np.kron(outside[:15], np.ones((scale, scale))) > 0
        assert bool((drawn[: 15 * scale][untouched] == 100).all())

    def test_bad_input(self, notes: ImageAnnotations) -> None:
        with pytest.raises(ValueError, match=r"picture must be uint8 \(60, 80\), got float64 \(60, 80\)"):
            overlay_picture(np.zeros((60, 80)), notes)  # type: ignore[arg-type]


class TestImageAnnotations:
    """The record."""

    def test_a_batch_is_refused(self) -> None:
        seen = project_annotations(MARKS, Camera.stack([CAMERA, CAMERA]))
        with pytest.raises(ValueError, match=r"projected must be of a single view, got a batch \(2,\)"):
            image_annotations(None, seen, height=60, width=80)

    def test_bad_shapes_and_names(self) -> None:
        wrong = {"height": 3, "width": 4, "masks": np.zeros((2, 4, 3), np.bool_), "boxes": np.zeros((2, 4))}
        with pytest.raises(ValueError, match=r"masks must be of shape \(2, 3, 4\), got \(2, 4, 3\)"):
            ImageAnnotations(**wrong, structures=("a", "b"), amodal_boxes=np.zeros((2, 4)))  # type: ignore[arg-type]
        wrong["masks"] = np.zeros((2, 3, 4), np.bool_)
        with pytest.raises(ValueError, match="names must be different, got 'a' twice"):
            ImageAnnotations(**wrong, structures=("a", "a"), amodal_boxes=np.zeros((2, 4)))  # type: ignore[arg-type]

    def test_bad_values(self) -> None:
        boxes, point = np.zeros((1, 4)), {"points": ("tip",), "pixels": np.full((1, 2), np.nan)}
        wanted = {"height": 3, "width": 4, "structures": ("a",), "boxes": boxes, "amodal_boxes": boxes}
        fine = wanted | {"masks": np.zeros((1, 3, 4), np.bool_)}
        with pytest.raises(ValueError, match="masks must be bool, got uint8"):
            ImageAnnotations(**wanted, masks=np.zeros((1, 3, 4), np.uint8))  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="masks must be a NumPy array, got Tensor"):
            ImageAnnotations(**wanted, masks=torch.zeros(1, 3, 4, dtype=torch.bool))  # type: ignore[arg-type]
        with pytest.raises(ValueError, match=r"visibility must be 0, 1 or 2, got \[3\]"):
            ImageAnnotations(**fine, **point, visibility=np.array([3]))  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="pixels must be finite for landmarks with visibility above 0"):
            ImageAnnotations(**fine, **point, visibility=np.array([2]))  # type: ignore[arg-type]

    def test_without_anything(self) -> None:
        empty = image_annotations(None, None, height=3, width=4)
        assert empty.body_box is None
        assert coco_dataset({"a.png": empty})["annotations"] == []
