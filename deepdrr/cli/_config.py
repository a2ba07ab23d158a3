"""`--config file.yaml`: the same fields as the flags, which take precedence over the file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cyclopts import App, ArgumentCollection
from cyclopts.config import Dict

from deepdrr._names import unknown_name
from deepdrr._yaml import parse

__all__ = ["fields_from_file"]


def fields_from_file(app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
    """Fill arguments that were not given as flags from the `--config` file, if there is one.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if it is not YAML, not a mapping, or holds a field that the command does not have.
    """
    given = next((a for a in arguments if a.name == "--config"), None)
    if given is None or not given.tokens:
        return
    path = Path(given.tokens[0].value)
    names = sorted(a.name.removeprefix("--") for a in arguments if a.name.startswith("--") and a.name != "--config")
    fields = {_known(key, names, path): _known_value(key, value) for key, value in _read(path).items()}
    Dict(fields, use_commands_as_keys=False, source=str(path))(app, commands, arguments)


def _read(path: Path) -> dict[Any, Any]:
    import yaml

    try:
        text = path.read_text(encoding="utf-8")
        _check_once(yaml.compose(text, Loader=yaml.SafeLoader), path)
        content = parse(text)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"config must be a YAML file, '{path}' is not: {error}") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ValueError(f"config must hold fields and their values, '{path}' holds a {type(content).__name__}")
    return content


def _check_once(node: Any, path: Path) -> None:
    """Refuse a duplicate field: the YAML reader would silently take the last one."""
    keys = [key.value for key, _ in node.value] if node is not None and node.id == "mapping" else []
    for key in keys:
        if keys.count(key) > 1:
            raise ValueError(f"config must name each field once, '{path}' names {key!r} {keys.count(key)} times")


def _known(key: object, names: Sequence[str], path: Path) -> str:
    """The flag that a field stands for; hyphens and underscores are equivalent."""
    name = str(key).replace("_", "-")
    if name in names:
        return name
    raise unknown_name(f"field in '{path}':", name, names)


def _known_value(key: object, value: object) -> object:
    """A number, a word or a list of them; a mapping (`filter: {copper: 0.1}`) becomes a list of `copper=0.1`."""
    if isinstance(value, dict):
        return [f"{name}={number}" for name, number in value.items()]
    if isinstance(value, list) and any(isinstance(item, list | dict) for item in value):
        raise ValueError(f"{key} must be a value or a flat list of values, got {value!r}")
    return value
