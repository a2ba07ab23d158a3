"""The page at the end of a GPU day: how each part ended, and the tables of tests and times found in $OUT."""

import csv
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Fate", "summary"]

# Columns of the tables of times that are shown; the CSV has all.
TIMES = {
    "versus_gpu.csv": ("case", "peer", "ours_ms", "other_ms", "ratio_median", "unit", "verdict", "note"),
    "calls.csv": ("case", "call_ms", "host_ms", "gpu_ms", "verdict", "note"),
}
MOST_NAMES = 30


@dataclass(frozen=True)
class Fate:
    """How a part ended.

    Attributes:
        name: of the part.
        result: "ok", or in words what went wrong.
        seconds: that it took.
        limit_s: seconds that it might take.
        last_lines: the end of what it said.
    """

    name: str
    result: str
    seconds: float
    limit_s: float
    last_lines: tuple[str, ...]

    @property
    def failed(self) -> bool:
        """Whether it was not run to a good end."""
        return self.result != "ok"


def summary(fates: Sequence[Fate], out: Path, seconds: float, trouble: Iterable[str]) -> str:
    """The page, as Markdown."""
    failed = [fate for fate in fates if fate.failed]
    verdict = f"FAILED: {', '.join(fate.name for fate in failed)}" if failed else "all parts ended well"
    lines = [f"# GPU day: {verdict}", "", f"{_gpu(out)}, {seconds:.0f} s in all", ""]
    lines += [f"**{line}**\n" for line in trouble]
    rows = [[f.name, f.result, f"{f.seconds:.0f}", f"{f.limit_s:.0f}"] for f in fates]
    lines += _table(["part", "result", "seconds", "limit"], rows)
    for path in sorted(out.glob("junit_*.xml")):
        lines += _tests(path)
    for name, columns in TIMES.items():
        if (out / name).exists():
            lines += _times(out / name, columns)
    for fate in failed:
        lines += [f"## {fate.name}: {fate.result}", "", "```", *(fate.last_lines or ["it said nothing"]), "```", ""]
    return "\n".join(lines)


def _gpu(out: Path) -> str:
    """The line of machine.txt that names what CUDA ran on."""
    path = out / "machine.txt"
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []
    return next((line.strip() for line in lines if line.startswith(("GPU ", "no GPU"))), "no machine.txt")


def _tests(path: Path) -> list[str]:
    try:
        suites = list(ElementTree.parse(path).getroot().iter("testsuite"))
    except ElementTree.ParseError as error:
        return [f"{path.name} cannot be read: {error}", ""]
    counts = ("tests", "failures", "errors", "skipped")
    said = ", ".join(f"{sum(int(suite.get(count, 0)) for suite in suites)} {count}" for count in counts)
    cases = [case for suite in suites for case in suite.iter("testcase")]
    wrong = [case for case in cases if case.find("failure") is not None or case.find("error") is not None]
    names = [f"- {case.get('classname')}::{case.get('name')}" for case in wrong]
    more = [f"- and {len(names) - MOST_NAMES} more"] if len(names) > MOST_NAMES else []
    return [f"## {path.name}: {said}", "", *names[:MOST_NAMES], *more, ""]


def _times(path: Path, columns: Sequence[str]) -> list[str]:
    with path.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    shown = [column for column in columns if any(row.get(column) for row in rows)]
    return [f"## {path.name}", "", *_table(shown, [[row.get(column, "") for column in shown] for row in rows])]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines] + [""]
