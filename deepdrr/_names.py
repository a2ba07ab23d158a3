"""The error for an unknown name, the same everywhere."""

import difflib
import re
from collections.abc import Iterable

__all__ = ["unknown_name"]

_LISTED = 20
_NEAR = 3  # that are suggested
_SHORTEST = 2  # beginning of a word that says which one is meant


def unknown_name(kind: str, name: object, known: Iterable[str]) -> ValueError:
    """The error for an unknown name; it lists the most similar known names, or all of them.

    Args:
        kind: what is named, e.g. `"material"`.
        name: the name that the caller gave.
        known: the names that exist.

    Example:
        >>> unknown_name("view", "inlett", ["inlet", "outlet"])
        ValueError("unknown view 'inlett'; did you mean 'inlet' or 'outlet'?")
    """
    names = list(known)
    near = _beginning_with(str(name), names) or difflib.get_close_matches(str(name), names, n=_NEAR, cutoff=0.5)
    return ValueError(f"unknown {kind} {name!r}; {_advice(near, names)}")


def _beginning_with(start: str, names: list[str]) -> list[str]:
    """Names with a word of this beginning: `"LAT"` stands for the lateral views."""
    if len(start) < _SHORTEST:
        return []
    words = {name: re.split(r"[\W_]+", name.casefold()) for name in names}
    return [name for name in names if any(word.startswith(start.casefold()) for word in words[name])][:_NEAR]


def _advice(near: list[str], names: list[str]) -> str:
    if near:
        return f"did you mean {' or '.join(map(repr, near))}?"
    if not names:
        return "there are none"
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f"known are {', '.join(map(repr, names[:_LISTED]))}{more}"
