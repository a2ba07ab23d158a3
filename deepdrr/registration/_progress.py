"""A bar while a registration runs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["progress_bar"]


@contextmanager
def progress_bar(shown: bool, number: int, count: int, iterations: int) -> Iterator[Callable[[float], None]]:
    """A bar of one stage on standard error, if that is a terminal; gives what is to be told each iteration's loss."""
    if not shown:
        yield lambda loss: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(f"stage {number + 1} of {count}", total=iterations)

        def advance(loss: float) -> None:
            bar.update(task, advance=1, description=f"stage {number + 1} of {count}, loss {loss:.4f}")

        yield advance
