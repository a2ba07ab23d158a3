"""The GPU day's runner: a part that fails, hangs or cannot write is reported and does not affect the others."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts/gpu_day"
PARTS = """set -eu
machine() { echo "GPU 0: one of the tests" | tee "$OUT/machine.txt"; }
install() { %s; }
tests_cuda() { echo "the last part"; }
"$@"
"""
REPORT = """<testsuites><testsuite tests="3" failures="1" errors="0" skipped="1">
<testcase classname="tests.cuda" name="test_good"/>
<testcase classname="tests.cuda" name="test_bad"><failure/></testcase>
<testcase classname="tests.cuda" name="test_left_out"><skipped/></testcase></testsuite></testsuites>"""
TIMES = 'case,ours_ms,other_ms,ratio_median,verdict,note\n"forward, AP",0.1,0.2,2.0,,\nlabels,0.3,,,not available,why\n'

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="the runner is a bash script")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A copy of the scripts, where a test may change the parts."""
    folder = tmp_path / "repository/scripts/gpu_day"
    folder.mkdir(parents=True)
    for path in [*SCRIPTS.glob("*.py"), *SCRIPTS.glob("*.sh")]:
        shutil.copy(path, folder)
    return tmp_path / "repository"


def run(repository: Path, *names: str, minutes: float = 8, **variables: str) -> tuple[int, str, Path]:
    """Exit status, what is printed, and the folder of results, after the parts of these names."""
    out = repository.parent / "results"
    out.mkdir(exist_ok=True)
    told = {**os.environ, "OUT": str(out), "PYTHON": sys.executable, "GPU_DAY_MINUTES": str(minutes), **variables}
    command = ["bash", str(repository / "scripts/gpu_day/run.sh"), *names]
    done = subprocess.run(command, env=told, capture_output=True, text=True, check=False, timeout=60)
    assert done.stderr == ""
    return done.returncode, done.stdout, out


def run_with(install: str, repository: Path, minutes: float = 8) -> tuple[int, str, Path]:
    """Three parts, of which the one in the middle does this."""
    (repository / "scripts/gpu_day/parts.sh").write_text(PARTS % install)
    return run(repository, "machine", "install", "tests_cuda", minutes=minutes)


def test_parts_that_end_well(repository: Path) -> None:
    status, printed, out = run_with("echo fetched", repository)
    page = (out / "summary.md").read_text()
    assert status == 0
    assert "all parts ended well" in page
    assert "GPU 0: one of the tests" in page
    assert page.strip() in printed
    assert "[install] fetched\n[tests_cuda] the last part\n" in (out / "log.txt").read_text()


def test_a_part_that_fails_says_how_and_the_next_one_runs(repository: Path) -> None:
    status, _, out = run_with("echo no such wheel >&2; exit 3", repository)
    page = (out / "summary.md").read_text()
    assert status == 1
    assert "# GPU day: FAILED: install\n" in page
    assert "## install: failed (exit status 3)" in page
    assert "no such wheel" in page
    assert "| tests_cuda | ok |" in page


@pytest.mark.parametrize("hang", ["sleep 50", "trap '' INT; sleep 50", "sleep 50 & wait"])
def test_a_part_that_hangs_is_cut_off(hang: str, repository: Path) -> None:
    status, _, out = run_with(f"echo begun; {hang}", repository, minutes=0.8)  # 3 s for `install`
    page = (out / "summary.md").read_text()
    assert status == 1
    assert "| install | cut off after " in page
    assert "[install] begun" in (out / "log.txt").read_text()
    assert "| tests_cuda | ok |" in page


def test_what_a_part_leaves_running_is_ended(repository: Path) -> None:
    status, _, out = run_with("sleep 50 & echo $! > $OUT/pid", repository)
    assert status == 0
    process = Path(f"/proc/{(out / 'pid').read_text().strip()}/stat")
    assert not process.exists() or ") Z " in process.read_text()  # ended, and not yet waited for by init


def test_parts_for_which_no_time_is_left_are_named(repository: Path) -> None:
    status, printed, _ = run_with("echo", repository, minutes=0.02)  # 50 ms for `machine`
    assert status == 1
    assert "| machine | not run: no time left |" in printed


@pytest.mark.parametrize(
    ("name", "told"), [("log.txt", "log.txt ends early"), ("summary.md", "summary.md could not be written")]
)
def test_a_full_disk_is_told_of_on_the_screen(name: str, told: str, repository: Path) -> None:
    (repository.parent / "results").mkdir()
    (repository.parent / "results" / name).symlink_to("/dev/full")
    status, printed, out = run_with("echo fetched", repository)
    assert status == 1
    assert f"{told}: No space left on device" in printed
    assert "| tests_cuda | ok |" in printed
    assert name == "summary.md" or f"{told}: No space left on device" in (out / "summary.md").read_text()


def test_tables_of_tests_and_times_are_on_the_page(repository: Path) -> None:
    (repository.parent / "results").mkdir()
    (repository.parent / "results/junit_cuda.xml").write_text(REPORT)
    (repository.parent / "results/versus_gpu.csv").write_text(TIMES)
    (repository.parent / "results/junit_suites.xml").write_text("<testsuites>")
    _, page, _ = run_with("echo", repository)
    assert "junit_cuda.xml: 3 tests, 1 failures, 0 errors, 1 skipped" in page
    assert "- tests.cuda::test_bad\n" in page
    assert "junit_suites.xml cannot be read" in page
    assert "| forward, AP | 0.1 | 0.2 | 2.0 |  |  |" in page
    assert "| labels | 0.3 |  |  | not available | why |" in page


def test_the_line_that_names_the_gpu_is_kept(tmp_path: Path) -> None:
    """The page quotes it, as `test_parts_that_end_well` has it."""
    driver = tmp_path / "bin/nvidia-smi"
    driver.parent.mkdir()
    driver.write_text('#!/bin/sh\n[ "$1" = -L ] && echo "GPU 0: one of the tests" || echo "| GPU |"\n')
    driver.chmod(0o755)
    folders = dict.fromkeys(("OUT", "CARRIED", "WORK"), str(tmp_path))
    told = {**os.environ, **folders, "PATH": f"{driver.parent}:{os.environ['PATH']}", "PYTHON": "true"}
    subprocess.run(["bash", str(SCRIPTS / "parts.sh"), "machine"], env=told, capture_output=True, check=True)
    assert "GPU 0: one of the tests" in (tmp_path / "machine.txt").read_text().splitlines()


def test_an_unknown_part_is_refused(repository: Path) -> None:
    status, printed, _ = run(repository, "machines")
    assert status == 2
    assert "takes the names of parts, machine, install, " in printed
    assert "got machines" in printed


def test_a_missing_wheel_is_named(repository: Path) -> None:
    carried = repository / "out/gpu_day"
    carried.mkdir(parents=True)
    (carried / "SHA256SUMS").write_text(f"{'0' * 64}  packages/roma-1.8.0-py3-none-any.whl\n")
    status, page, _ = run(repository, "install")
    assert status == 1
    assert "packages/roma-1.8.0-py3-none-any.whl: FAILED open or read" in page


@pytest.mark.parametrize("part", ["kernels", "pycuda"])
def test_a_missing_nvcc_is_named(part: str, repository: Path, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    for name in ("bash", "dirname", "realpath"):
        found = shutil.which(name)
        assert found is not None
        (tmp_path / "bin" / name).symlink_to(found)
    status, page, _ = run(repository, part, PATH=str(tmp_path / "bin"))
    assert status == 1
    assert "there is no nvcc on PATH" in page


@pytest.mark.parametrize("script", sorted(SCRIPTS.glob("*.sh")), ids=lambda path: path.name)
def test_the_scripts_are_bash(script: Path) -> None:
    subprocess.run(["bash", "-n", str(script)], check=True)
