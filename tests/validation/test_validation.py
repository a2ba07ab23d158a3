"""`deepdrr validate`: every group passes, failures are seen, and the report holds what it needs."""

import math
import re
from pathlib import Path

import pytest

from deepdrr.cli import main
from deepdrr.validation import GROUPS, Check, Curve, Figure, Group, Report, report_html, worst, write_report
from deepdrr.validation import _report as implementation
from deepdrr.validation._plot import figure_svg

FAILING = Check(name="sky <blue>", value=1.2, reference=1.0, unit="nm", source="looking up", limit=0.1)
PASSING = Check(name="grass", value=1.05, reference=1.0, source="looking down", limit=0.1)
FIGURE = Figure(title="a & b", x_label="x", y_label="y", curves=(Curve("line", (1.0, 2.0, 30.0), (0.0, 5.0, 7.0)),))
GROUP = Group(title="Colours of things", text="As they are.", checks=(PASSING, FAILING), figures=(FIGURE,))


@pytest.mark.parametrize("name", GROUPS)
def test_every_group_passes(name: str) -> None:
    group = GROUPS[name](True)
    assert group.checks
    assert not group.failed
    assert len({check.name for check in group.checks}) == len(group.checks)
    assert all(check.source and check.limit > 0 for check in group.checks)


class TestCheck:
    def test_relative_and_absolute_differences(self) -> None:
        assert FAILING.difference == pytest.approx(0.2)
        absolute = Check(name="a", value=3.0, reference=5.0, source="s", limit=2.0, kind="absolute", unit="mm")
        assert absolute.difference == -2.0
        assert absolute.passed
        assert (absolute.difference_text, absolute.limit_text) == ("-2 mm", "±2 mm")
        assert (FAILING.difference_text, FAILING.limit_text) == ("+20 %", "±10 %")

    @pytest.mark.parametrize(("value", "reference"), [(math.nan, 1.0), (1.0, math.nan), (1.0, 0.0), (math.inf, 1.0)])
    def test_what_is_no_number_does_not_pass(self, value: float, reference: float) -> None:
        check = Check(name="a", value=value, reference=reference, source="s", limit=1e9)
        assert not check.passed
        assert worst([PASSING, check]) is check


class TestReport:
    def report(self) -> Report:
        return Report.of((GROUP,), short=True, seconds=1.5)

    def test_it_counts(self) -> None:
        report = self.report()
        assert (report.count, report.failed, report.verdict) == (2, (FAILING,), "1 of 2 checks failed.")
        assert {name for name, _ in report.facts} >= {"deepdrr", "date", "processor", "torch"}

    def test_the_page_needs_nothing_else(self) -> None:
        page = report_html(self.report())
        assert "sky &lt;blue&gt;" in page
        assert page.count('class="fail"') == 2  # the verdict and the row
        assert not re.search(r"<script|<link|@import", page)
        sources = re.findall(r'(?:src|href)="([^"]+)"', page)
        assert sources
        assert all(source.startswith(("data:image/svg+xml;base64,", "#")) for source in sources)

    def test_files(self, tmp_path: Path) -> None:
        written = write_report(self.report(), tmp_path / "new" / "folder")
        assert [path.name for path in written] == ["validation.html", "validation.md", "colours-of-things-1.svg"]
        assert sorted(path.name for path in (tmp_path / "new" / "folder").iterdir()) == sorted(p.name for p in written)
        text = written[1].read_text(encoding="utf-8")
        assert "| sky <blue> | 1.2 nm | 1 nm | looking up | +20 % | ±10 % | fail |" in text
        assert "](colours-of-things-1.svg)" in text

    def test_a_folder_that_cannot_be_is_a_sentence(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("in the way")
        with pytest.raises(OSError, match="file"):
            write_report(self.report(), tmp_path / "file")


class TestPlot:
    def test_logarithmic_axes_leave_out_what_has_no_logarithm(self) -> None:
        curve = Curve("a", (0.0, 1.0, 10.0, 100.0), (1.0, 0.0, 1e-3, 1.0), dots=True)
        svg = figure_svg(Figure(title="t", x_label="x", y_label="y", curves=(curve,), log_x=True, log_y=True))
        assert svg.count("<circle") == 2
        assert "nan" not in svg

    def test_text_is_escaped(self) -> None:
        assert "a &amp; b" in figure_svg(FIGURE)


class TestCommand:
    def run(self, group: Group, out: Path, monkeypatch: pytest.MonkeyPatch) -> int | str | None:
        monkeypatch.setattr(implementation, "GROUPS", {"one": lambda short: group})
        try:
            return main(["validate", "--out", str(out), "--short"])
        except SystemExit as left:
            return left.code

    def test_a_failure_is_an_exit_code(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert self.run(GROUP, tmp_path / "out", monkeypatch) == 1
        shown = capsys.readouterr().out
        assert "1 of 2 checks failed." in shown
        assert "sky <blue>: +20 %, limit ±10 %" in shown
        assert (tmp_path / "out" / "validation.html").exists()

    def test_success_is_zero(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        good = Group(title="Good", text="", checks=(PASSING,))
        assert self.run(good, tmp_path / "out", monkeypatch) == 0

    def test_out_must_be_a_folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "file").write_text("in the way")
        assert self.run(GROUP, tmp_path / "file", monkeypatch) == 2
