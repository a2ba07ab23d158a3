"""Public names that have moved: for one release the old name still works, with a `DeprecationWarning`."""

import importlib
import warnings
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["moved"]


def moved(module: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """A `__getattr__` for a module whose names have moved.

    Args:
        module: the module's `__name__`.
        homes: the new place of each old name, such as `"deepdrr.io.read_xray"`.

    Example:
        >>> find = moved("deepdrr.old", {"Camera": "deepdrr.camera.Camera"})
        >>> with warnings.catch_warnings(action="ignore"):
        ...     find("Camera").__name__
        'Camera'
    """

    def __getattr__(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        home, _, now = homes[name].rpartition(".")
        warnings.warn(f"{module}.{name} is now {home}.{now}", DeprecationWarning, stacklevel=2)
        return getattr(importlib.import_module(home), now)

    return __getattr__
