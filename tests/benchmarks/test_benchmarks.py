"""The benchmarks' scripts run without any peer, and write what they promise."""

import csv
import runpy
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def run(script: str, out: Path, monkeypatch: pytest.MonkeyPatch, *flags: str) -> list[dict[str, str]]:
    """Run a script as a command does, with all peers and the plotting library missing; the rows of its CSV."""
    for peer in ("nanodrr", "torchio", "diffdrr", "itk", "matplotlib"):
        monkeypatch.setitem(sys.modules, peer, None)
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    options = ["--short", "--scene", "phantom", "--repetitions", "1", "--threads", "1", "--out", str(out), *flags]
    monkeypatch.setattr(sys, "argv", [script, *options])
    runpy.run_path(str(BENCHMARKS / script), run_name="__main__")
    with (out / script).with_suffix(".csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_versus_nanodrr_measures_our_own_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = run("versus_nanodrr.py", tmp_path, monkeypatch, "--only", "three_channels")
    assert len(rows) == 1
    assert {"processor", "torch", "deepdrr", "step_mm", "load", "load_after"} <= rows[0].keys()
    assert 0 < float(rows[0]["ratio_min"]) <= float(rows[0]["ratio_median"]) <= float(rows[0]["ratio_max"])


@pytest.mark.parametrize(
    ("script", "flags"),
    [("versus_nanodrr.py", ["--only", "forward"]), ("versus_diffdrr.py", []), ("versus_classics.py", [])],
)
def test_a_missing_peer_is_a_row_with_the_reason(
    script: str, flags: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = run(script, tmp_path, monkeypatch, *flags)
    assert rows
    assert all(row["verdict"] == "not available" for row in rows)
    assert all("not available: " in row["note"] for row in rows)
