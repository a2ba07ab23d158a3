"""The progress bar: seen in a terminal, silent elsewhere, and never on standard output."""

import pytest

from deepdrr._progress import progress_bar


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rich takes standard error for a terminal."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize(("unit", "amount"), [("steps", "2/4"), ("bytes", "2/4 bytes")])
def test_a_terminal_sees_how_far_it_is(unit: str, amount: str, capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar("frames", unit=unit) as report:  # type: ignore[arg-type]
        report(2, total=4, text="frames of the film")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "frames of the film" in captured.err
    assert amount in captured.err


@pytest.mark.parametrize("shown", [True, False])
def test_a_file_gets_nothing(shown: bool, capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar("frames", 4, shown=shown) as report:
        report(2)
    assert capsys.readouterr() == ("", "")


@pytest.mark.usefixtures("terminal")
def test_it_can_be_turned_off(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar("frames", 4, shown=False) as report:
        report(2)
    assert capsys.readouterr() == ("", "")
