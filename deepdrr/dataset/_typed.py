"""Fields of a file as frozen dataclasses: types checked, unknown fields refused, errors with file, line and key."""

import types
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from deepdrr._door import shown
from deepdrr._names import unknown_name
from deepdrr._structured import Lines
from deepdrr.dataset._distributions import Distribution, distribution_of

__all__ = ["Where", "record_of"]

Record = TypeVar("Record")
_WORDS: dict[type, str] = {
    str: "a word",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    Path: "a path",
}


@dataclass(frozen=True)
class Where:
    """A place in a file.

    Attributes:
        file: the file; None for fields that come from a program.
        lines: the line of each field, by the keys that lead to it.
        keys: the keys that lead here.
    """

    file: Path | None = None
    lines: Lines | None = None
    keys: tuple[Any, ...] = ()

    def at(self, key: Any) -> "Where":
        """The place of a field below."""
        return Where(self.file, self.lines, (*self.keys, key))

    def error(self, sentence: str) -> ValueError:
        """An error of this place."""
        key = ".".join(map(str, self.keys))
        if self.file is None:
            return ValueError(f"{key}: {sentence}" if key else sentence)
        lines, keys = self.lines or {}, self.keys
        while keys and keys not in lines:  # a field that is missing has the line of what it should be in
            keys = keys[:-1]
        return ValueError(f"'{self.file}', line {lines.get(keys, 1)}{f', {key}' if key else ''}: {sentence}")


def record_of(kind: type[Record], given: Any, where: Where) -> Record:
    """A dataclass from plain fields.

    Args:
        kind: a dataclass, whose fields are words, numbers, paths, distributions, dataclasses, tuples or mappings of
            these, some of them optional.
        given: the fields and their values.
        where: where they are.

    Raises:
        ValueError: for an unknown or missing field, a value of another type, or what the class itself refuses.
    """
    if not isinstance(given, Mapping):
        raise where.error(f"must hold fields and their values, got {shown(given)}")
    known: dict[str, Field[Any]] = {field.name: field for field in fields(kind)}  # type: ignore[arg-type]
    hints = get_type_hints(kind)
    for key in given:
        if key not in known:
            raise where.at(key).error(str(unknown_name("field", key, known)))
    values = {key: _value(hints[key], value, where.at(key)) for key, value in given.items()}
    for key, field in known.items():
        if key not in given and field.default is MISSING and field.default_factory is MISSING:
            raise where.at(key).error("must be given, it is missing")
    try:
        return kind(**values)
    except (ValueError, TypeError) as error:
        raise where.error(str(error)) from error


def _value(hint: Any, given: Any, where: Where) -> Any:
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        if given is None and type(None) in parts:
            return None
        (hint,) = (part for part in parts if part is not type(None))
        return _value(hint, given, where)
    if hint is Distribution:
        try:
            return distribution_of(given)
        except ValueError as error:
            raise where.error(str(error)) from error
    if origin is Literal:
        if given not in parts:
            raise where.error(str(unknown_name("word", given, list(map(str, parts)))))
        return given
    if origin is tuple:
        return _several(parts, given, where)
    if origin is dict or origin is Mapping:
        if not isinstance(given, Mapping):
            raise where.error(f"must hold names and their values, got {shown(given)}")
        return {_value(parts[0], key, where): _value(parts[1], value, where.at(key)) for key, value in given.items()}
    if is_dataclass(hint):
        return record_of(hint, given, where)  # type: ignore[arg-type]
    return _plain(hint, given, where)


def _several(parts: tuple[Any, ...], given: Any, where: Where) -> tuple[Any, ...]:
    if not isinstance(given, list):
        raise where.error(f"must be a list, got {shown(given)}")
    if parts[-1] is Ellipsis:
        return tuple(_value(parts[0], value, where.at(n)) for n, value in enumerate(given))
    if len(given) != len(parts):
        raise where.error(f"must be {len(parts)} values, got {shown(given)}")
    return tuple(_value(part, value, where.at(n)) for n, (part, value) in enumerate(zip(parts, given, strict=True)))


def _plain(kind: type, given: Any, where: Where) -> Any:
    """A word, a number or a path; no word is a number, and no number true or false."""
    if kind is float and isinstance(given, int) and not isinstance(given, bool):
        return float(given)
    if kind is Path and isinstance(given, str) and given:
        return Path(given)
    if not isinstance(given, kind) or (kind in (int, float) and isinstance(given, bool)):
        raise where.error(f"must be {_WORDS[kind]}, got {shown(given)}")
    return given
