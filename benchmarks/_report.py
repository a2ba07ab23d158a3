"""Helpers of the scripts: options, printed table, CSV, plot, and description of the machine."""

import argparse
import csv
import importlib.metadata
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from deepdrr._atomic import atomic_path

__all__ = ["Row", "machine", "options", "plot_bars", "print_table", "reason", "save", "version"]

Row = dict[str, Any]

_PEERS = ("nanodrr", "diffdrr", "plastimatch", "itk-rtk")


def options(description: str, *, arguments: Mapping[str, Mapping[str, Any]] | None = None) -> argparse.Namespace:
    """Parse the command line that all scripts share, and set torch's threads."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--short", action="store_true", help="fewer cases and repetitions: minutes become seconds")
    parser.add_argument("--scene", choices=("chest", "phantom"), default="chest", help="phantom needs no download")
    parser.add_argument("--repetitions", type=int, help="of each comparison (default 7; 2 with --short)")
    parser.add_argument("--threads", type=int, default=2, help="of both sides (default 2)")
    parser.add_argument("--out", type=Path, default=Path("out/benchmarks"), help="folder of the CSV and the plot")
    for name, keywords in (arguments or {}).items():
        parser.add_argument(name, **keywords)
    chosen = parser.parse_args()
    if chosen.repetitions is None:
        chosen.repetitions = 2 if chosen.short else 7
    torch.set_num_threads(chosen.threads)
    return chosen


def machine() -> Row:
    """Hardware and versions, for every row of a CSV."""
    versions = {name: version(name) for name in ("torch", "numpy", "deepdrr", *_PEERS)}
    return {
        "utc": datetime.now(UTC).strftime("%Y-%m-%dT%H:%MZ"),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "memory_gb": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9),
        "load": round(os.getloadavg()[0], 2),
        "kernels": os.environ.get("DEEPDRR_CPU_ISA", "default"),
        "openmp_wait": os.environ.get("OMP_WAIT_POLICY", "default"),
        "system": platform.system(),
        "python": platform.python_version(),
        **versions,
    }


def save(name: str, rows: Sequence[Row], out: Path, about: Row) -> Path:
    """Write the rows as `name`.csv. `about` is `machine()` from before the run; the load is also recorded after it.

    The file is complete at any time, so rows may be saved repeatedly.
    """
    about = {**about, "load_after": round(os.getloadavg()[0], 2)}
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{name}.csv"
    columns = list(dict.fromkeys(key for row in rows for key in row)) + list(about)
    with atomic_path(path) as whole, whole.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        writer.writerows({**{k: _rounded(v) for k, v in row.items()}, **about} for row in rows)
    print(f"wrote {path}")
    return path


def print_table(title: str, rows: Sequence[Row], columns: Iterable[str]) -> None:
    """Print a table and, below it, the notes of the rows."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title)
    columns = [column for column in columns if column != "note" and any(row.get(column) is not None for row in rows)]
    for column in columns:
        table.add_column(column.replace("_", " "), justify="left" if column in ("case", "ours") else "right")
    for row in rows:
        table.add_row(*(_text(row.get(column)) for column in columns))
    Console(width=None if os.isatty(1) else 160).print(table)
    for row in rows:
        if row.get("note"):
            print(f"  {row['case']}: {row['note']}")


def plot_bars(name: str, rows: Sequence[Row], out: Path, xlabel: str) -> Path | None:
    """Median ratios as bars with their range over repetitions, and ticks at the targets. None without matplotlib."""
    measured = [row for row in rows if row.get("ratio_median") is not None]
    pyplot = pyplot_or_none()
    if pyplot is None or not measured:
        return None
    figure, axes = pyplot.subplots(figsize=(9, 0.34 * len(measured) + 1.2), layout="constrained")
    middle = [row["ratio_median"] for row in measured]
    around = [
        [row["ratio_median"] - row["ratio_min"] for row in measured],
        [row["ratio_max"] - row["ratio_median"] for row in measured],
    ]
    axes.barh(range(len(measured)), middle, xerr=around, color="#4878a8", ecolor="#222222", height=0.6)
    for y, row in enumerate(measured):
        for target, color in ((row.get("must"), "#c03028"), (row.get("reach"), "#e0a030")):
            if target is not None:
                axes.plot([target, target], [y - 0.4, y + 0.4], color=color, linewidth=2)
    axes.set_yticks(range(len(measured)), [row["case"] for row in measured])
    axes.invert_yaxis()
    axes.set_xlabel(xlabel)
    return save_figure(figure, name, out)


def pyplot_or_none() -> Any | None:
    """matplotlib.pyplot, drawing into files; None if it is not installed."""
    try:
        import matplotlib
    except ImportError:
        print("no plot: matplotlib is not installed (benchmarks/requirements.txt)")
        return None
    matplotlib.use("Agg")
    from matplotlib import pyplot

    return pyplot


def save_figure(figure: Any, name: str, out: Path) -> Path:
    """Write a figure as `name`.png."""
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{name}.png"
    figure.savefig(path, dpi=120)
    print(f"wrote {path}")
    return path


def reason(error: Exception) -> str:
    """Type and first line of an error, for the note of a row."""
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"


def version(name: str) -> str:
    if name == "deepdrr":
        import deepdrr

        return str(deepdrr.__version__)
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    capability = torch.backends.cpu.get_cpu_capability()
    return f"{names[0] if names else platform.processor()} ({capability})"


def _rounded(value: object) -> object:
    return float(f"{value:.5g}") if isinstance(value, float) else value


def _text(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.3g}" if isinstance(value, float) and abs(value) < 1000 else str(_whole(value))


def _whole(value: object) -> object:
    return round(value) if isinstance(value, float) else value
