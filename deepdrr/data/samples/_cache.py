"""The folder that keeps downloads, and the checksum of a file in it."""

import hashlib
import os
import sys
from pathlib import Path

__all__ = ["cache_folder", "sha256"]


def cache_folder() -> Path:
    """The folder DEEPDRR_CACHE, else the platform's folder for caches. It need not exist."""
    named = os.environ.get("DEEPDRR_CACHE")
    if named:
        return Path(named).expanduser()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "deepdrr"


def sha256(path: Path) -> str:
    """SHA-256 of a file as 64 hexadecimal digits; "" if there is no such file."""
    if not path.is_file():
        return ""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
