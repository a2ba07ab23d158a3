"""What is known of a data set on disk: the plan, and for each shard its hash, sources and failures."""

import difflib
import json
import re
import shutil
from pathlib import Path
from typing import Any

from deepdrr._atomic import atomic_path
from deepdrr._structured import read_fields
from deepdrr._version import __version__
from deepdrr.dataset._plan import Plan

__all__ = ["PLAN_FILE", "begin", "finish", "recorded_shards", "remove_leftovers", "write_record"]

PLAN_FILE = "dataset.yaml"
# As `atomic_path` and `write_shard` name what is in the making.
_TEMPORARY = re.compile(r"\.[0-9a-f]{16}(\.\w+)*")
_RECORDS, _MANIFEST = "manifest", "manifest.json"


def begin(plan_file: Path, out: Path) -> None:
    """Prepare a folder for a plan: made, with the plan in it; or, if it has a plan already, of the same plan.

    Raises:
        OSError: if it cannot be written.
        ValueError: if it has another plan, with the difference; or other files, but no plan.
    """
    out.mkdir(parents=True, exist_ok=True)
    there, given = out / PLAN_FILE, read_fields(plan_file, "plan")
    if there.exists():
        before = read_fields(there, "plan")
        if before != given:
            lines = difflib.unified_diff(_lines(before), _lines(given), str(there), str(plan_file), lineterm="", n=0)
            raise ValueError(
                f"out must be a folder of the same plan, but '{there}' is another; take another folder, or the plan "
                "that it was begun with\n" + "\n".join(lines)
            )
    elif any(file.name != ".lock" for file in out.iterdir()):
        raise ValueError(f"out must be an empty folder or one of this plan, got '{out}' with other files")
    else:
        text = plan_file.read_bytes()
        with atomic_path(there) as temporary:
            temporary.write_bytes(text)
    (out / _RECORDS).mkdir(exist_ok=True)


def recorded_shards(out: Path) -> dict[int, dict[str, Any]]:
    """The records of the shards that are whole, by number.

    A shard is written first and its record after it, so that one with a record is whole.

    Raises:
        OSError, ValueError: if a record cannot be read.
    """
    found = {}
    for file in sorted((out / _RECORDS).glob("*.json")):
        if file.stem.isdecimal():  # no record in the making
            found[int(file.stem)] = read_fields(file, "manifest")
    return found


def write_record(out: Path, shard: int, record: dict[str, Any]) -> None:
    """Say that a shard is whole."""
    _write(out / _RECORDS / f"{shard:06d}.json", record)


def finish(plan: Plan, out: Path) -> Path:
    """Write the manifest of all shards that are whole.

    Returns:
        The file.
    """
    shards = recorded_shards(out)
    content = {
        "name": plan.name,
        "count": plan.count,
        "seed": plan.seed,
        "made": sum(record["count"] for record in shards.values()),
        "failed": [failure for record in shards.values() for failure in record["failed"]],
        "whole": len(shards) == plan.shards,
        "same_bytes_with": versions(),
        "shards": list(shards.values()),
    }
    _write(out / _MANIFEST, content)
    return out / _MANIFEST


def versions() -> dict[str, str]:
    """What the bytes of a sample depend on besides the plan: versions, and the build of the kernels."""
    import zlib

    import numpy
    import PIL
    import torch

    from deepdrr._kernels import load_kernels

    try:
        kernels = load_kernels().__name__.rpartition("_")[2]
    except RuntimeError:
        kernels = "reference"
    return {
        "deepdrr": __version__,
        "kernels": kernels,
        "torch": torch.__version__,
        "numpy": numpy.__version__,
        "pillow": PIL.__version__,
        "zlib": zlib.ZLIB_RUNTIME_VERSION,
    }


def _lines(fields: dict[Any, Any]) -> list[str]:
    import yaml

    return yaml.safe_dump(fields, sort_keys=True, allow_unicode=True).splitlines()


def _write(path: Path, content: dict[str, Any]) -> None:
    text = json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False)
    with atomic_path(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def remove_leftovers(out: Path) -> None:
    """Remove what a killed run had in the making: files and folders under temporary names."""
    for left in [path for folder in (out, out / _RECORDS) if folder.is_dir() for path in folder.iterdir()]:
        if _TEMPORARY.fullmatch(left.name):
            shutil.rmtree(left) if left.is_dir() else left.unlink()
