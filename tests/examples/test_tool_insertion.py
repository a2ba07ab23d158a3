"""The study of an insertion, shortened: the wire goes where the table says, and is seen there."""

import csv
import sys
from pathlib import Path

import numpy as np
import pytest
from example_modules import load
from PIL import Image

insertion = load("tool_insertion")


def test_a_short_insertion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["tool_insertion.py", "--out", str(tmp_path), "--frames", "3", "--binning", "24"])
    insertion.main()
    with (tmp_path / "insertion.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["tool"] for row in rows] == ["wire", "screw"] * 3
    first, middle, last = rows[0], rows[2], rows[5]
    assert float(middle["depth_mm"]) == 68.0
    # Between entry and head are 72.7 mm, of which the wire has gone 68 and the screw at last 62.
    assert float(middle["tip_to_target_mm"]) == pytest.approx(4.74, abs=0.01)
    assert float(last["tip_to_target_mm"]) == pytest.approx(10.74, abs=0.01)
    assert int(middle["AP_visible_pixels"]) > int(first["AP_visible_pixels"]) > 0
    with Image.open(tmp_path / "insertion.gif") as film:
        assert film.n_frames == 3
        pictures = []
        for n in range(3):
            film.seek(n)
            pictures.append(np.asarray(film.convert("L"), dtype=float))
    u, v = (round(float(middle[f"AP_tip_{c}"])) for c in "uv")
    assert pictures[1][v, u] < pictures[0][v, u]  # metal is dark in fluoroscopy


def test_the_sheet_is_there(tmp_path: Path) -> None:
    pictures = [np.full((8, 16), n, np.uint8) for n in range(4)]
    with Image.open(insertion.sheet(pictures, tmp_path / "sheet.png", count=2)) as sheet:
        assert sheet.size[0] > 32
