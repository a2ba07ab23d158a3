"""The report: contents of its files, which are complete."""

import csv
import json
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from deepdrr.plot._film import find_ffmpeg
from deepdrr.registration import GaussNewton, Registration, Stage, register, write_report

pytest.importorskip("matplotlib")


@pytest.fixture(scope="module")
def found(subject, truth, k_inv, sdd, xrays, moved):
    """A short registration of two views."""
    start = moved(truth, (3.0, 2.0, -4.0), (8.0, -5.0, 10.0))
    registration = Registration(subject, start, k_inv, sdd, 100, 100)
    stages = [Stage(scale=0.4, solver=GaussNewton(compared="both", max_iterations=6), n_samples=80)]
    return registration, register(registration, xrays, stages=stages)


def test_the_files_of_a_report(found, xrays: torch.Tensor, tmp_path) -> None:
    registration, result = found
    written = write_report(registration, xrays, result, tmp_path / "report", n_samples=60)
    names = {path.name for path in written}
    assert {"overlay.png", "trajectory.csv", "trajectory.png", "registration.gif", "result.json"} <= names
    assert names == {path.name for path in (tmp_path / "report").iterdir()}
    with (tmp_path / "report" / "trajectory.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(result.trajectory)
    assert rows[0]["loss"] == ""
    assert float(rows[0]["to_end_mm"]) > 5
    assert float(rows[-1]["to_end_deg"]) < 0.01
    content = json.loads((tmp_path / "report" / "result.json").read_text())
    np.testing.assert_allclose(content["pose"], result.pose.numpy(), rtol=1e-6)
    with Image.open(tmp_path / "report" / "registration.gif") as film:
        assert 2 <= film.n_frames <= len(result.trajectory)  # frames that look the same become one
    with Image.open(tmp_path / "report" / "overlay.png") as picture:
        red = np.asarray(picture.convert("RGB")).astype(int)
    edges = (red[..., 0] > red[..., 1] + 80).mean()
    assert 0.002 < edges < 0.2  # red lines over the grey pictures


def test_a_film_only_where_an_encoder_is(found, xrays: torch.Tensor, tmp_path, monkeypatch) -> None:
    registration, result = found
    short = replace(result, trajectory=result.trajectory[:2])
    try:
        find_ffmpeg()
    except ImportError:
        pass
    else:
        names = {path.name for path in write_report(registration, xrays, short, tmp_path / "with", n_samples=40)}
        assert "registration.mp4" in names
        assert (tmp_path / "with" / "registration.mp4").read_bytes()[4:8] == b"ftyp"
    monkeypatch.setenv("PATH", "")
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    names = {path.name for path in write_report(registration, xrays, short, tmp_path / "without", n_samples=40)}
    assert names == {path.name for path in (tmp_path / "without").iterdir()}
    assert "registration.gif" in names
    assert "registration.mp4" not in names


def test_a_folder_that_is_a_file(found, xrays: torch.Tensor, tmp_path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(OSError, match="taken"):
        write_report(*(found[0], xrays, found[1]), tmp_path / "taken")
