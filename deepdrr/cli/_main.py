"""`main` parses the arguments, runs the command, and turns every failure into a sentence and an exit code."""

import os
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import TextIO

from cyclopts import CycloptsError, MissingArgumentError

from deepdrr.cli._app import app
from deepdrr.cli._status import Verdict
from deepdrr.cli._streams import lenient_streams
from deepdrr.cli._words import check_words, with_flags

__all__ = ["EXIT_BAD_INPUT", "EXIT_DOUBTFUL", "EXIT_FAULT", "EXIT_INTERRUPTED", "main", "sentence"]

EXIT_FAULT = 1  # an unforeseen error
EXIT_BAD_INPUT = 2  # wrong usage, or refused input
EXIT_DOUBTFUL = 3  # the result is written and not to be trusted; a warning says why
EXIT_INTERRUPTED = 130  # 128 + SIGINT, as in shells

# The exceptions that the package raises to refuse input.
_REFUSALS = (CycloptsError, ValueError, TypeError, OSError, MemoryError, ImportError)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: the words after `deepdrr`; by default those of the process. `--debug` anywhere among them, or
            DEEPDRR_DEBUG=1 in the environment, shows tracebacks.

    Returns:
        Exit code: 0 success, 1 an unforeseen error, 2 wrong usage or refused input, 3 a result that is written but not
        to be trusted, 130 interrupted.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    flags = words[: words.index("--")] if "--" in words else words
    debug = "--debug" in flags or os.environ.get("DEEPDRR_DEBUG", "") not in ("", "0")
    words = [word for word in flags if word != "--debug"] + words[len(flags) :]
    with lenient_streams() as faults:
        code = _outcome(words, debug)
    if faults and not code:
        return _failed(f"error: {faults[0]}", EXIT_BAD_INPUT, debug)
    return code


def _outcome(words: list[str], debug: bool) -> int:
    """Run a command; the exit code."""
    try:
        with (
            _warnings_as_sentences(),
            _handled(signal.SIGTERM, _leave),
            # While the command started, Ctrl-C ended the process at once.
            _handled(signal.SIGINT, signal.default_int_handler),
        ):
            return EXIT_DOUBTFUL if _run(words) else 0
    except KeyboardInterrupt:
        return _failed("interrupted; no half-written file was left behind", EXIT_INTERRUPTED, debug)
    except _REFUSALS as error:
        return _failed(f"error: {with_flags(sentence(error))}", EXIT_BAD_INPUT, debug)
    except Exception as error:
        return _failed(*_unforeseen(error), debug)


def sentence(error: BaseException) -> str:
    """The message of an exception on one line, without the quotes and numbers that Python adds to some messages."""
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.strerror[:1].lower()}{error.strerror[1:]}: '{error.filename}'"
    if isinstance(error, MissingArgumentError) and error.argument is not None and error.keyword is None:
        return f"deepdrr {' '.join(error.command_chain or ())} needs {error.argument.name}; --help lists its flags"
    text = " ".join(str(error).split())
    return text or type(error).__name__


def _run(words: list[str]) -> bool:
    """Run a command; whether its result is doubtful."""
    check_words(words)
    command, bound, _ = app.parse_args(words, exit_on_error=False, print_error=False)
    return command(*bound.args, **bound.kwargs) is Verdict.DOUBTFUL


def _unforeseen(error: Exception) -> tuple[str, int]:
    text = sentence(error)
    if "allocate memory" in text or "not enough memory" in text:  # torch raises these as RuntimeError
        return f"error: the memory of this machine does not suffice: {text}", EXIT_BAD_INPUT
    report = "this is a fault of deepdrr, please report it with the output of DEEPDRR_DEBUG=1"
    return f"error: {type(error).__name__}: {text} ({report})", EXIT_FAULT


def _failed(message: str, code: int, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    print(f"deepdrr: {message}", file=sys.stderr)
    return code


@contextmanager
def _warnings_as_sentences() -> Iterator[None]:
    """Show each warning once, as a line without source code."""

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        print(f"deepdrr: warning: {' '.join(str(message).split())}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("default", UserWarning)
        warnings.showwarning = show
        yield


@contextmanager
def _handled(number: int, handler: Callable[[int, FrameType | None], object]) -> Iterator[None]:
    """Have a handler answer a signal while the block runs."""
    try:
        before = signal.signal(number, handler)
    except ValueError:  # only the main thread can handle signals
        yield
        return
    try:
        yield
    finally:
        signal.signal(number, before)


def _leave(number: int, frame: FrameType | None) -> None:
    """End by unwinding the stack, so that temporary files are removed."""
    raise SystemExit(128 + number)
