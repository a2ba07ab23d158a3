"""Label maps are brought onto the CT's grid, or refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from volume_phantoms import GRIDS, SHAPE, ramp, volume, write_nifti

from deepdrr import Volume
from deepdrr.data import LabelMap
from deepdrr.geometry import transform_points, translation

LABELS = (np.arange(210) % 7).reshape(SHAPE)


@pytest.mark.parametrize("kind", ["array", "tensor", "float", "map", "file"])
def test_labels_on_the_grid_are_kept(kind: str, tmp_path: Path) -> None:
    labels: Any = {
        "array": LABELS,
        "tensor": torch.from_numpy(LABELS),
        "float": LABELS.astype(np.float64),
        "map": LabelMap(LABELS, GRIDS["oblique"]),
        "file": write_nifti(tmp_path / "labels.nii.gz", LABELS.astype(np.uint8), GRIDS["oblique"]),
    }[kind]
    ct = volume("oblique", labels=labels, label_names={1: "femur_left"})
    assert ct.labels.dtype == torch.uint8
    assert torch.equal(ct.labels, torch.from_numpy(LABELS).to(torch.uint8))
    assert ct.label_names == {1: "femur_left"}
    assert "6 labels, 1 of them named" in repr(ct)


def test_many_labels_need_more_bits() -> None:
    assert volume(labels=LABELS + 300).labels.dtype == torch.int16


@pytest.mark.parametrize("ct_grid", GRIDS)
@pytest.mark.parametrize("label_grid", ["RAS", "oblique, left-handed"])
def test_each_voxel_has_the_label_of_its_place(ct_grid: str, label_grid: str) -> None:
    """Half spaces on either side of a plane, labelled on another grid; voxels near the plane may go either way."""
    big = (40, 40, 40)
    ijk = torch.stack(torch.meshgrid(*(torch.arange(n, dtype=torch.float64) for n in big), indexing="ij"), -1)
    ct = volume(ct_grid)
    affine = GRIDS[label_grid].clone()
    affine[:3, 3] += ct.center_in_anatomical - transform_points(affine, torch.full((3,), 19.5).double())
    normal = torch.tensor([1.0, 2.0, -1.5], dtype=torch.float64)

    def side(points: torch.Tensor) -> torch.Tensor:
        return (points - ct.center_in_anatomical) @ (normal / normal.norm())

    map_ = LabelMap(torch.where(side(transform_points(affine, ijk.reshape(-1, 3))) > 0, 1, 2).reshape(big), affine)
    ct = volume(ct_grid, labels=map_)
    here = torch.stack(torch.meshgrid(*(torch.arange(n, dtype=torch.float64) for n in SHAPE), indexing="ij"), -1)
    distance = side(transform_points(ct.anatomical_from_ijk, here.reshape(-1, 3))).reshape(SHAPE)
    # half the diagonal of the label map's voxel
    sure = (distance.abs() > 0.5 * affine[:3, :3].norm()) & (ct.labels > 0)
    assert int(sure.sum()) > 10
    assert torch.equal(ct.labels[sure] == 1, distance[sure] > 0)


def test_outside_of_the_label_map_is_background() -> None:
    affine = GRIDS["RAS"] @ translation((2, 0, 0))
    ct = volume(labels=LabelMap(np.ones((3, 6, 5)), affine))
    assert ct.labels[:, 0, 0].tolist() == [0, 0, 1, 1, 1, 0, 0]


def test_a_map_of_another_patient_is_refused() -> None:
    away = translation((500, 0, 0)) @ GRIDS["RAS"]
    with pytest.raises(ValueError, match=r"must overlap, got the labels at \(499…513.*another patient"):
        volume(labels=LabelMap(LABELS, away))
    corner = np.zeros((7, 6, 5))
    corner[-1, -1, -1] = 1
    with pytest.raises(ValueError, match="none of the labels lies on the CT"):
        volume(labels=LabelMap(corner, translation((3, 0, 0)) @ GRIDS["RAS"]))


def test_labels_in_the_air_are_doubtful() -> None:
    with pytest.warns(UserWarning, match="100% of the labelled voxels are air in the CT"):
        volume(labels=ramp() < -960)


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        (LABELS * 0.5, "must be integers, got 0.5"),
        (LABELS - 1, "must be from 0 to 2147483647, got values from -1 to 5"),
        (LABELS + 2.0**31, "must be from 0 to 2147483647"),
        (np.full(SHAPE, np.nan), "NaN or infinite"),
        (LABELS[:-1], r"must have the CT's shape \(7, 6, 5\), got \(6, 6, 5\)"),
        (LABELS[0], "3-D"),
    ],
)
def test_what_is_no_label_map(labels: np.ndarray, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        volume(labels=labels)


def test_labels_must_be_numbers() -> None:
    with pytest.raises(TypeError, match="labels must be integers"):
        volume(labels=LABELS.astype(str))


def test_names_from_a_table(tmp_path: Path) -> None:
    table = tmp_path / "structures.csv"
    table.write_text("group,structure,id\norgans,spleen,1\nbones,sacrum,2\n")
    assert volume(labels=LABELS, label_names=table).label_names == {1: "spleen", 2: "sacrum"}
    table.write_text("id,colour\n1,red\n")
    with pytest.raises(ValueError, match=r"columns id and name \(or structure\), got id, colour"):
        volume(labels=LABELS, label_names=table)
    table.write_text("id,name\none,spleen\n")
    with pytest.raises(ValueError, match=r"line 2 of .* integer id, got 'one'"):
        volume(labels=LABELS, label_names=table)


@pytest.mark.parametrize("names", [{-1: "a"}, {"1": "a"}, {1: ""}, {True: "a"}])
def test_names_must_be_of_labels(names: Any) -> None:
    with pytest.raises(ValueError, match="label_names must map integers"):
        volume(labels=LABELS, label_names=names)


def test_names_need_labels() -> None:
    with pytest.raises(ValueError, match="label_names needs labels"):
        volume(label_names={1: "spleen"})


@pytest.mark.parametrize("grid", ["LPS", "oblique, left-handed"])
@pytest.mark.parametrize("scale", [1.0, 0.3])
def test_what_is_saved_is_read_again(grid: str, scale: float, tmp_path: Path) -> None:
    """Whole HU go through int16, others through float32: neither loses anything."""
    ct = Volume.from_array(
        ramp() * scale, GRIDS[grid], labels=LABELS, label_names={1: "femur, left"}, landmarks={"tip": (1, 2, 3.5)}
    )
    ct.rotate((0, 0, 1), 30)
    ct.save(tmp_path / "ct.nii.gz", labels=tmp_path / "seg.nii.gz", landmarks=tmp_path / "points.json")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["ct.nii.gz", "points.json", "seg.csv", "seg.nii.gz"]
    again = Volume.from_nifti(
        tmp_path / "ct.nii.gz",
        labels=tmp_path / "seg.nii.gz",
        label_names=tmp_path / "seg.csv",
        landmarks=tmp_path / "points.json",
    )
    assert torch.equal(again.hu, ct.hu)
    assert torch.equal(again.labels, ct.labels)
    assert again.label_names == ct.label_names
    assert torch.equal(again.landmarks["tip"], ct.landmarks["tip"])
    # The affine is float32 in NIfTI; the placement is not part of the file.
    assert torch.allclose(again.anatomical_from_ijk, ct.anatomical_from_ijk, atol=1e-5, rtol=0)
    assert torch.equal(again.world_from_anatomical, torch.eye(4, dtype=torch.float64))


def test_saving_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"path must end in .nii or .nii.gz, got 'ct.png'"):
        volume().save("ct.png")
    with pytest.raises(ValueError, match="the volume has none"):
        volume().save(tmp_path / "ct.nii", labels=tmp_path / "seg.nii")
    with pytest.raises(FileNotFoundError, match="does not exist"):
        volume().save(tmp_path / "gone" / "ct.nii")
    assert not list(tmp_path.iterdir())


def test_landmark_files_name_their_frame(tmp_path: Path) -> None:
    path = tmp_path / "points.json"
    path.write_text('{"frame": "LPS", "unit": "mm", "points": {"a": [1, 2, 3]}}')
    with pytest.raises(ValueError, match=r"must give its points in .*RAS.*, got .*LPS"):
        volume(landmarks=path)
    path.write_text("not json")
    with pytest.raises(ValueError, match="must be JSON, line 1 of"):
        volume(landmarks=path)


class TestOtherLabels:
    def test_the_same_voxels_in_the_same_place_with_another_map(self) -> None:
        first = volume("oblique", labels=LABELS, label_names={1: "femur_left"}, landmarks={"tip": (1, 2, 3)})
        first.rotate((1, 2, 3), 20)
        place = first.world_from_anatomical
        second = first.with_labels(LabelMap(LABELS // 4, GRIDS["oblique"]), names={1: "pelvis"})
        assert torch.equal(second.labels, torch.from_numpy(LABELS // 4).to(torch.uint8))
        assert second.label_names == {1: "pelvis"}
        assert second.hu is first.hu
        assert torch.equal(second.world_from_anatomical, place)
        assert second.landmarks.keys() == {"tip"}
        assert torch.equal(first.labels, torch.from_numpy(LABELS).to(torch.uint8))
        assert first.label_names == {1: "femur_left"}
        assert first.with_labels(LABELS).label_names == {}

    def test_a_volume_that_moves_leaves_the_other_where_it_is(self) -> None:
        first = volume("oblique")
        second = first.with_labels(LABELS)
        second.translate((10, 0, 0))
        assert first.world_from_anatomical.tolist() == torch.eye(4).tolist()

    def test_maps_are_checked_as_when_a_volume_is_read(self) -> None:
        ct = volume()
        with pytest.raises(ValueError, match=r"labels must have the CT's shape \(7, 6, 5\), got \(7, 6, 4\)"):
            ct.with_labels(LABELS[..., :4])
        with pytest.raises(ValueError, match=r"labels must be integers, got 0\.5"):
            ct.with_labels(LABELS + 0.5)
        with pytest.raises(ValueError, match="label_names must map integers"):
            ct.with_labels(LABELS, names={-1: "nothing"})
        with pytest.warns(UserWarning, match="labelled voxels are air in the CT"):
            ct.with_labels((ramp() < -960).astype(np.uint8))


class TestDevice:
    """`meta` stands for a GPU: what is not on the CPU is told apart by it."""

    def test_voxels_and_labels_move_and_the_geometry_stays(self) -> None:
        ct = volume("oblique", labels=LABELS, label_names={1: "femur_left"}, landmarks={"tip": (1, 2, 3)})
        ct.translate((1, 2, 3))
        there = ct.to("meta")
        assert (there.device.type, there.hu.device.type, there.labels.device.type) == ("meta", "meta", "meta")
        assert there.anatomical_from_ijk.device.type == "cpu"
        assert torch.equal(there.world_from_ijk, ct.world_from_ijk)
        assert (there.label_names, there.source, there.shape) == (ct.label_names, ct.source, ct.shape)
        assert ct.device.type == "cpu"
        assert volume().to("meta").labels is None

    def test_a_volume_that_is_there_is_itself(self) -> None:
        ct = volume()
        assert ct.to("cpu") is ct
        assert ct.to(torch.device("cpu")) is ct

    @pytest.mark.parametrize(
        ("device", "words"),
        [
            ("x", "be 'cpu', or a GPU such as 'cuda:0', got 'x'"),
            ("xla:0", "be one that torch can use here, got 'xla:0'"),
        ],
    )
    def test_a_device_that_is_none_is_refused(self, device: str, words: str) -> None:
        with pytest.raises(ValueError, match=f"device must {words}"):
            volume().to(device)


def test_labels_of_the_same_size_elsewhere_warn() -> None:
    moved = translation((0.0, 4.0, 0.0)) @ GRIDS["RAS"]
    with pytest.warns(UserWarning, match=r"has the CT's 7×6×5 voxels, but by its affine a corner lies 4 mm from"):
        volume("RAS", labels=LabelMap(LABELS, moved))
