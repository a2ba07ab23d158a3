"""Wrong usage is one sentence on standard error and exit code 2, and no file."""

import subprocess
import sys

import pytest

Result = tuple[int, str, str]


def assert_refused(result: Result, *phrases: str) -> None:
    """Exit code 2 and one line that holds the phrases; no traceback."""
    code, _, error = result
    assert code == 2
    assert error.startswith("deepdrr: error: ")
    assert error.count("\n") == 1
    for phrase in phrases:
        assert phrase in error


def test_help_lists_the_commands(run) -> None:
    code, out, _ = run("--help")
    assert code == 0
    assert all(command in out for command in ("project", "views", "info", "sample"))


def test_every_flag_has_a_sentence(run) -> None:
    _, out, _ = run("project", "--help")
    flags = [line for line in out.splitlines() if line.startswith(("│    --", "│ --", "│ *"))]
    assert len(flags) > 30
    assert not [line for line in flags if len(line.strip("│ ").split("  ")) == 1 and line.count("--") > 1]


def test_version(run) -> None:
    from deepdrr import __version__

    assert run("--version")[1].strip() == __version__


@pytest.mark.parametrize(
    ("words", "phrases"),
    [
        (["projekt"], ["projekt", "project"]),
        (["project"], ["deepdrr project needs --out"]),
        (["project", "--out", "a.png"], ["deepdrr needs a CT", "--scene"]),
        (["project", "ct.nii"], ["deepdrr project needs --out"]),
        (["project", "ct.nii", "--out"], ["--out requires an argument"]),
        (["project", "ct.nii", "--out", "a.png", "--kpv", "80"], ["--kpv", "--kvp"]),
        (["project", "ct.nii", "--out", "a.png", "--kvp", "high"], ["--kvp", "high"]),
        (["project", "ct.nii", "--out", "a.png", "--polarity", "white"], ["bone_white", "bone_black"]),
        (["project", "ct.nii", "--out", "a.png", "--window", "3"], ["--window"]),
        (["project", "ct.nii", "--out", "a.bmp"], ["a.bmp", ".png"]),
        (["project", "ct.nii", "--out", "no/such/folder/a.png"], ["no/such/folder"]),
        (["project", "ct.nii", "--out", "a.dcm", "--quantity", "line_integrals"], ["DICOM", "line_integrals"]),
        (["project", "ct.nii", "--out", "a.png", "--view", "AP", "--alpha", "3"], ["--view AP", "--alpha 3"]),
        (["project", "ct.nii", "--out", "a.png", "--view", "inlett"], ["inlett", "inlet"]),
        (["project", "ct.nii", "--out", "a.png", "--geometry", "movile"], ["movile", "mobile"]),
        (["project", "ct.nii", "--out", "a.png", "--binning", "7"], ["binning", "7"]),
        (["project", "ct.nii", "--out", "a.png", "--sdd-mm", "-5"], ["--sdd-mm", "-5"]),
        (["project", "ct.nii", "--out", "a.png"], ["ct.nii"]),
        (["project", "ct.nii", "--out", "a.png", "--binning", "1.5"], ["--binning", "1.5"]),
        (["project", "ct.nii", "--out", "a.png", "--height", "100.5"], ["--height", "100.5"]),
        (["project", "ct.nii", "--out", "a.png", "--view", ""], ["view", "''"]),
        (["project", "ct.nii", "--out", "a.png", "--alpha", "1e30"], ["alpha", "360", "1e+30"]),
        (["project", "ct.dcm", "--out", "a.png", "--out", "ct.dcm"], ["ct.dcm", "must not be"]),
        (["views", "ct.nii", "--out", "a.dcm"], ["a.dcm", ".png"]),
        (["info", "no_such_file.nii.gz"], ["no_such_file.nii.gz"]),
    ],
)
def test_wrong_usage_is_a_sentence(run, tmp_path, monkeypatch, words, phrases) -> None:
    monkeypatch.chdir(tmp_path)
    assert_refused(run(*words), *phrases)
    assert not list(tmp_path.iterdir())


def test_debug_shows_the_traceback(run) -> None:
    code, _, error = run("info", "no_such_file.nii.gz", "--debug")
    assert code == 2
    assert "Traceback" in error


def test_unforeseen_errors_are_sentences_with_another_code(run, monkeypatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise KeyError("inside a library")

    monkeypatch.setattr("deepdrr.cli._info.read", broken)
    code, _, error = run("info", "ct.nii.gz")
    assert code == 1
    assert "KeyError" in error
    assert "report" in error
    assert "Traceback" not in error


def test_interrupt_is_130(run, monkeypatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("deepdrr.cli._info.read", interrupted)
    assert run("info", "ct.nii.gz")[0] == 130


def test_python_m_deepdrr_is_the_command() -> None:
    done = subprocess.run([sys.executable, "-m", "deepdrr", "project"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("deepdrr: error: ")
