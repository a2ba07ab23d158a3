"""Objects with state: what they show can be assigned, and an assignment that nothing would read is refused."""

import inspect
from functools import cache
from typing import ClassVar

from deepdrr._names import unknown_name

__all__ = ["NamedState"]


class NamedState:
    """A base of classes whose state has names: annotated attributes, and properties that can be assigned.

    An assignment to any other public name is an `AttributeError` with near names. A user's own subclass keeps what it
    likes.
    """

    INSTEAD: ClassVar[str] = ""  # the way to get what cannot be assigned, for the error

    def __setattr__(self, name: str, value: object) -> None:
        """Refuse attributes that nothing would read."""
        kind: type = type(self)
        if _ours(kind) and not name.startswith("_") and name not in _settable(kind) and not _is_child(self, value):
            raise AttributeError(_refusal(kind, name))
        super().__setattr__(name, value)


@cache
def _settable(kind: type) -> frozenset[str]:
    """Annotated names, those of torch's modules too, and properties with a setter."""
    annotated = {name for base in kind.__mro__ for name in inspect.get_annotations(base)}
    setters = {name for name, found in _properties(kind).items() if found.fset is not None}
    return frozenset(annotated | setters)


def _properties(kind: type) -> dict[str, property]:
    members = {name: inspect.getattr_static(kind, name) for name in dir(kind) if not name.startswith("_")}
    return {name: found for name, found in members.items() if isinstance(found, property)}


def _shown(kind: type) -> list[str]:
    """What an object shows under names of ours."""
    annotated = {name for base in kind.__mro__ if _ours(base) for name in inspect.get_annotations(base)}
    return sorted(name for name in annotated | _properties(kind).keys() if not name.startswith("_") and name.islower())


def _ours(kind: type) -> bool:
    return kind.__module__.partition(".")[0] == __name__.partition(".")[0]


def _is_child(owner: object, value: object) -> bool:
    """Whether a module of torch is given another one, as torch's own tools do."""
    return hasattr(owner, "named_modules") and hasattr(value, "named_modules")


def _refusal(kind: type, name: str) -> str:
    instead = getattr(kind, "INSTEAD", "")
    if hasattr(kind, name):
        return f"{name} of a {kind.__name__} cannot be assigned{instead and f'; {instead}'}"
    return str(unknown_name(f"attribute of a {kind.__name__}", name, _shown(kind)))
