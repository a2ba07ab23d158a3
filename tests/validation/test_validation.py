"""`deepdrr validate`: every group passes, failures are seen, and the report holds what it needs."""

import math
import re
import sys
from dataclasses import replace
from html import unescape
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
        pytest.importorskip("matplotlib")
        page = report_html(self.report())
        assert "sky &lt;blue&gt;" in page
        assert page.count('class="fail"') == 2  # the verdict and the row
        assert not re.search(r"<script|<link|@import", page)
        sources = re.findall(r'(?:src|href)="([^"]+)"', page)
        assert sources
        assert all(source.startswith(("data:image/svg+xml;base64,", "#")) for source in sources)

    def test_files(self, tmp_path: Path) -> None:
        pytest.importorskip("matplotlib")
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
    @pytest.fixture(autouse=True)
    def _matplotlib(self) -> None:
        pytest.importorskip("matplotlib", reason="drawing needs the extra deepdrr[plot]")

    def svg(self, *curves: Curve, log: bool = False) -> str:
        return figure_svg(Figure(title="a & b", x_label="x", y_label="y", curves=curves, log_x=log, log_y=log))

    def test_logarithmic_axes_leave_out_what_has_no_logarithm(self) -> None:
        curve = Curve("", (0.0, 1.0, 10.0, 100.0), (1.0, 0.0, 1e-3, 1.0), dots=True)
        svg = self.svg(curve, log=True)
        assert len(re.findall("<use[^>]*fill: #3b3b3b", svg)) == 2
        assert "nan" not in svg

    def test_powers_of_ten_have_their_number_and_short_axes_more_of_them(self) -> None:
        svg = self.svg(Curve("line", (10.0, 100.0), (1e-4, 1.0)), log=True)
        shown = re.findall(r"<text[^>]*>([\d.]+)</text>", svg)
        assert shown == ["10", "20", "50", "100", "0.0001", "0.001", "0.01", "0.1", "1"]

    def test_it_is_the_same_each_time(self) -> None:
        curves = Curve("line", (1.0, 2.0, 30.0), (0.0, 5.0, 7.0)), Curve("", (1.0, 2.0), (0.1, 4.9), dots=True)
        first = self.svg(*curves)
        assert self.svg(curves[0]) != first
        assert self.svg(*curves) == first
        assert not re.search(r"\d{4}-\d\d-\d\dT|<script|<image|href=\"http", first)

    def test_a_curve_without_a_label_has_the_color_of_the_one_before(self) -> None:
        line, dots, other = ((1.0, 2.0), (3.0, 4.0)), ((1.0, 2.0), (3.1, 4.1)), ((1.0, 2.0), (5.0, 6.0))
        svg = self.svg(Curve("ours", *line), Curve("", *dots, dots=True), Curve("other", *other))
        assert (svg.count(">ours<"), svg.count(">other<"), svg.count("unnamed")) == (1, 1, 0)
        colors = set(re.findall(r"#(?!ffffff|777777|e3e3e3|000000)([0-9a-f]{6})", svg))
        assert colors == {"1f5fa8", "c4561c"}

    def test_text_is_escaped_and_stays_text(self) -> None:
        assert ">a &amp; b</text>" in figure_svg(FIGURE)


class TestWithoutMatplotlib:
    @pytest.fixture(autouse=True)
    def _missing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "matplotlib", None)

    def test_the_report_has_the_numbers_and_says_what_is_missing(self, tmp_path: Path) -> None:
        report = Report.of((GROUP,), short=True, seconds=1.5)
        written = write_report(report, tmp_path)
        assert [path.name for path in written] == ["validation.html", "validation.md"]
        for path in written:
            text = unescape(path.read_text(encoding="utf-8"))
            assert "sky <blue>" in text
            assert "a & b: not drawn, figures need matplotlib: pip install 'deepdrr[plot]'" in text
            assert "svg" not in text

    def test_the_command_says_it_too(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(implementation, "GROUPS", {"one": lambda short: replace(GROUP, checks=(PASSING,))})
        assert main(["validate", "--out", str(tmp_path / "out"), "--short"]) == 0
        shown = capsys.readouterr().out
        assert "validation.md and 0 figures" in shown
        assert "pip install 'deepdrr[plot]'" in shown


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
