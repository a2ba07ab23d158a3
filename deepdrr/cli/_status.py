"""Messages of a running command: facts on standard output, progress on standard error."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import Enum
from typing import TypeVar

from rich.console import Console

from deepdrr._progress import progress_bar

__all__ = ["Verdict", "progress", "say", "stage"]

Item = TypeVar("Item")


class Verdict(Enum):
    """What a command says of its result."""

    GOOD = "good"
    DOUBTFUL = "doubtful"  # written, with a warning


def say(what: str, text: object) -> None:
    """Print one fact, with its name in a separate column."""
    print(f"{what:<10}{text}")


@contextmanager
def stage(text: str) -> Iterator[None]:
    """Show a spinner with a text while the block runs, if standard error is a terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    with console.status(f"{text} …"):
        yield


def progress(items: Sequence[Item], text: str) -> Iterator[Item]:
    """Iterate over items behind a progress bar that disappears at the end."""
    with progress_bar(text, len(items)) as report:
        for number, item in enumerate(items):
            yield item
            report(number + 1)
