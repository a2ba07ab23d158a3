"""`--config file.yaml`: the same fields as the flags, which take precedence over the file."""

from collections.abc import Sequence
from pathlib import Path

from cyclopts import App, ArgumentCollection
from cyclopts.config import Dict

from deepdrr._door import shown
from deepdrr._names import unknown_name
from deepdrr._structured import read_fields

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
    stated = read_fields(given.tokens[0].value, "config")
    fields = {_known(key, names, path): _known_value(key, value) for key, value in stated.items()}
    Dict(fields, use_commands_as_keys=False, source=str(path))(app, commands, arguments)


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
    if value is None or value == "":
        raise ValueError(f"{key} must have a value in the config file, got none")
    if isinstance(value, list) and any(isinstance(item, list | dict) for item in value):
        raise ValueError(f"{key} must be a value or a flat list of values, got {shown(value)}")
    return value
