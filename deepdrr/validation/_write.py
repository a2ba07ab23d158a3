"""The report as files: a self-contained HTML page, and Markdown with its figures beside it."""

import base64
from collections.abc import Mapping
from html import escape
from pathlib import Path

from deepdrr._atomic import atomic_path
from deepdrr.validation._check import Check, Group
from deepdrr.validation._plot import figure_svg
from deepdrr.validation._report import Report

__all__ = ["NO_FIGURES", "draw_figures", "report_html", "report_markdown", "write_report"]

NO_FIGURES = "not drawn, figures need matplotlib: pip install 'deepdrr[plot]'"
_COLUMNS = ("check", "value", "reference", "source", "difference", "limit", "")

_STYLE = """
body{font:15px/1.45 system-ui,sans-serif;color:#222;max-width:72rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;margin:.8rem 0;font-size:13px;font-variant-numeric:tabular-nums}
th,td{padding:.2rem .7rem;border-bottom:1px solid #ddd;text-align:left;vertical-align:top}
td.n{text-align:right;white-space:nowrap}th{background:#f4f4f4}
.pass{color:#1d7a3c;font-weight:600}.fail{color:#fff;background:#b3261e;font-weight:600;padding:0 .35rem}
tr.failed{background:#fbe9e7}figure{margin:.6rem 0;display:inline-block}img{max-width:100%}
.verdict{font-size:1.2rem;font-weight:600}
"""


def write_report(report: Report, folder: Path) -> tuple[Path, ...]:
    """Write `validation.html`, `validation.md` and the figures, each whole or not at all.

    Matplotlib draws the figures (the extra `plot`). Without it the report has none and says so.

    Args:
        report: what was found.
        folder: made if it does not exist.

    Returns:
        The files written, the page first.

    Raises:
        OSError: if a file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    drawn = draw_figures(report)
    texts = {"validation.html": report_html(report, drawn), "validation.md": report_markdown(report, drawn), **drawn}
    for name, text in texts.items():
        with atomic_path(folder / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return tuple(folder / name for name in texts)


def draw_figures(report: Report) -> dict[str, str]:
    """Draw the report's figures: file name → SVG; empty if matplotlib is not installed."""
    try:
        return {
            _figure_name(group, i): figure_svg(figure)
            for group in report.groups
            for i, figure in enumerate(group.figures)
        }
    except ImportError:
        return {}


def report_html(report: Report, figures: Mapping[str, str] | None = None) -> str:
    """The report as a page with style and figures inside.

    Args:
        report: what was found.
        figures: of `draw_figures`; None: they are drawn here.
    """
    drawn = draw_figures(report) if figures is None else figures
    facts = "".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in report.facts)
    body = "\n".join(_group_html(group, drawn) for group in report.groups)
    tone = "fail" if report.failed else "pass"
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>deepdrr: validation</title>'
        f"<style>{_STYLE}</style></head><body>\n<h1>deepdrr: validation of the physics</h1>\n"
        f'<p class="verdict"><span class="{tone}">{report.verdict}</span></p>\n<table>{facts}</table>\n'
        f"{_overview_html(report)}\n{body}\n</body></html>\n"
    )


def report_markdown(report: Report, figures: Mapping[str, str] | None = None) -> str:
    """The report as Markdown; the figures are files beside it.

    Args:
        report: what was found.
        figures: of `draw_figures`; None: they are drawn here.
    """
    drawn = draw_figures(report) if figures is None else figures
    lines = ["# Validation of the physics", "", f"**{report.verdict}**", "", "| | |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in report.facts]
    lines += ["", "| group | passed | failed |", "|---|---|---|"]
    lines += [f"| {g.title} | {len(g.checks) - len(g.failed)} | {len(g.failed)} |" for g in report.groups]
    for group in report.groups:
        lines += ["", f"## {group.title}", "", group.text, ""]
        lines += [f"| {' | '.join(_COLUMNS)} |", "|---|---:|---:|---|---:|---:|---|"]
        lines += [f"| {' | '.join(_cells(check))} |" for check in group.checks]
        for i, figure in enumerate(group.figures):
            name = _figure_name(group, i)
            lines += ["", f"![{figure.title}]({name})" if name in drawn else f"{figure.title}: {NO_FIGURES}"]
    return "\n".join(lines) + "\n"


def _overview_html(report: Report) -> str:
    rows = "".join(
        f'<tr{_row_class(bool(g.failed))}><td><a href="#{_slug(g)}">{escape(g.title)}</a></td>'
        f'<td class="n">{len(g.checks) - len(g.failed)}</td><td class="n">{len(g.failed)}</td></tr>'
        for g in report.groups
    )
    return f"<table><tr><th>group</th><th>passed</th><th>failed</th></tr>{rows}</table>"


def _group_html(group: Group, drawn: Mapping[str, str]) -> str:
    head = "".join(f"<th>{column}</th>" for column in _COLUMNS)
    rows = "".join(_check_html(check) for check in group.checks)
    figures = "".join(_figure_html(group, i, drawn) for i in range(len(group.figures)))
    return (
        f'<h2 id="{_slug(group)}">{escape(group.title)}</h2>\n<p>{escape(group.text)}</p>\n{figures}\n'
        f"<table><tr>{head}</tr>{rows}</table>"
    )


def _figure_html(group: Group, number: int, drawn: Mapping[str, str]) -> str:
    title = escape(group.figures[number].title)
    name = _figure_name(group, number)
    if name not in drawn:
        return f"<p>{title}: {escape(NO_FIGURES)}</p>"
    return f'<figure><img alt="{title}" src="data:image/svg+xml;base64,{_encoded(drawn[name])}"></figure>'


def _check_html(check: Check) -> str:
    name, value, reference, source, difference, limit, outcome = (escape(cell) for cell in _cells(check))
    numbers = "".join(f'<td class="n">{cell}</td>' for cell in (value, reference))
    after = "".join(f'<td class="n">{cell}</td>' for cell in (difference, limit))
    badge = f'<td><span class="{outcome}">{outcome}</span></td>'
    return f"<tr{_row_class(not check.passed)}><td>{name}</td>{numbers}<td>{source}</td>{after}{badge}</tr>\n"


def _cells(check: Check) -> tuple[str, ...]:
    value, reference = (f"{number:.5g} {check.unit}".rstrip() for number in (check.value, check.reference))
    outcome = "pass" if check.passed else "fail"
    return check.name, value, reference, check.source, check.difference_text, check.limit_text, outcome


def _row_class(failed: bool) -> str:
    return ' class="failed"' if failed else ""


def _slug(group: Group) -> str:
    return "-".join("".join(c if c.isalnum() else " " for c in group.title.lower()).split())


def _figure_name(group: Group, number: int) -> str:
    return f"{_slug(group)}-{number + 1}.svg"


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
