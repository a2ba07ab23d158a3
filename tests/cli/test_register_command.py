"""`deepdrr register`: from an X-ray and a rough pose to the pose in a file."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from deepdrr.resources import resource_path

PELVIS = resource_path("data/ct/pelvis.nii.gz")
SMALL = ("--height", 64, "--width", 64, "--pixel-mm", 5, "--sid-mm", 700, "--sdd-mm", 1020)


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Images this small are not worth sharing."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def poses(path: Path) -> np.ndarray:
    """anatomical_from_camera of all views [V, 4, 4]."""
    return np.array([view["anatomical_from_camera"] for view in json.loads(path.read_text())["views"]])


def apart(one: np.ndarray, other: np.ndarray) -> tuple[float, float]:
    """Angle between two poses in degrees, and distance of their sources across the beam, mm."""
    turn = np.degrees(np.arccos(np.clip((np.trace(one[:3, :3].T @ other[:3, :3]) - 1) / 2, -1, 1)))
    return turn, float(np.abs(one[:3, :3].T @ (one[:3, 3] - other[:3, 3]))[:2].max())


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """X-rays of the pelvis from two angles, as DICOM and as raw values."""
    from deepdrr.cli import main

    folder = tmp_path_factory.mktemp("xrays")
    for name, alpha in (("front", 0), ("side", 80)):
        out = ("--out", folder / f"{name}.dcm", "--out", folder / f"{name}.npy", "--out", folder / f"{name}.png")
        words = ("project", PELVIS, *out, *SMALL, "--alpha", alpha, "--kvp", 90)
        assert main([str(word) for word in words]) == 0
    return folder


def test_a_dicom_knows_where_it_was_taken(run, files: Path, tmp_path: Path) -> None:
    """The header's pose is right; found again from angles 4° off."""
    out = tmp_path / "pose.json"
    words = ("register", "--ct", PELVIS, "--xray", files / "front.dcm", "--out", out)
    code, text, error = run(*words)
    assert (code, error) == (0, "")
    assert str(out) in text
    exact = poses(out)[0]
    assert exact[:3, 2] == pytest.approx([0, 1, 0], abs=0.02)  # the beam of a zero alpha, to about a degree
    code, text, _ = run(*words[:-1], tmp_path / "moved.json", "--alpha", 4, "--beta", -3)
    assert code == 0
    assert "camera turned by" in text
    turn, shift = apart(poses(tmp_path / "moved.json")[0], exact)
    # At 5 mm pixels both ends are within a small part of one.
    assert turn < 0.3
    assert shift < 4.0  # of the source, 700 mm away


def test_two_views_from_a_pose_file(run, files: Path, tmp_path: Path) -> None:
    """The pose written by one run starts the next, with other files of the same X-rays; a report shows the way."""
    first, second = tmp_path / "first.json", tmp_path / "second.json"
    dicoms = ("--xray", files / "front.dcm", "--xray", files / "side.dcm")
    assert run("register", "--ct", PELVIS, *dicoms, "--out", first)[0] == 0
    content = json.loads(first.read_text())
    assert {"loss", "iterations", "stopped", "seconds", "ct", "frame", "unit"} <= content.keys()
    assert [view["xray"] for view in content["views"]] == [str(files / "front.dcm"), str(files / "side.dcm")]
    arrays = ("--xray", files / "front.npy", "--xray", files / "side.npy")
    words = ("register", "--ct", PELVIS, *arrays, "--init", first, "--out", second, "--report", tmp_path / "report")
    code, _, error = run(*words)
    assert (code, error) == (0, "")
    for one, other in zip(poses(first), poses(second), strict=True):
        turn, shift = apart(one, other)
        assert turn < 0.1  # a DICOM file's logarithm has 12 bits
        assert shift < 1.0
    written = {path.name for path in (tmp_path / "report").iterdir()}
    assert {"overlay.png", "trajectory.csv", "trajectory.png", "registration.gif", "result.json"} <= written


def test_a_picture_needs_its_geometry(run, files: Path, tmp_path: Path) -> None:
    words = ("register", "--ct", PELVIS, "--xray", files / "front.png", "--out", tmp_path / "pose.json")
    code, _, error = run(*words)
    assert code == 2
    assert "front.png' does not state sdd_mm: give it" in error
    geometry = ("--sdd-mm", 1020, "--sid-mm", 700, "--pixel-mm", 5, "--crop", 2)
    code, _, error = run(*words, *geometry, "--alpha", 3)
    assert (code, error) == (0, "")
    assert poses(tmp_path / "pose.json")[0][:3, 2] == pytest.approx([0, 1, 0], abs=0.02)
    view = json.loads((tmp_path / "pose.json").read_text())["views"][0]
    assert (view["height"], view["width"]) == (64, 64)  # the whole image's, not the cropped one's


def test_a_doubtful_result_is_written_and_told(run, files: Path, tmp_path: Path) -> None:
    """A picture in reversed grey, which the command is told to take as it is: a warning, and the exit code 3."""
    picture = np.array(Image.open(files / "front.png"))
    Image.fromarray(255 - picture).save(tmp_path / "reversed.png")
    geometry = ("--sdd-mm", 1020, "--sid-mm", 700, "--pixel-mm", 5, "--alpha", 3)
    words = (
        "register",
        "--ct",
        PELVIS,
        "--xray",
        tmp_path / "reversed.png",
        "--out",
        tmp_path / "pose.json",
        *geometry,
    )
    code, text, error = run(*words, "--polarity", "as_given")
    assert code == 3
    assert re.search(
        r"agreement 0\.[0-3]\d \(it ended \d+ mm along the beam from its start, further than it looks", text
    )
    assert "deepdrr: warning: the registration is not to be trusted: the picture agrees with the X-ray to" in error
    content = json.loads((tmp_path / "pose.json").read_text(), parse_constant=pytest.fail)
    assert not content["trusted"]
    code, text, error = run(*words)
    assert (code, error) == (0, "")
    assert "reversed.png: grey reversed" in text
    content = json.loads((tmp_path / "pose.json").read_text(), parse_constant=pytest.fail)
    assert content["trusted"]
    assert content["is_reversed"] == [True]
    assert content["agreement"][0] > 0.9
    assert 0 < content["certainty"]["in_plane_mm"] < content["certainty"]["depth_mm"] < 20


def test_masks(run, files: Path, tmp_path: Path) -> None:
    """A plate over the picture: found, or left out by a mask; and a mask that does not fit."""
    picture = np.array(Image.open(files / "front.png"))
    picture[50:60, 3:17] = 255
    Image.fromarray(picture).save(tmp_path / "plate.png")
    mask = np.full(picture.shape, 255, np.uint8)
    mask[49:61, 2:18] = 0
    Image.fromarray(mask).save(tmp_path / "mask.png")
    geometry = ("--sdd-mm", 1020, "--sid-mm", 700, "--pixel-mm", 5, "--alpha", 3)
    words = ("register", "--ct", PELVIS, "--xray", tmp_path / "plate.png", "--out", tmp_path / "pose.json", *geometry)
    code, text, _ = run(*words)
    assert code == 0
    assert "% not compared, marks over the picture" in text
    code, text, _ = run(*words, "--mask", tmp_path / "mask.png")
    assert code == 0
    assert "plate.png: 4.7 % not compared, left out by the mask" in text  # 12 · 16 of 64² pixels
    code, text, _ = run(*words, "--mask", "all")
    assert "not compared" not in text
    code, _, error = run(*words, "--mask", "auto", "--mask", "all")
    assert code == 2
    assert "--mask must be auto, all, or 1 images, one for each X-ray, got auto all" in error
    Image.fromarray(mask[:-1]).save(tmp_path / "small.png")
    code, _, error = run(*words, "--mask", tmp_path / "small.png")
    assert code == 2
    assert "--mask must have the X-ray's 64×64 pixels" in error


def test_a_start_out_of_sight(run, files: Path, tmp_path: Path) -> None:
    words = ("register", "--ct", PELVIS, "--xray", files / "front.dcm", "--out", tmp_path / "pose.json")
    code, _, error = run(*words, "--isocenter", 0, 0, 0)
    assert code == 2
    assert "every camera must see the CT at the start" in error
    # The CT, 276 mm long, ends 1054 mm above the isocenter; there the beam reaches 110 mm up.
    assert 850 < float(error.split(" lies ")[1].split(" mm beside")[0]) < 950
    assert not (tmp_path / "pose.json").exists()


def test_what_is_refused(run, files: Path, tmp_path: Path) -> None:
    (tmp_path / "two.json").write_text('{"views": [{}, {}]}')

    def refused(sentence: str, *words: object, out: object = tmp_path / "pose.json") -> None:
        code, _, error = run("register", "--ct", PELVIS, "--out", out, *words)
        assert code == 2
        assert sentence in " ".join(error.split())
        assert not (tmp_path / "pose.json").exists()

    front, side = ("--xray", files / "front.dcm"), ("--xray", files / "side.dcm")
    refused("there is no file", "--xray", tmp_path / "none.dcm")
    refused("out must end in .json, got", *front, out=tmp_path / "pose.txt")
    refused("does not exist", *front, out=tmp_path / "no" / "pose.json")
    refused("must hold views, one for each of 1 X-rays, got 2", *front, "--init", tmp_path / "two.json")
    refused("give --init or flags for the C-arm, not both", *front, "--init", tmp_path / "two.json", "--alpha", 3)
    refused("the C-arm's flags are for one X-ray, got 2: give --init", *front, *side, "--alpha", 3)
    refused("give a view or angles, not both", *front, "--alpha", 3, "--view", "AP")
    refused("crop must leave pixels of an image 64 pixels wide, got 40", *front, "--crop", 40)
    refused("--sid-mm", *front, "--sid-mm", -700)
    refused("give an isocenter or a landmark, not both", *front, "--landmark", "x", "--isocenter", 0, 0, 0)


def test_an_xray_is_not_written_over(run, files: Path, tmp_path: Path) -> None:
    target = tmp_path / "image.json"
    np.save(tmp_path / "image.npy", np.load(files / "front.npy"))
    (tmp_path / "image.npy").rename(target)
    before = target.read_bytes()
    code, _, error = run("register", "--ct", PELVIS, "--xray", target, "--out", target)
    assert code == 2
    assert "out must not be an X-ray" in error
    assert target.read_bytes() == before
