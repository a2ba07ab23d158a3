"""Making data sets: whole shards or none, the same bytes after any interruption, and what verify finds."""

import hashlib
import json
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import webdataset
from dataset_phantom import PLAN
from PIL import Image

from deepdrr.dataset import make_dataset, verify_dataset


def hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of all files by name."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def whole(patients: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data set of a run that nothing disturbed."""
    plan = patients / "whole.yaml"
    plan.write_text(PLAN)
    return make_dataset(plan, tmp_path_factory.mktemp("whole") / "set").folder


def test_what_is_on_disk(whole: Path) -> None:
    manifest = json.loads((whole / "manifest.json").read_text())
    assert [shard["file"] for shard in manifest["shards"]] == [
        "train-000000.tar",
        "val-000001.tar",
        "train-000002.tar",
        "val-000003.tar",
    ]
    assert (manifest["made"], manifest["failed"], manifest["whole"]) == (12, [], True)
    assert (whole / "dataset.yaml").read_text() == PLAN
    for shard in manifest["shards"]:
        assert hashlib.sha256((whole / shard["file"]).read_bytes()).hexdigest() == shard["sha256"]
    assert not [name for name in hashes(whole) if "nii" in name]


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # webdataset leaves a tar file to the collector
def test_webdataset_reads_it(whole: Path) -> None:
    url = str(whole / "train-{000000,000002}.tar")
    samples = list(webdataset.WebDataset(url, shardshuffle=False))
    assert [sample["__key__"] for sample in samples] == [f"{i:08d}" for i in (0, 1, 2, 6, 7, 8)]
    for sample in samples:
        record = json.loads(sample["json"])
        assert record["index"] == int(sample["__key__"])
        assert record["split"] == "train"
        assert np.asarray(Image.open(BytesIO(sample["image.png"]))).shape == (32, 32)


@pytest.mark.parametrize("end", [0, 2, 5, 10])
def test_a_run_that_is_ended_is_gone_on_with_to_the_same_bytes(
    end: int, plan_file: Path, whole: Path, tmp_path: Path
) -> None:
    def ended(index: int, reason: str | None) -> None:
        if index == end:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_dataset(plan_file, tmp_path / "set", on_sample=ended)
    there = {path.name for path in (tmp_path / "set").glob("*.tar")}
    made = make_dataset(plan_file, tmp_path / "set")
    assert (made.old, made.new) == (len(there), 4 - len(there))
    assert hashes(tmp_path / "set") == hashes(whole)


def test_two_workers_make_the_bytes_of_one(plan_file: Path, whole: Path, tmp_path: Path) -> None:
    told: list[int] = []
    made = make_dataset(plan_file, tmp_path / "set", workers=2, on_sample=lambda index, reason: told.append(index))
    assert (made.new, sorted(told)) == (4, list(range(12)))
    assert hashes(tmp_path / "set") == hashes(whole)


def test_a_killed_worker_ends_the_run_and_the_next_goes_on(plan_file: Path, whole: Path, tmp_path: Path) -> None:
    def kill(index: int, reason: str | None) -> None:
        for child in multiprocessing.active_children():
            os.kill(child.pid or 0, signal.SIGKILL)

    with pytest.raises(RuntimeError, match="a worker was killed, for want of memory perhaps; the same command goes on"):
        make_dataset(plan_file, tmp_path / "set", workers=2, on_sample=kill)
    make_dataset(plan_file, tmp_path / "set")
    assert hashes(tmp_path / "set") == hashes(whole)


def test_an_error_in_a_worker_is_the_error_of_the_run(plan_file: Path, patients: Path, tmp_path: Path) -> None:
    plan_file.write_text(PLAN.replace("tall.nii.gz", "gone.nii.gz"))
    with pytest.raises(FileNotFoundError, match=r"gone\.nii\.gz"):
        make_dataset(plan_file, tmp_path / "set", workers=2)


def test_a_killed_process_loses_the_shard_in_the_making(plan_file: Path, whole: Path, tmp_path: Path) -> None:
    program = (
        "import sys, time, deepdrr.dataset as d\n"
        "d.make_dataset(sys.argv[1], sys.argv[2], on_sample=lambda i, r: (print(i, flush=True), time.sleep(0.2)))"
    )
    command = [sys.executable, "-c", program, str(plan_file), str(tmp_path / "set")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) == 6:  # the patient's second shard is begun
                break
        process.send_signal(signal.SIGKILL)
    assert [path.name for path in (tmp_path / "set").glob("*.tar") if not path.name.startswith(".")]
    assert [path for path in (tmp_path / "set").iterdir() if path.name.startswith(".") and path.name != ".lock"]
    make_dataset(plan_file, tmp_path / "set")
    assert hashes(tmp_path / "set") == hashes(whole)


def test_a_record_in_the_making_is_none(plan_file: Path, whole: Path, tmp_path: Path) -> None:
    make_dataset(plan_file, tmp_path / "set")
    record = tmp_path / "set" / "manifest" / "000002.json"
    record.rename(record.with_name(".0123456789abcdef.json"))
    assert make_dataset(plan_file, tmp_path / "set").new == 1
    assert hashes(tmp_path / "set") == hashes(whole)


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """The system refuses to write more into a file, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("writer", ["webdataset", "folder"])
def test_a_disk_that_fills_tears_nothing(writer: str, plan_file: Path, tmp_path: Path) -> None:
    plan_file.write_text(PLAN + f"writer: {writer}\n")
    with files_of_at_most(1200), pytest.raises(OSError, match=r"cannot write '.*train-000000.*nothing was left behind"):
        make_dataset(plan_file, tmp_path / "set")
    assert sorted(path.name for path in (tmp_path / "set").iterdir()) == [".lock", "dataset.yaml", "manifest"]
    assert make_dataset(plan_file, tmp_path / "set").new == 4
    assert verify_dataset(tmp_path / "set", plan_file=plan_file, remake=2) == []


def test_a_folder_holds_the_files_of_the_tar(plan_file: Path, whole: Path, tmp_path: Path) -> None:
    plan_file.write_text(PLAN + "writer: folder\n")
    make_dataset(plan_file, tmp_path / "set")
    keys = {path.name for path in (tmp_path / "set" / "val-000001").iterdir()}
    assert keys == {f"{i:08d}.{kind}" for i in (3, 4, 5) for kind in ("image.png", "masks.png", "json")}
    (tmp_path / "set" / "val-000001" / "00000003.json").unlink()
    assert "has other bytes" in verify_dataset(tmp_path / "set")[0]


class TestRefusals:
    """Other plans, other runs, too many failures."""

    def test_another_plan_is_refused_with_the_difference(self, plan_file: Path, whole: Path) -> None:
        plan_file.write_text(PLAN.replace("binning: 48", "binning: 64"))
        before = hashes(whole)
        with pytest.raises(ValueError, match=r"(?s)must be a folder of the same plan.*-  binning: 48.*\+  binning: 64"):
            make_dataset(plan_file, whole)
        assert hashes(whole) == before
        plan_file.write_text("# a remark is no change\n" + PLAN)
        assert make_dataset(plan_file, whole).new == 0

    def test_a_folder_with_other_files(self, plan_file: Path, tmp_path: Path) -> None:
        (tmp_path / "thesis.tex").write_text("\\begin")
        with pytest.raises(ValueError, match="must be an empty folder or one of this plan"):
            make_dataset(plan_file, tmp_path)

    def test_two_runs_at_once(self, plan_file: Path, tmp_path: Path) -> None:
        def second(index: int, reason: str | None) -> None:
            make_dataset(plan_file, tmp_path / "set")

        with pytest.raises(ValueError, match="must be a folder to which no other run is writing"):
            make_dataset(plan_file, tmp_path / "set", on_sample=second)

    def test_failures_are_recorded_up_to_a_limit(self, plan_file: Path, tmp_path: Path) -> None:
        rare = PLAN.replace("ball_mm: 10}", "ball_mm: 150}\n  in_view: [nail]\n  attempts: 1") + "failures: 12\n"
        plan_file.write_text(rare)
        reasons: list[str] = []
        made = make_dataset(
            plan_file, tmp_path / "set", on_sample=lambda index, reason: reasons.append(reason) if reason else None
        )
        manifest = json.loads((tmp_path / "set" / "manifest.json").read_text())
        assert 0 < made.failed < 12
        assert [failure["reason"] for failure in manifest["failed"]] == reasons
        assert manifest["made"] == 12 - made.failed
        assert "nail out of view in 1" in reasons[0]
        plan_file.write_text(rare.replace("failures: 12", "failures: 0"))
        with pytest.raises(ValueError, match="failures must be at most 0, got one more; the last is sample"):
            make_dataset(plan_file, tmp_path / "other")


class TestVerify:
    """What verify finds."""

    def test_a_whole_set(self, plan_file: Path, whole: Path) -> None:
        assert verify_dataset(whole) == []
        assert verify_dataset(whole, plan_file=plan_file, remake=3) == []

    def test_damage(self, plan_file: Path, tmp_path: Path) -> None:
        make_dataset(plan_file, tmp_path / "set")
        tar = tmp_path / "set" / "train-000000.tar"
        content = bytearray(tar.read_bytes())
        content[1000] ^= 1
        tar.write_bytes(content)
        (tmp_path / "set" / "val-000001.tar").unlink()
        first, second = verify_dataset(tmp_path / "set")
        assert "has other bytes than when it was written" in first
        assert second.endswith("val-000001.tar' is missing")

    def test_samples_of_another_seed(self, plan_file: Path, whole: Path) -> None:
        plan_file.write_text(PLAN.replace("seed: 7", "seed: 8"))
        findings = verify_dataset(whole, plan_file=plan_file, remake=1)
        assert "is made with other bytes now: image.png, json" in findings[0]

    def test_bad_input(self, whole: Path, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="plan_file must be given to make samples again, got None"):
            verify_dataset(whole, remake=1)
        with pytest.raises(ValueError, match="must be a data set with a manifest"):
            verify_dataset(tmp_path)


def test_the_command(run, plan_file: Path, whole: Path, tmp_path: Path) -> None:
    code, out, error = run("dataset", "make", plan_file, "--out", tmp_path / "set")
    assert (code, error) == (0, "")
    assert "rods: 12 samples of 2 patients in 4 shards" in out
    assert hashes(tmp_path / "set") == hashes(whole)
    code, out, _ = run("dataset", "verify", tmp_path / "set", "--plan", plan_file, "--remake", 1)
    assert (code, "1 samples made again" in out) == (0, True)
    (tmp_path / "set" / "val-000001.tar").write_bytes(b"")
    code, _, error = run("dataset", "verify", tmp_path / "set")
    assert code == 2
    assert "has other bytes" in error
    code, out, _ = run("dataset", "schema")
    assert json.loads(out)["title"] == "Plan"
    plan_file.write_text(PLAN.replace("count", "cuont"))
    code, _, error = run("dataset", "make", plan_file, "--out", tmp_path / "other")
    assert code == 2
    assert "line 2, cuont: unknown field 'cuont'; did you mean 'count'" in error
    assert not (tmp_path / "other").exists()
