"""JSON and YAML files as plain values, with sentences of our own for all that is wrong in them."""

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

from deepdrr._door import read_text, shown

__all__ = ["Lines", "read_fields", "read_located"]

Lines: TypeAlias = dict[tuple[Any, ...], int]
"""The line of each field, by the keys and list positions that lead to it."""

# YAML is read in Python: 64 kB take a second or two. JSON of the largest text file takes one.
_LARGEST_YAML = 64 * 2**10
# int64 has 18 digits and a bit; Python refuses integers of more than 4300.
_LONGEST_INTEGER = 18

_BOOLEAN, _NUMBER = "tag:yaml.org,2002:bool", "tag:yaml.org,2002:float"
# YAML 1.2.2, 10.3.2, decimal integers among them.
_NUMBER_WORD = re.compile(
    r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
)


def read_fields(path: str | os.PathLike[str], name: str = "path") -> dict[Any, Any]:
    """Read fields and their values from a JSON or YAML file.

    Numbers are read as in JSON and in YAML 1.2, so that 1e-05 is one. Aliases are refused, by which a small file can
    claim to hold millions of values, and so are duplicate fields, of which readers silently take one.

    Args:
        path: the file; one that ends in .json must be JSON.
        name: the argument's name, for errors.

    Returns:
        The fields; none for a file that holds no value.

    Raises:
        OSError: if it cannot be read.
        ValueError: if it is not such a file; the sentence says in which line.
    """
    file = Path(path)
    text = read_text(path, name)
    with _sentences(file, name):
        content = _content(text, file, name)
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ValueError(f"{name} must hold fields and their values, '{file}' holds a {type(content).__name__}")
    return content


def read_located(path: str | os.PathLike[str], name: str = "path") -> tuple[dict[Any, Any], Lines]:
    """Read fields and their values, and the line of each, from a YAML file; JSON is YAML, too.

    Args:
        path: the file.
        name: the argument's name, for errors.

    Returns:
        The fields as `read_fields` gives them, and their lines.

    Raises:
        OSError, ValueError: as `read_fields`.
    """
    file = Path(path)
    text = read_text(path, name)
    with _sentences(file, name):
        node = _composed(text, file, name)
        content = {} if node is None else _value(node, set())
    if not isinstance(content, dict):
        raise ValueError(f"{name} must hold fields and their values, '{file}' holds a {type(content).__name__}")
    return content, _lines(node, ())


def _lines(node: Any, where: tuple[Any, ...]) -> Lines:
    """The lines of all fields below a node, whose values were read before."""
    import yaml

    found: Lines = {where: node.start_mark.line + 1} if node is not None else {}
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            below = (*where, _value(key, set()))
            found |= _lines(value, below) | {below: key.start_mark.line + 1}
    if isinstance(node, yaml.SequenceNode):
        for n, value in enumerate(node.value):
            found |= _lines(value, (*where, n))
    return found


@contextmanager
def _sentences(file: Path, name: str) -> Iterator[None]:
    import yaml

    try:
        yield
    except json.JSONDecodeError as error:
        raise ValueError(f"{name} must be JSON, line {error.lineno} of '{file}' is not: {_reason(error)}") from error
    except _Wrong as error:
        raise ValueError(f"line {error.line} of '{file}' must hold plain fields and values, got {error}") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1} of '{file}'" if mark else f"'{file}'"
        raise ValueError(f"{name} must be JSON or YAML, {where} is not") from error
    except yaml.YAMLError as error:
        raise ValueError(f"{name} must be JSON or YAML, '{file}' holds characters that neither knows") from error
    except RecursionError as error:
        raise ValueError(f"{name} must hold fields and their values, '{file}' nests them too deeply") from error
    except _Duplicate as error:
        raise ValueError(f"{name} must name each field once, '{file}' names {error} twice") from error


class _Duplicate(Exception):
    """A field that is there twice."""


class _Wrong(Exception):
    """What is YAML, but not a plain value."""

    def __init__(self, node: Any, what: str) -> None:
        super().__init__(what)
        self.line = node.start_mark.line + 1


def _content(text: str, file: Path, name: str) -> Any:
    if file.suffix.lower() == ".json":
        return _json(text)
    if text.lstrip()[:1] == "{":
        try:
            return _json(text)
        except json.JSONDecodeError:  # YAML has these brackets too
            pass
    return _yaml(text, file, name)


def _reason(error: json.JSONDecodeError) -> str:
    rest = error.doc[error.pos :].splitlines()
    return f"at {shown(rest[0], 40)}" if rest and rest[0] else "it ends too early"


def _json(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_once, parse_int=_integer)


def _once(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _Duplicate(shown(key))
        found[key] = value
    return found


def _integer(text: str) -> int | float:
    """An integer; one of more digits than any number has becomes a float, infinite where it is too large for that."""
    return int(text) if len(text) <= _LONGEST_INTEGER else float(text)


def _yaml(text: str, file: Path, name: str) -> Any:
    node = _composed(text, file, name)
    return None if node is None else _value(node, set())


def _composed(text: str, file: Path, name: str) -> Any:
    """The tree of a text; None if it is empty."""
    import yaml

    if len(text) > _LARGEST_YAML:
        raise ValueError(f"{name} must be YAML of at most {_LARGEST_YAML} characters, '{file}' holds {len(text)}")
    return yaml.compose(text, Loader=_loader())


def _loader() -> Any:
    """PyYAML's safe loader that knows the words of YAML 1.1 for nothing, yes and no, and the numbers of YAML 1.2."""
    import yaml

    class Loader(yaml.SafeLoader):
        yaml_implicit_resolvers = {  # noqa: RUF012  # the library's own way to replace it
            first: [(tag, pattern) for tag, pattern in resolvers if tag in ("tag:yaml.org,2002:null", _BOOLEAN)]
            for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
        }

    Loader.add_implicit_resolver(_NUMBER, _NUMBER_WORD, list("-+0123456789."))
    return Loader


def _value(node: Any, seen: set[int]) -> Any:
    """The value of a node; a node that was seen before is an alias."""
    import yaml

    if id(node) in seen:
        raise _Wrong(node, "an alias")
    seen.add(id(node))
    kind = node.tag.rpartition(":")[2]
    if isinstance(node, yaml.MappingNode) and kind == "map":
        return _once([(_key(key, seen), _value(value, seen)) for key, value in node.value])
    if isinstance(node, yaml.SequenceNode) and kind == "seq":
        return [_value(item, seen) for item in node.value]
    if isinstance(node, yaml.ScalarNode) and kind in ("null", "bool", "float", "str"):
        try:
            return _scalar(node.value, node.tag)
        except ValueError:  # a tag before a word: !!float abc
            pass
    raise _Wrong(node, f"a value with the tag {shown(node.tag)}")


def _key(node: Any, seen: set[int]) -> Any:
    import yaml

    if not isinstance(node, yaml.ScalarNode):
        raise _Wrong(node, "a field without a name")
    return _value(node, seen)


def _scalar(word: str, tag: str) -> Any:
    if tag == _BOOLEAN:
        return word.lower() in ("yes", "true", "on")
    if tag != _NUMBER:
        return None if tag.endswith(":null") else word
    if re.fullmatch(r"[-+]?[0-9]+", word):
        return _integer(word)
    return float(word.lower().replace(".inf", "inf").replace(".nan", "nan"))
