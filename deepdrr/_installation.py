"""What Python found under the name deepdrr: a package without its kernels, or another project of the same name.

Both are told once, when deepdrr is imported. Without the kernels every result is right, but the reference computes it,
hundreds of times more slowly; and the `deepdrr` of PyPI is another project with the same import name.
"""

import warnings
from collections.abc import Iterable
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

__all__ = ["has_kernels", "warn_of_others", "warn_without_kernels"]

# A file that this project has and the other has not.
_OURS = "_kernels.py"


def warn_without_kernels(package: Path, search: Iterable[str]) -> None:
    """Warn if a folder of the package holds no compiled kernels.

    Args:
        package: the folder that was imported.
        search: folders that Python searches (`sys.path`), for a compiled copy that this one hides.
    """
    if has_kernels(package):
        return
    hidden = next((other for other in _packages(search) if other != package and has_kernels(other)), None)
    if hidden is not None:
        way_out = f"{hidden} has them: start Python in another folder, or take {package.parent} off the search path"
    elif (package.parent / "setup.py").exists():
        way_out = f"compile them with `pip install -e {package.parent}` (a C++17 compiler is needed)"
    else:
        way_out = "reinstall deepdrr where there is a C++17 compiler"
    warnings.warn(
        f"deepdrr was imported from {package}, which holds no compiled kernels: projections by the reference take "
        f"hundreds of times as long; {way_out}",
        RuntimeWarning,
        stacklevel=2,
    )


def has_kernels(package: Path) -> bool:
    """Whether a folder of the package holds kernels that were compiled for this Python."""
    return any(
        path.name.removeprefix(path.name.partition(".")[0]) in EXTENSION_SUFFIXES for path in package.glob("_kernels_*")
    )


def warn_of_others(package: Path, search: Iterable[str]) -> None:
    """Warn if another project's package `deepdrr` lies on Python's search path too; see `warn_without_kernels`."""
    others = [str(other) for other in _packages(search) if other != package and not (other / _OURS).exists()]
    if others:
        warnings.warn(
            f"another project named deepdrr is installed in {', '.join(others)}; this one was imported from {package}. "
            "Which of them `import deepdrr` finds depends on the search path: keep them in environments of their own",
            RuntimeWarning,
            stacklevel=2,
        )


def _packages(search: Iterable[str]) -> list[Path]:
    """Folders named deepdrr that Python could import, as real paths."""
    folders = dict.fromkeys(Path(folder or ".").resolve() / "deepdrr" for folder in search)
    return [folder for folder in folders if (folder / "__init__.py").is_file()]
