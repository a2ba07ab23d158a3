"""What the `deepdrr` command settles before it imports anything large, which takes seconds."""

import os  # no module that Python has not loaded already
import signal
import sys

__all__ = ["begin", "is_command"]

_SENTENCE = b"deepdrr: interrupted; no half-written file was left behind\n"
_CODE = 130  # 128 + SIGINT, as in shells


def is_command() -> bool:
    """Whether this process is `deepdrr …` or `python -m deepdrr …`, and not a program that imports deepdrr."""
    name = os.path.basename(sys.argv[0] if sys.argv else "")  # noqa: PTH119
    module = list(zip(sys.orig_argv, sys.orig_argv[1:], strict=False))
    return name in ("deepdrr", "deepdrr.exe") or ("-m", "deepdrr") in module


def begin() -> None:
    """Make Ctrl-C end the start with one line, and give closed standard streams an end that swallows all.

    Python's own handler would raise KeyboardInterrupt somewhere within an import, for a traceback. A standard stream
    that is closed (`>&-`) leaves its number to the next file that is opened, which messages would then be written to.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    for name in ("stdout", "stderr"):  # Python leaves None where it found a stream closed
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _leave)


def _leave(number: int, frame: object) -> None:
    os.write(2, _SENTENCE)
    os._exit(_CODE)
