"""`deepdrr project` with tools, by flags and by a scene file."""

import json
from pathlib import Path

import numpy as np
import pytest

from deepdrr.tools import Tool

trimesh = pytest.importorskip("trimesh")

SMALL = ("--height", 40, "--width", 48, "--pixel-mm", 3, "--no-noise")


@pytest.fixture
def screw(tmp_path: Path) -> Path:
    mesh = Tool.make("bone screw", length_mm=30.0, segments=12).mesh
    trimesh.Trimesh(mesh.vertices, mesh.faces).export(tmp_path / "screw.stl")
    return tmp_path / "screw.stl"


@pytest.fixture
def pose(tmp_path: Path) -> Path:
    """Along the patient, in the middle of the phantom, in the CT's own coordinates."""
    fields = {"align": {"tip": [35.0, 27.0, 40.0], "direction": [0, 0, 1]}}
    (tmp_path / "pose.json").write_text(json.dumps(fields))
    return tmp_path / "pose.json"


def test_a_tool_in_the_beam(run, ct, screw, pose, tmp_path) -> None:
    words = ("--tool", screw, "--tool-material", "titanium", "--tool-pose", pose)
    code, out, error = run("project", ct, "--out", tmp_path / "a.npy", *SMALL, *words)
    assert (code, error) == (0, "")
    assert "Tool 'screw'" in out
    assert run("project", ct, "--out", tmp_path / "b.npy", *SMALL)[0] == 0
    with_it, without = np.load(tmp_path / "a.npy"), np.load(tmp_path / "b.npy")
    assert with_it.min() < 0.5 * without.min()
    assert (with_it[:, :8] > 0.9 * without[:, :8]).all()  # beside the tool nothing is lost but glare


def test_key_points_and_masks_are_written(run, ct, screw, pose, tmp_path) -> None:
    words = ("--tool", screw, "--tool", screw, "--tool-material", "steel", "--tool-pose", pose)
    base = ("project", ct, *SMALL, *words)
    assert run(*base, "--quantity", "tool_masks", "--out", tmp_path / "a.png")[0] == 0
    assert sorted(path.name for path in tmp_path.glob("a-*.png")) == ["a-screw.png", "a-screw_2.png"]
    assert run(*base, "--quantity", "tool_boxes", "--out", tmp_path / "a.npy")[0] == 0
    assert np.load(tmp_path / "a.npy").shape == (2, 4)
    code, _, error = run(*base, "--quantity", "tool_boxes", "--out", tmp_path / "b.png")
    assert code == 2
    assert "out must end in .npy or .npz for 'tool_boxes'" in error


def test_a_scene_file(run, ct, screw, tmp_path) -> None:
    (tmp_path / "scene.yaml").write_text(
        f"volumes: {{patient: {{file: '{ct}'}}}}\n"
        "tools:\n"
        "  screw: {file: screw.stl, unit: mm, material: titanium, attached_to: patient}\n"
        "  wire: {kind: k-wire, dimensions: {length_mm: 60}, attached_to: screw}\n"
        "technique: {kvp: 70, mas: 1}\n"
    )
    base = ("project", "--scene", tmp_path / "scene.yaml")
    code, out, error = run(*base, *SMALL, "--out", tmp_path / "a.npy")
    assert (code, error) == (0, "")
    assert "Tool 'wire'" in out
    assert "70" in out
    assert np.load(tmp_path / "a.npy").shape == (40, 48)  # a detector may be given beside it


def test_flags_move_the_carm_of_a_scene(run, ct, tmp_path) -> None:
    """What no flag says stays: the detector, and where the arm turns."""
    (tmp_path / "scene.yaml").write_text(
        f"volumes: {{patient: {{file: '{ct}'}}}}\n"
        "tools: {ball: {kind: ball, attached_to: patient, align: {tip: [35, 27, 40], direction: [0, 0, 1]}}}\n"
        "carm: {view: AP, isocenter: [0, 0, 900], geometry: {height: 40, width: 48, pixel_mm: 3}}\n"
    )
    base = ("project", "--scene", tmp_path / "scene.yaml", "--quantity", "tool_key_points", "--out", tmp_path / "a.npy")
    code, _, error = run(*base, "--alpha", 30)
    assert code == 0
    assert error.count("the tool 'ball' is not in the picture of 48×40 pixels") == 1
    assert error.count("the beam misses the volume") == 1
    code, _, error = run(*base, "--alpha", 30, "--isocenter", 35, 27, 40)  # of the patient
    assert (code, error) == (0, "")
    np.testing.assert_allclose(np.load(tmp_path / "a.npy")[0], [24, 20], atol=2.0)  # the ball's radius, magnified
    assert run(*base, "--view", "AP", "--alpha", 30)[0] == 2


def test_what_does_not_fit_is_a_sentence(run, ct, screw, pose, tmp_path) -> None:
    out = ("--out", tmp_path / "a.npy")
    (tmp_path / "scene.yaml").write_text("tools:\n  a: {kind: bal}\n")
    (tmp_path / "bad.json").write_text('{"algn": {}}')
    cases = [
        (("project", ct, *out, "--tool", screw), "tool-material must be given for the tool"),
        (("project", ct, *out, "--tool-material", "steel"), "tool-material must be given once, or once for each of 0"),
        (
            ("project", ct, *out, "--tool", screw, "--tool-material", "titanum"),
            "unknown material 'titanum'; did you mean 'titanium'",
        ),
        (
            ("project", ct, *out, "--tool", screw, "--tool-material", "steel", "--tool-pose", tmp_path / "bad.json"),
            "unknown field 'algn'; did you mean 'align'",
        ),
        (("project", *out), "needs a CT, or --scene"),
        (("project", ct, "--scene", tmp_path / "scene.yaml", *out), "must not be given together"),
        (("project", "--scene", tmp_path / "scene.yaml", *out), "line 2, tools.a.kind: unknown kind of tool 'bal'"),
        (("project", "--scene", tmp_path / "scene.yaml", *out, "--kvp", 90), "kvp must be said in the scene file"),
        (("project", "--scene", tmp_path / "none.yaml", *out), "none.yaml"),
    ]
    for words, sentence in cases:
        code, _, error = run(*words)
        assert code == 2, words
        assert sentence in error, words
        assert error.count("\n") == 1
