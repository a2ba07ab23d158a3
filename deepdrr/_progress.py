"""A progress bar on standard error, for terminals and notebooks."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, Protocol

__all__ = ["Report", "progress_bar"]


class Report(Protocol):
    """The function that moves a bar."""

    def __call__(self, completed: float, total: float | None = None, text: str | None = None) -> None:
        """Report how far the work has come; a total or a text replaces that of the bar."""


@contextmanager
def progress_bar(
    text: str, total: float | None = None, *, unit: Literal["steps", "bytes"] = "steps", shown: bool = True
) -> Iterator[Report]:
    """Show a bar while the block runs; it disappears at the end.

    Args:
        text: what the program is doing.
        total: how much there is to do; None if that is not known yet.
        unit: what is counted; bytes also show their rate and the time that is left.
        shown: False for no bar. If standard error is a file or a pipe, no bar is shown either.

    Yields:
        The function that moves the bar.

    Example:
        >>> with progress_bar("views", 3, shown=False) as report:
        ...     for number in range(3):
        ...         report(number + 1)
    """
    if not shown:
        yield _silent
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    steps = (MofNCompleteColumn(), TimeElapsedColumn())
    amounts = (DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    columns = (TextColumn("{task.description}"), BarColumn(), *(steps if unit == "steps" else amounts))
    console = Console(stderr=True)
    watched = console.is_terminal or console.is_jupyter
    with Progress(*columns, console=console, transient=True, disable=not watched) as bar:
        task = bar.add_task(text, total=total)

        def report(completed: float, total: float | None = None, text: str | None = None) -> None:
            bar.update(task, completed=completed, total=total, description=text)

        yield report


def _silent(completed: float, total: float | None = None, text: str | None = None) -> None:
    pass
