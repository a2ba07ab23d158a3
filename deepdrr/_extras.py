"""Optional dependencies are imported when used; if one is missing, the error says what to install."""

import importlib
from types import ModuleType

__all__ = ["require"]


def require(module: str, extra: str, purpose: str) -> ModuleType:
    """Import an optional module, or say which extra installs it.

    Args:
        module: importable name, e.g. `"SimpleITK"`.
        extra: the extra of this package that installs it, e.g. `"itk"`.
        purpose: what it is needed for, e.g. `"reading .nrrd files"`.

    Raises:
        ImportError: if the module is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(f"{purpose} needs {module}: pip install 'deepdrr[{extra}]'") from error
