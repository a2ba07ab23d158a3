"""The program of `make demo`, with few pixels and one view, writes what it says."""

import sys
from functools import partial
from pathlib import Path

import pytest
from example_modules import load

from deepdrr import MobileCArm
from deepdrr.device import VIEWS, CArmGeometry

demo = load("demo")


def test_the_demo_writes_the_files_that_it_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "MobileCArm", partial(MobileCArm, geometry=CArmGeometry().binned(16)))
    monkeypatch.setattr(demo, "VIEWS", {"AP": VIEWS["AP"]})
    monkeypatch.setattr(sys, "argv", ["demo.py", "--out", str(tmp_path)])
    demo.main()
    said = [
        Path(line.split(maxsplit=1)[1]) for line in capsys.readouterr().out.splitlines() if line.startswith("wrote")
    ]
    assert {path.name for path in said} == {"pelvis.png", "pelvis.tiff", "pelvis.dcm", "views.png"}
    assert all(path.stat().st_size > 0 for path in said)
