"""`deepdrr annotate`: what it writes, and what it refuses before the CT is read."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deepdrr.annotations import Annotations, Point, read_annotations, read_mask_planes, write_annotations

FORMS = ("picture", "overlay", "points", "lengths", "masks", "coco", "yolo", "markups", "dicom")
BASE = ("--binning", 32, "--view", "PA", "--mas", 5)


@pytest.fixture
def landmarks(tmp_path: Path) -> Path:
    path = tmp_path / "points.mrk.json"
    write_annotations(path, Annotations([Point("rod end", (43.0, 27.0, 23.0)), Point("later")]))
    return path


def test_every_form(run, ct: Path, labels: Path, landmarks: Path, tmp_path: Path) -> None:
    names = ("--label-names", "1=rod", "--label-names", "2=nail", "--label-materials", "2=stainless steel")
    wanted = [word for form in FORMS for word in ("--write", form)]
    code, out, error = run(
        "annotate", ct, "--labels", labels, "--landmarks", landmarks, *names, *wanted, *BASE, "--out", tmp_path / "out"
    )
    assert (code, error) == (0, "")
    assert "structure rod: u " in out
    assert "landmark  later: no image" in out
    folder = tmp_path / "out"
    with Image.open(folder / "image.png") as picture:
        size = picture.size
    found_names, masks = read_mask_planes([folder / "masks.png"])
    assert found_names == ("rod", "nail")
    assert masks.shape == (2, *size[::-1])
    with np.load(folder / "lengths.npz") as lengths:
        assert np.array_equal(lengths["path_lengths_mm"] > 0, masks)
    assert len(json.loads((folder / "coco.json").read_text())["annotations"]) == 3
    rows = list(csv.DictReader((folder / "points.csv").read_text().splitlines()))
    assert [row["visibility"] for row in rows] == ["2", "0"]
    assert read_annotations(folder / "detector.mrk.json").keys() == {"rod end", "later"}
    for file in ("overlay.png", "index.png", "image.dcm", "seg.dcm", "yolo/pose/labels/train/image.txt"):
        assert (folder / file).stat().st_size > 0


def test_landmarks_alone(run, ct: Path, landmarks: Path, tmp_path: Path) -> None:
    code, _, _ = run("annotate", ct, "--landmarks", landmarks, *BASE, "--out", tmp_path / "out")
    assert code == 0
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [
        "coco.json",
        "detector.mrk.json",
        "image.png",
        "overlay.png",
        "points.csv",
    ]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "annotate needs labels, landmarks or tools, got none of them"),
        (("--landmarks", "{landmarks}", "--join", "a"), "must be two landmarks as A=B, got 'a'"),
        (("--landmarks", "{landmarks}", "--join", "rod end=lat"), "unknown landmark to join 'lat'"),
        (("--landmarks", "{ct}"), "landmarks must be a .mrk.json, .fcsv"),
        (("--landmarks", "{landmarks}", "--write", "cocoa"), "cocoa"),
        (("--landmarks", "{landmarks}", "--out", "{ct}"), "must be a folder, got the file"),
    ],
)
def test_bad_input(words: tuple[str, ...], sentence: str, run, ct: Path, landmarks: Path, tmp_path: Path) -> None:
    filled = [word.format(landmarks=landmarks, ct=ct) for word in words]
    out = () if "--out" in words else ("--out", tmp_path / "out")
    code, _, error = run("annotate", ct, *filled, *BASE, *out)
    assert code == 2
    assert sentence in error
    assert not list(tmp_path.glob("out/*"))


def test_tools_are_structures_with_key_points(run, tmp_path: Path) -> None:
    scene = tmp_path / "scene.yaml"
    scene.write_text("""
tools:
  wire:
    kind: k-wire
    dimensions: {diameter_mm: 20, length_mm: 150}
    insert: {entry: [0, 50, 0], target: [0, 0, 0], depth_mm: 20}
carm: {view: left lateral, binning: 32}
technique: {kvp: 70, mas: 2}
""")
    wanted = [word for form in ("points", "lengths", "masks", "markups") for word in ("--write", form)]
    code, _, error = run("annotate", "--scene", scene, *wanted, "--out", tmp_path / "out")
    assert (code, error) == (0, "")
    names, masks = read_mask_planes([tmp_path / "out" / "masks.png"])
    assert names == ("wire",)
    assert masks.any()
    assert "wire.tip" in read_annotations(tmp_path / "out" / "detector.mrk.json")
    with np.load(tmp_path / "out" / "lengths.npz") as lengths:
        assert lengths["shares"].max() == pytest.approx(1.0)  # there is nothing else in the beam
