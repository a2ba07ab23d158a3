"""A command's words while it works: facts on standard output, progress on standard error."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console

from deepdrr._progress import progress_bar

__all__ = ["progress", "say", "stage"]

Item = TypeVar("Item")


def say(what: str, text: object) -> None:
    """One fact, its name in a column of its own."""
    print(f"{what:<10}{text}")


@contextmanager
def stage(text: str) -> Iterator[None]:
    """A spinner with a text while the block runs; nothing where nobody looks at a terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    with console.status(f"{text} …"):
        yield


def progress(items: Sequence[Item], text: str) -> Iterator[Item]:
    """Go through items behind a progress bar that is gone at the end."""
    with progress_bar(text, len(items)) as report:
        for number, item in enumerate(items):
            yield item
            report(number + 1)
