"""Paths of the files shipped with the package; no other module knows them.

The top-level folders `data/` and `models/` of the repository travel inside the wheel as `deepdrr/_share/`.
In a source tree or an editable install they stay where they are.
"""

from pathlib import Path

__all__ = ["resource_path"]

_PACKAGE = Path(__file__).resolve().parent
_ROOTS = (_PACKAGE / "_share", _PACKAGE.parent)


def resource_path(name: str) -> Path:
    """Path of a shipped file.

    Args:
        name: path relative to the repository's root, with forward slashes, e.g. `"data/ct/pelvis.nii.gz"`.

    Raises:
        FileNotFoundError: if the file is missing from this installation.

    Example:
        >>> resource_path("data/ct/pelvis.nii.gz").name
        'pelvis.nii.gz'
    """
    for root in _ROOTS:
        path = root / name
        if path.exists():
            return path
    raise FileNotFoundError(
        f"deepdrr's own file {name!r} is missing from this installation (looked in {', '.join(map(str, _ROOTS))}); "
        "reinstall the package"
    )
