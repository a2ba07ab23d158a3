"""Files of points, lines, curves, planes and boxes: what is read, and what is refused."""

import json
from pathlib import Path as FilePath
from typing import Any

import pytest
import torch
from volume_phantoms import GRIDS, volume

from deepdrr.data.markups._annotations import Annotations
from deepdrr.data.markups._files import read_annotations, write_annotations
from deepdrr.data.markups._markup import Box, Markup, Path, Plane, Point
from deepdrr.geometry import rigid, rotation

TURN = rotation((1, 2, 3), 40.0)
POINTS = [Point("tip, left", (1.5, -2.25, 3.1)), Point("absent", status="missing"), Point("later")]
PATHS = [
    Path("shaft", [(0, 0, 1), (10, 0, 1)]),
    Path("angle", [(0, 0, 1), (10, 0, 1), (1, 1, 1)], "angle"),
    Path("rim", [(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0.5)], "closed curve"),
    Path("ridge", [(0, 0, 0), (1, 0, 0.1)], "curve"),
]
PLACED = [Plane("inlet", (1, 2, 3), TURN, (40, 30)), Box("field", (3, 2, 1), TURN, (4, 5, 6))]
HELD: dict[str, list[Markup]] = {
    ".mrk.json": [*POINTS, *PATHS, *PLACED],
    ".json": [*POINTS, *PATHS, *PLACED],
    ".csv": [*POINTS, *PATHS],
    ".fcsv": [*POINTS],
}
RAS = '"frame": "RAS", "unit": "mm"'
COLUMNS = "# columns = id,x,y,z,ow,ox,oy,oz,vis,sel,lock,label,desc,associatedNodeID\n"


def assert_same(found: Markup, wanted: Markup) -> None:
    assert type(found) is type(wanted)
    assert found.edges == wanted.edges
    # Turned to LPS and back, and for planes and boxes times half lengths: some roundings of float64 at 40 mm.
    torch.testing.assert_close(found.points_mm, wanted.points_mm, rtol=0, atol=1e-13)
    assert getattr(found, "status", None) == getattr(wanted, "status", None)
    assert getattr(found, "kind", None) == getattr(wanted, "kind", None)


@pytest.mark.parametrize("suffix", HELD)
def test_what_is_written_is_read_again(suffix: str, tmp_path: FilePath) -> None:
    wanted = Annotations(HELD[suffix])
    write_annotations(tmp_path / f"marks{suffix}", wanted)
    found = read_annotations(tmp_path / f"marks{suffix}")
    assert found.keys() == wanted.keys()
    for name, one in wanted.items():
        assert_same(found[name], one)


def slicer(tmp_path: FilePath, *nodes: dict[str, Any]) -> FilePath:
    file = tmp_path / "marks.mrk.json"
    file.write_text(json.dumps({"markups": list(nodes)}))
    return file


def fiducials(system: object = "LPS", **fields: Any) -> dict[str, Any]:
    point = {"id": "1", "label": "tip", "position": [1.0, 2.0, 3.0], "positionStatus": "defined", **fields}
    return {"type": "Fiducial", "coordinateSystem": system, "coordinateUnits": "mm", "controlPoints": [point]}


@pytest.mark.parametrize(
    ("system", "sign"), [("LPS", -1), ("lps", -1), (1, -1), ("1", -1), ("RAS", 1), (0, 1), ("0", 1)]
)
def test_both_frames_as_word_and_as_number(system: object, sign: int, tmp_path: FilePath) -> None:
    wanted = torch.tensor([sign * 1.0, sign * 2.0, 3.0], dtype=torch.float64)
    assert torch.equal(read_annotations(slicer(tmp_path, fiducials(system))).points["tip"], wanted)
    old = tmp_path / "old.fcsv"
    old.write_text(f"# CoordinateSystem = {system}\n{COLUMNS}n1,1,2,3,0,0,0,1,1,1,0,tip,,\n")
    assert torch.equal(read_annotations(old).points["tip"], wanted)


def test_a_box_written_by_hand_has_its_middle_in_the_control_point(tmp_path: FilePath) -> None:
    turned = [-1.0, 0, 0, 0, -1.0, 0, 0, 0, 1.0]
    roi = {"type": "ROI", "name": "r", "roiType": "Box", "orientation": turned, "size": [2.0, 4.0, 6.0]}
    roi["controlPoints"] = [{"position": [5.0, -10.0, 20.0], "locked": True}]
    box = read_annotations(slicer(tmp_path, roi))["r"]
    assert isinstance(box, Box)
    assert torch.equal(box.axes, torch.eye(3, dtype=torch.float64))
    assert (box.points_mm.amin(0).tolist(), box.points_mm.amax(0).tolist()) == ([-6, 8, 17], [-4, 12, 23])


@pytest.mark.parametrize("given", ["baseToNode", "normal"])
def test_a_plane_by_its_matrix_or_its_normal(given: str, tmp_path: FilePath) -> None:
    node: dict[str, Any] = {"type": "Plane", "name": "p", "coordinateSystem": "RAS", "center": [1.0, 2.0, 3.0]}
    base = torch.eye(4, dtype=torch.float64)
    base[:3, :3] = TURN
    node |= {given: base.flatten().tolist() if given == "baseToNode" else (2 * TURN[:, 2]).tolist()}
    plane = read_annotations(slicer(tmp_path, {**node, "planeBounds": [-1, 1, -2, 2]}))["p"]
    assert isinstance(plane, Plane)
    assert plane.size_mm == (2, 4)
    torch.testing.assert_close(plane.axes[:, 2], TURN[:, 2])
    if given == "baseToNode":
        torch.testing.assert_close(plane.axes, TURN)


def test_undefined_points_keep_their_names(tmp_path: FilePath) -> None:
    nodes = [fiducials(positionStatus=status, label=status) for status in ("undefined", "preview", "missing")]
    found = read_annotations(slicer(tmp_path, *nodes))
    assert [getattr(one, "status", "") for one in found.values()] == ["undefined", "undefined", "missing"]
    assert found.points == {}
    file = tmp_path / "old.fcsv"
    rows = "".join(f"{n},0,0,0,0,0,0,1,1,1,0,s{n},,,{n},0\n" for n in range(4))
    file.write_text(f"# CoordinateSystem = LPS\n{COLUMNS}{rows}")
    found = read_annotations(file)
    assert [getattr(one, "status", "") for one in found.values()] == ["undefined", "undefined", "defined", "missing"]


def test_a_file_of_slicer_3_needs_its_frame(tmp_path: FilePath) -> None:
    file = tmp_path / "old.fcsv"
    file.write_text("# Fiducial List file\n# columns = label,x,y,z,sel,vis\nF1,1,2,3,1,1\n")
    with pytest.raises(ValueError, match="does not state its coordinate system: give frame="):
        read_annotations(file)
    assert read_annotations(file, frame="LPS").points["F1"].tolist() == [-1, -2, 3]


def test_a_csv_in_lps(tmp_path: FilePath) -> None:
    file = tmp_path / "points.csv"
    file.write_text("name,L_mm,P_mm,S_mm\ntip,1,2,3\n")
    assert read_annotations(file).points["tip"].tolist() == [-1, -2, 3]


@pytest.mark.parametrize(
    ("node", "sentence"),
    [
        (fiducials("IJK"), r"must state its coordinate system as RAS \(0\) or LPS \(1\), got 'IJK'"),
        (fiducials(True), "must state its coordinate system as RAS"),
        ({**fiducials(), "coordinateUnits": "cm"}, "must be in mm, got 'cm'"),
        (fiducials(position=[1.0, float("nan"), 3.0]), "landmark 'tip' must be finite, got"),
        (fiducials(position=[1.0, 2.0]), r"landmark 'tip' must be three coordinates in mm, got shape \(2,\)"),
        (fiducials(position="here"), "landmark 'tip' must be three coordinates in mm, got 'here'"),
        (fiducials(position=None), "'tip' of markup .* must have a position, or be undefined or missing"),
        (fiducials(positionStatus="lost"), "unknown positionStatus of 'tip' in markup .* 'lost'; known are 'defined'"),
        ({"type": "Sphere"}, "unknown type of markup 'Sphere 1' of .* 'Sphere'; known are 'Fiducial', 'Line'"),
        ({**fiducials(), "type": "Line", "name": "l"}, "'l' must have 2 points as a line, got 1"),
        ({"type": "Plane", "center": [0, 0, 0]}, "must have an orientation, a baseToNode or a normal, it has none"),
        ({"type": "ROI", "center": [0, 0, 0]}, "must have a size of three lengths, got None"),
        ({"type": "ROI", "normal": [0, 0, 1], "size": [1, 1, 1]}, "must have a center or a control point"),
        (
            {"type": "ROI", "center": [0, 0, 0], "orientation": [1] * 9, "size": [1, 1, 1]},
            "axes of 'ROI 1' must be a rotation",
        ),
    ],
)
def test_wrong_markups_of_slicer(node: dict[str, Any], sentence: str, tmp_path: FilePath) -> None:
    with pytest.raises(ValueError, match=sentence) as caught:
        read_annotations(slicer(tmp_path, node))
    assert "marks.mrk.json" in str(caught.value)


def test_a_name_twice(tmp_path: FilePath) -> None:
    with pytest.raises(ValueError, match="must have different names, got 'tip' twice"):
        read_annotations(slicer(tmp_path, fiducials(), fiducials()))
    file = tmp_path / "points.csv"
    file.write_text("name,R_mm,A_mm,S_mm\ntip,1,2,3\ntip,1,2,4\n")
    with pytest.raises(ValueError, match=r"in .*points\.csv', .* got 'tip' twice"):
        read_annotations(file)


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("a.csv", "name,x,y,z\ntip,1,2,3\n", r"must have the columns name, R_mm, A_mm, S_mm .*got name, x, y, z"),
        ("a.csv", "name,R_mm,A_mm,S_mm\ntip,1,nan,3\n", "line 2 of .* must have a name and three finite numbers"),
        ("a.csv", "name,R_mm,A_mm,S_mm\ntip,1,5,2,3\n", "line 2 of .* must have 4 columns, got 5"),
        (
            "a.csv",
            "name,kind,R_mm,A_mm,S_mm\ntip,dot,1,2,3\n",
            "unknown kind in line 2 of .* 'dot'; did you mean",
        ),
        ("a.fcsv", "1,2,3\n", "must be an .fcsv file with '# columns = …'"),
        ("a.fcsv", f"# CoordinateSystem = 2\n{COLUMNS}", "must state its coordinate system as RAS .* got '2'"),
        ("a.fcsv", f"# CoordinateSystem = LPS\n{COLUMNS}1,2,3\n", "line 3 of .* must have 14 columns, got 3"),
        ("a.fcsv", "# CoordinateSystem = LPS\n# columns = x,y,z,label\n1,2,?,tip\n", "line 3 of .* got '1,2,\\?,tip'"),
        ("a.json", '{"frame": "RAS", "unit": "cm", "points": {}}', "must give its points in .*mm.*, got .*cm"),
        ("a.json", f'{{{RAS}, "points": {{}}, "plane": {{}}}}', "unknown field of .* 'plane'; did you mean"),
        ("a.json", f'{{{RAS}, "points": {{}}, "paths": {{"l": {{"kind": "line"}}}}}}', "'points' is missing"),
        ("a.json", f'{{{RAS}, "points": {{"a": null}}}}', "position_mm of 'a' must be given"),
        ("a.mrk.json", '{"markups": 3}', "must hold a list of 'markups'"),
        ("a.json", "[1]", "must hold fields and their values"),
    ],
)
def test_wrong_files(name: str, text: str, sentence: str, tmp_path: FilePath) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=sentence):
        read_annotations(tmp_path / name)


def test_what_a_kind_of_file_has_no_place_for(tmp_path: FilePath) -> None:
    with pytest.raises(ValueError, match=r"holds points only, got the path 'shaft'"):
        write_annotations(tmp_path / "a.fcsv", Annotations(PATHS))
    with pytest.raises(ValueError, match=r"holds points and paths, got the plane 'inlet'"):
        write_annotations(tmp_path / "a.csv", Annotations(PLACED))
    with pytest.raises(ValueError, match=r"path must end in .mrk.json, .fcsv, .csv, .json, got 'a.txt'"):
        write_annotations(tmp_path / "a.txt", Annotations())
    assert not list(tmp_path.iterdir())


class TestMarkups:
    """The kinds themselves."""

    def test_a_rigid_motion_moves_every_point_of_every_kind(self) -> None:
        b_from_a = rigid(TURN, (1, 2, 3))
        for one in (*POINTS, *PATHS, *PLACED):
            wanted = one.points_mm @ b_from_a[:3, :3].T + b_from_a[:3, 3]
            torch.testing.assert_close(one.moved(b_from_a).points_mm, wanted, rtol=0, atol=1e-13)  # float64 at 40 mm

    def test_the_edges_of_a_box_are_its_lengths(self) -> None:
        box = PLACED[1]
        lengths = sorted(float((box.points_mm[a] - box.points_mm[b]).norm()) for a, b in box.edges)
        assert lengths == pytest.approx([4] * 4 + [5] * 4 + [6] * 4)

    def test_bad_input(self) -> None:
        with pytest.raises(ValueError, match="must have a name, got ''"):
            Point("", (0, 0, 0))
        with pytest.raises(ValueError, match="position_mm of 'a' must be given if, and only if, it is defined"):
            Point("a", (0, 0, 0), status="missing")
        with pytest.raises(ValueError, match="size_mm of 'b' must be 3 positive lengths, got"):
            Box("b", (0, 0, 0), torch.eye(3), (1, 0, 1))
        with pytest.raises(ValueError, match="axes of 'b' must be a rotation"):
            Box("b", (0, 0, 0), torch.diag(torch.tensor([1.0, 1.0, -1.0])), (1, 1, 1))
        with pytest.raises(ValueError, match="'l' must have 3 points as a angle, got 2"):
            Path("l", [(0, 0, 0), (1, 1, 1)], "angle")
        with pytest.raises(TypeError, match="markups must be points, paths, planes and boxes, got 'tip'"):
            Annotations(["tip"])  # type: ignore[list-item]


class TestInAVolume:
    """Annotations of a CT."""

    @pytest.mark.parametrize("suffix", HELD)
    def test_a_volume_takes_and_saves_every_kind_of_file(self, suffix: str, tmp_path: FilePath) -> None:
        write_annotations(tmp_path / f"given{suffix}", Annotations(HELD[suffix]))
        ct = volume("oblique", landmarks=tmp_path / f"given{suffix}")
        assert list(ct.landmarks) == ["tip, left"]
        ct.save(tmp_path / "ct.nii", landmarks=tmp_path / f"saved{suffix}")
        assert (tmp_path / f"saved{suffix}").read_text() == (tmp_path / f"given{suffix}").read_text()
        assert ct.crop(ijk=((0, 0, 0), (2, 2, 2))).annotations.keys() == ct.annotations.keys()

    def test_a_file_of_another_frame_of_reference_is_refused(self, tmp_path: FilePath) -> None:
        far = GRIDS["RAS"].clone()
        far[:3, 3] = torch.tensor([300.0, 0.0, 0.0])
        write_annotations(tmp_path / "a.json", Annotations([Point("a", (-305, -2, 3)), Point("b", (-310, -5, 3))]))
        with pytest.raises(ValueError, match=r"landmarks of '.*a.json' must be in the CT's frame.*: are they LPS\?"):
            type(volume()).from_array(volume().hu, far, landmarks=tmp_path / "a.json")
        write_annotations(tmp_path / "b.json", Annotations([Point("a", (0, 0, 2000))]))
        with pytest.raises(ValueError, match=r"1 of 1 points lie more than 100 mm outside the CT, up to 1991 mm$"):
            volume(landmarks=tmp_path / "b.json")

    def test_a_landmark_beyond_the_end_of_a_ct_is_not(self, tmp_path: FilePath) -> None:
        marks = [Point("a", (1, 1, 1)), Point("b", (1, 1, 90)), Point("c", (1, 1, 900)), Point("d")]
        write_annotations(tmp_path / "a.json", Annotations(marks))
        assert set(volume(landmarks=tmp_path / "a.json").landmarks) == {"a", "b", "c"}
