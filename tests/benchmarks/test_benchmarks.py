"""The benchmarks' scripts run without any peer, and write what they promise."""

import csv
import importlib
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import torch

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


def test_meshes_measures_rates_and_costs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "embreex", None)
    rows = run("meshes.py", tmp_path, monkeypatch)
    rates, costs = [r for r in rows if r["faces"]], [r for r in rows if not r["faces"]]
    assert [r["case"] for r in costs] == ["0 tools", "1 tools", "20 tools"]
    assert len(rates) == 4
    assert all(float(r["ours_per_s"]) > 0 and not r.get("embree_per_s") for r in rates)


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


@pytest.fixture
def on_gpu(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """`versus_gpu` without the peers."""
    for peer in ("nanodrr", "torchio", "diffdrr", "matplotlib"):
        monkeypatch.setitem(sys.modules, peer, None)
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("versus_gpu")


def test_without_a_gpu_the_table_of_one_is_refused_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    with pytest.raises(SystemExit, match="needs an NVIDIA GPU and the CUDA backend: ") as refused:
        run("versus_gpu.py", tmp_path, monkeypatch)
    assert refused.value.code not in (None, 0)
    assert list(tmp_path.iterdir()) == []


def test_the_table_of_a_gpu_names_it_and_its_driver(
    on_gpu: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = SimpleNamespace(name="A GPU", major=8, minor=6, total_memory=8.0e9, multi_processor_count=46)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _index: found)
    told = SimpleNamespace(stdout="580.65.06\n580.65.06\n")
    monkeypatch.setattr(on_gpu, "shutil", SimpleNamespace(which=lambda _name: "nvidia-smi"))
    monkeypatch.setattr(on_gpu, "subprocess", SimpleNamespace(run=lambda *_a, **_k: told))
    about = on_gpu.gpu()
    assert (about["gpu"], about["capability"], about["driver"]) == ("A GPU", "8.6", "580.65.06")
    assert {"gpu_memory_gb", "multiprocessors", "cuda", "pycuda", "triton"} <= about.keys()
    path = importlib.import_module("_report").save("versus_gpu", [{"case": "forward", "ours_ms": 1.0}], tmp_path, about)
    (row,) = csv.DictReader(path.read_text(encoding="utf-8").splitlines())
    assert (row["case"], row["gpu"], row["driver"]) == ("forward", "A GPU", "580.65.06")


def test_a_gpus_table_has_the_rows_of_both_peers(on_gpu: ModuleType) -> None:
    scene = importlib.import_module("_scene").load_scene("phantom")
    clock = importlib.import_module("_timing").seconds_per_call
    rows = [*on_gpu.measured(scene, 1, "", short=True, clock=clock)]
    assert {row["peer"] for row in rows} == {"nanodrr", "diffdrr"}
    names = " ".join(row["case"] for row in rows).replace("_", " ")
    assert all(what in names for what in ("forward", "pose gradient", "volume gradient", "labels", "exact nearest"))
    assert all(row["verdict"] == "not available" and "not available: " in row["note"] for row in rows)
    assert not any({"must", "reach"} & row.keys() for row in rows)  # targets are the CPU's


class Event:
    """A CUDA event of a GPU that takes 2 ms for a call."""

    def __init__(self, enable_timing: bool) -> None:
        assert enable_timing

    calls = 0

    def record(self) -> None:
        self.at = Event.calls

    def synchronize(self) -> None:
        pass

    def elapsed_time(self, last: "Event") -> float:
        return 2.0 * (last.at - self.at)


def test_a_gpus_calls_are_timed_between_events(on_gpu: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)

    def call() -> None:
        Event.calls += 1

    assert on_gpu.seconds_per_call_on_gpu(call, 0.2) == pytest.approx(2e-3)
    assert Event.calls == 1 + 100  # one to see how many fit into 0.2 s
    timing = importlib.import_module("_timing")
    columns = timing.compare(call, call, repetitions=3, clock=on_gpu.seconds_per_call_on_gpu).columns()
    assert columns["ours_ms"] == columns["other_median_ms"] == columns["ours_max_ms"] == pytest.approx(2.0)


def finished(
    script: str, out: Path, monkeypatch: pytest.MonkeyPatch, *flags: str
) -> tuple[object, list[dict[str, str]]]:
    """Exit status of a script that sets one, and the rows of its CSV."""
    with pytest.raises(SystemExit) as end:
        run(script, out, monkeypatch, *flags)
    with (out / script).with_suffix(".csv").open(encoding="utf-8") as file:
        return end.value.code, list(csv.DictReader(file))


def test_a_gpus_table_has_our_times_where_a_peer_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    status, rows = finished("versus_gpu.py", tmp_path, monkeypatch, "--device", "cpu", "--only", "siddon")
    assert status == 0
    assert [(row["verdict"], row["peer"]) for row in rows] == [("not available", "diffdrr")]
    assert float(rows[0]["ours_ms"]) > 0


def test_a_gpus_table_begins_no_row_when_its_minutes_are_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    status, rows = finished("versus_gpu.py", tmp_path, monkeypatch, "--device", "cpu", "--minutes", "0")
    assert status == 0
    assert len(rows) > 5
    assert {(row["verdict"], row["note"]) for row in rows} == {("not run", "no time was left")}


def test_a_row_that_fails_leaves_the_others_of_a_gpus_table(
    on_gpu: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fault(*_arguments: object, **_options: object) -> None:
        raise OSError("an illegal memory access\nwith more to say")

    monkeypatch.setattr(on_gpu, "measure", fault)
    clock = importlib.import_module("_timing").seconds_per_call
    scene = importlib.import_module("_scene").load_scene("phantom")
    rows = [*on_gpu.measured(scene, 1, "", short=True, clock=clock)]
    assert {row["note"] for row in rows if row["peer"] == "nanodrr"} == {"OSError: an illegal memory access"}
    assert {row["verdict"] for row in rows} == {"failed", "not available"}


def test_a_gpus_table_is_saved_after_every_row(
    on_gpu: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rows(*_arguments: object, **_options: object) -> Iterator[dict[str, object]]:
        yield {"case": "first", "ours_ms": 1.0}
        assert "\nfirst,1.0," in (tmp_path / "versus_gpu.csv").read_text(encoding="utf-8")
        yield {"case": "second", "verdict": "failed"}

    monkeypatch.setattr(on_gpu, "measured", rows)
    monkeypatch.setattr(sys, "argv", ["x", "--device", "cpu", "--scene", "phantom", "--out", str(tmp_path)])
    assert on_gpu.main() == 1
    assert len((tmp_path / "versus_gpu.csv").read_text(encoding="utf-8").splitlines()) == 1 + 2


def test_calls_are_measured_whole_and_on_the_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    status, rows = finished("calls.py", tmp_path, monkeypatch, "--only", "48²")
    assert status == 0
    assert len(rows) == 5
    assert all(0 < float(row["host_ms"]) <= float(row["call_ms"]) for row in rows)
    assert all(row["gpu_ms"] == "" for row in rows)


def test_what_waiting_threads_cost_is_a_line_each_way(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setattr(sys, "argv", ["threads.py", "--images", "1", "--binning", "96"])
    runpy.run_path(str(BENCHMARKS / "threads.py"), run_name="__main__")
    found = [line for line in capsys.readouterr().out.splitlines() if "ms of processor time" in line]
    assert [line[:22].strip() for line in found] == [
        "deepdrr imported first",
        "torch imported first",
        "spinning threads",
    ]
