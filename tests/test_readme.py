"""The README's commands are there and run; `test_pages` runs its Python."""

import re
import shlex
from pathlib import Path

import pytest
from pages import README, ROOT, blocks

from deepdrr.cli import main
from deepdrr.cli._app import app
from deepdrr.resources import resource_path


def commands() -> list[str]:
    """The lines of the shell blocks, continuation lines joined, comments left out."""
    lines = "\n".join(blocks(README, "sh")).replace("\\\n", " ").splitlines()
    return [line for line in (line.partition("#")[0].strip() for line in lines) if line]


def test_the_two_commands_come_first() -> None:
    assert commands()[:2] == ["make demo", "make test"]


@pytest.mark.parametrize("target", [line.split()[1] for line in commands() if line.startswith("make ")])
def test_make_targets_exist(target: str) -> None:
    assert re.search(rf"^{re.escape(target)}:", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)


@pytest.mark.parametrize("line", [line for line in commands() if line.startswith("deepdrr ")])
def test_deepdrr_commands_parse(line: str) -> None:
    app.parse_args(shlex.split(line)[1:], exit_on_error=False, print_error=False)


@pytest.mark.slow
def test_deepdrr_commands_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data").symlink_to(resource_path("data"))
    monkeypatch.chdir(tmp_path)
    for line in commands():
        if line.startswith("deepdrr "):
            assert main(shlex.split(line)[1:]) == 0, line


def test_the_picture_is_small() -> None:
    """A README is read over slow lines too."""
    assert (ROOT / "docs/images/pelvis.png").stat().st_size <= 300_000
