"""`Section`: the fields of a file under one key, with their lines."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deepdrr._door import shown
from deepdrr._names import unknown_name
from deepdrr._structured import Lines, read_located

__all__ = ["Section"]


@dataclass(frozen=True)
class Section:
    """A mapping in a file.

    Attributes:
        file: the file.
        where: the keys that lead to it.
        fields: its values by key.
        lines: the line of each field of the file.
    """

    file: Path
    where: tuple[Any, ...]
    fields: dict[Any, Any]
    lines: Lines

    @classmethod
    def of(cls, path: Path) -> "Section":
        """All of a file.

        Raises:
            OSError, ValueError: if it cannot be read, or is not YAML.
        """
        fields, lines = read_located(path, "scene")
        return cls(path, (), fields, lines)

    def __contains__(self, key: str) -> bool:
        return key in self.fields

    def check(self, known: Collection[str]) -> None:
        """Refuse fields of other names.

        Raises:
            ValueError: with the line, and near names.
        """
        for key in self.fields:
            if key not in known:
                raise ValueError(f"{self.place(key)}: {unknown_name('field', key, known)}")

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a field, or the default where it is not there."""
        return self.fields.get(key, default)

    def needed(self, key: str) -> Any:
        """The value of a field that must be there.

        Raises:
            ValueError: if it is not.
        """
        if key not in self.fields:
            raise ValueError(f"{self.place()}: must have {key}, got {', '.join(map(str, self.fields)) or 'nothing'}")
        return self.fields[key]

    def given(self, *keys: str) -> dict[str, Any]:
        """Those of some fields that are there."""
        return {key: self.fields[key] for key in keys if key in self.fields}

    def section(self, key: str) -> "Section":
        """The fields under a key; none where it is not there.

        Raises:
            ValueError: if its value is something else.
        """
        value = self.fields.get(key) or {}
        if not isinstance(value, dict):
            raise ValueError(f"{self.place(key)}: must hold fields and their values, got {shown(value)}")
        return Section(self.file, (*self.where, key), value, self.lines)

    def sections(self, key: str) -> Iterator[tuple[str, "Section"]]:
        """The named sections under a key."""
        inner = self.section(key)
        for name in inner.fields:
            if not isinstance(name, str):
                raise ValueError(f"{inner.place(name)}: must be a name, got {shown(name)}")
            yield name, inner.section(name)

    def one_of(self, *keys: str) -> str | None:
        """The one of these fields that is there, or None.

        Raises:
            ValueError: if there are several.
        """
        there = [key for key in keys if key in self.fields]
        if len(there) > 1:
            raise ValueError(f"{self.place(there[1])}: must not be given beside {there[0]}")
        return there[0] if there else None

    def place(self, key: Any = None) -> str:
        """File, line and keys of a field, for errors."""
        where = self.where if key is None else (*self.where, key)
        line = self.lines.get(where, self.lines.get(self.where, 1))
        return f"'{self.file}', line {line}, {'.'.join(map(str, where)) or 'scene'}"

    @contextmanager
    def blamed(self, key: Any = None) -> Iterator[None]:
        """Put file, line and keys before the sentence of what is refused in the block.

        The key is that of the field which the sentence begins with, if there is one, such as "mode must be …" or
        "unknown material …"; otherwise the given one.
        """
        try:
            yield
        except (ValueError, TypeError, OSError) as error:
            sentence = _sentence(error)
            if sentence.startswith(f"'{self.file}', line "):  # an inner section has said where
                raise
            named = next((word for word in sentence.split()[:2] if word in self.fields), key)
            kind = FileNotFoundError if isinstance(error, FileNotFoundError) else ValueError
            raise kind(f"{self.place(named)}: {sentence}") from error


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: '{error.filename}'"
    return str(error)
