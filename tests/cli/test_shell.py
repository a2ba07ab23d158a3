"""The command among pipes, full disks, closed streams, other encodings and Ctrl-C: the work is done, or nothing is."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

COMMAND = (sys.executable, "-m", "deepdrr")


def started(*words: object, **options: object) -> "subprocess.Popen[bytes]":
    options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    return subprocess.Popen([*COMMAND, *map(str, words)], **options)  # type: ignore[call-overload]


@pytest.fixture
def interruptible() -> Iterator[None]:
    """What a shell starts in the background ignores Ctrl-C, and so would the processes of tests that run there."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("encoding", ["ascii", "cp932"])
def test_a_symbol_that_the_encoding_lacks_loses_no_picture(encoding: str, ct: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    process = started("project", ct, "--binning", "64", "--out", tmp_path / "a.png", env=environment)
    out, error = process.communicate()
    assert (process.returncode, error) == (0, b"")
    assert b"24" in out
    assert (tmp_path / "a.png").stat().st_size > 0


def test_a_reader_that_goes_ends_the_talking_not_the_work(ct: Path, tmp_path: Path) -> None:
    process = started("project", ct, "--binning", "64", "--out", tmp_path / "a.png")
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait() == 0
    assert process.stderr is not None
    assert process.stderr.read() == b""
    process.stderr.close()
    assert (tmp_path / "a.png").stat().st_size > 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_standard_output_is_said_after_the_work(ct: Path, tmp_path: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        process = started("project", ct, "--binning", "64", "--out", tmp_path / "a.png", stdout=full)
        error = process.communicate()[1].decode()
    assert process.returncode == 2
    assert error == "deepdrr: error: standard output: No space left on device\n"
    assert (tmp_path / "a.png").stat().st_size > 0


def test_closed_streams_are_no_fault(ct: Path) -> None:
    shell = f"{sys.executable} -m deepdrr info {ct} <&- >&- ; echo $? >&2"
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=False)
    assert done.stderr == "0\n"


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_while_the_command_starts_is_a_line() -> None:
    program = (
        "import os, signal, sys; sys.argv = ['deepdrr']\n"
        "class Loader:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'torch': os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Loader())\n"
        "import deepdrr.cli"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 130
    assert done.stderr == "deepdrr: interrupted; no half-written file was left behind\n"


@pytest.mark.usefixtures("interruptible")
def test_programs_that_import_deepdrr_keep_their_interrupt() -> None:
    program = "import signal, deepdrr; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (("info", ""), "argument 2"),
        (("info", "ct.nii", "--labels", ""), "--labels"),
        (("info", "ct.nii", "--labels="), "--labels"),
        (("project", "ct.nii", "--out", ""), "--out"),
    ],
)
def test_an_empty_path_is_refused(words: tuple[str, ...], name: str, run, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)  # which "" would mean
    code, _, error = run(*words)
    assert code == 2
    assert error == f"deepdrr: error: {name} must not be empty, got '': is a variable of the shell unset?\n"


def test_odd_names_work_behind_two_hyphens(run, ct: Path, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("-ct.nii.gz", "--debug.nii.gz", "a b\tc.nii.gz", "ü×.nii.gz"):
        Path(name).write_bytes(ct.read_bytes())
        code, out, error = run("info", "--", name)
        assert (code, error) == (0, "")
        assert "36 × 28 × 24" in out


def test_arguments_are_named_as_flags(run, ct: Path, tmp_path) -> None:
    words = ("project", ct, "--out", tmp_path / "a.png")
    assert "--sdd-mm must be" in run(*words, "--sdd-mm", -5)[2]
    assert "--photons must be" in run(*words, "--photons", -5)[2]


def test_long_values_are_cut(run, tmp_path) -> None:
    code, _, error = run("info", "ct.nii", "--label-names", "1=" + "a" * 100_000)
    assert code == 2
    assert len(error) < 2000
    code, _, error = run("project", "ct.nii", "--out", tmp_path / "a.png", "--view", "b" * 100_000)
    assert code == 2
    assert len(error) < 2000


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--pixel-mm", "1e-300"), "--pixel-mm must be 0.001 to 100000 mm, got 1e-300"),
        (("--sdd-mm", "1e308"), "--sdd-mm must be 0.001 to 100000 mm, got 1e+308"),
        (("--isocenter", "1e308", "0", "0"), "--isocenter must be at most 100000 mm away"),
        (("--kvp", "9" * 400), "--kvp must be 40 to 150 kV"),
        (("--config", "pipe"), "--config must be a regular file, got the pipe"),
        (("--labels", "pipe"), "must be a regular file, got the pipe"),
        (("--landmarks", "pipe"), "--landmarks must be a regular file, got the pipe"),
    ],
)
def test_numbers_and_paths_out_of_their_mind(words, sentence, run, ct: Path, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    code, _, error = run("project", ct, "--binning", 64, "--out", "a.png", *words)
    assert code == 2
    assert sentence in error
    assert error.count("\n") == 1
    assert not Path("a.png").exists()
