"""`deepdrr validate`: run the physics checks and write a report."""

import time
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from deepdrr.cli._status import progress, say
from deepdrr.validation import NO_FIGURES, Report, groups, worst, write_report

__all__ = ["validate"]

EXIT_FAILED = 1


def validate(*, out: Path, short: Annotated[bool, Parameter(negative=())] = False) -> None:
    """Check the physics against published numbers and closed forms, and write a report.

    Exits with 1 if a check fails; the report is written all the same.

    Args:
        out: Folder for validation.html (one page that needs nothing else), validation.md and its figures, which
            need matplotlib (pip install 'deepdrr[plot]'); without it the report has the numbers alone.
        short: Fewer settings and smaller images: some 20 seconds instead of a minute or two.
    """
    if out.exists() and not out.is_dir():
        raise NotADirectoryError(f"out must be a folder, got the file '{out}'")
    start = time.perf_counter()
    found = tuple(run() for _, run in progress(list(groups(short=short)), "checking"))
    report = Report.of(found, short=short, seconds=time.perf_counter() - start)
    _summary(report)
    written = write_report(report, out)
    say("wrote", f"{written[0]}, {written[1].name} and {len(written) - 2} figures")
    if len(written) - 2 < sum(len(group.figures) for group in report.groups):
        say("figures", NO_FIGURES)
    if report.failed:
        raise SystemExit(EXIT_FAILED)


def _summary(report: Report) -> None:
    """A line per group, then every check that failed."""
    console = Console(highlight=False)
    table = Table(title=report.verdict, title_justify="left")
    for column in ("group", "passed", "failed", "nearest to its limit", "difference", "limit"):
        table.add_column(column, justify="right" if column in ("passed", "failed", "difference", "limit") else "left")
    for group in report.groups:
        nearest = worst(group.checks)
        table.add_row(
            group.title,
            str(len(group.checks) - len(group.failed)),
            str(len(group.failed)),
            nearest.name,
            nearest.difference_text,
            nearest.limit_text,
            style="red" if group.failed else None,
        )
    console.print(table)
    for check in report.failed:
        say("failed", f"{check.name}: {check.difference_text}, limit {check.limit_text}")
