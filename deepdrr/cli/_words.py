"""The words of a command line: none of them empty, and named in errors as a user types them."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from functools import cache

from deepdrr.cli import _options

__all__ = ["check_words", "with_flags"]

# Arguments of the API whose flags have other names.
_RENAMED = {"photons_per_pixel": "photons", "gamma": "contrast", "width_mm": "focal-spot-mm"}
_OF_COMMANDS = (
    "out",
    "ct",
    "xray",
    "init",
    "report",
    "config",
    "quantity",
    "start",
    "crop",
    "values",
    "mask",
    "polarity",
    "scene",
)
_LONGEST_VALUE = 300
_LONGEST = 1500


def check_words(words: Sequence[str]) -> None:
    """Refuse an empty word: as a path it would mean the current folder.

    Raises:
        ValueError: names the flag.
    """
    for number, word in enumerate(words):
        flag, equals, value = word.partition("=")
        if word and not (flag.startswith("--") and equals and not value):
            continue
        name = flag or next((w for w in words[number - 1 : number] if w.startswith("--")), f"argument {number + 1}")
        raise ValueError(f"{name} must not be empty, got '': is a variable of the shell unset?")


def with_flags(sentence: str) -> str:
    """A sentence about arguments of the API, with their flags in their place and long values cut.

    Example:
        >>> with_flags("sdd_mm must be positive, got -5; pass check_hu='off'")
        '--sdd-mm must be positive, got -5; pass --check-hu off'
    """
    names = "|".join(sorted(_flags(), key=len, reverse=True))
    said = re.sub(rf"\b({names})='([^']*)'", lambda m: f"{_flag(m[1])} {m[2]}", sentence)
    said = re.sub(rf"^({names})(?= (?:must|names|needs|is for)\b)", lambda m: _flag(m[1]), said)
    said = re.sub(rf"'([^']{{{_LONGEST_VALUE},}})'", lambda m: f"'{_cut(m[1], _LONGEST_VALUE)}'", said)
    return _cut(said, _LONGEST)


def _flag(name: str) -> str:
    return f"--{_RENAMED.get(name, name).replace('_', '-')}"


@cache
def _flags() -> frozenset[str]:
    return frozenset(_fields()) | frozenset(_OF_COMMANDS) | frozenset(_RENAMED)


def _fields() -> Iterator[str]:
    for record in vars(_options).values():
        if isinstance(record, type) and is_dataclass(record):
            yield from (field.name for field in fields(record))


def _cut(text: str, longest: int) -> str:
    if len(text) <= longest:
        return text
    half = longest // 2
    return f"{text[:half]}…{text[-half:]}"
