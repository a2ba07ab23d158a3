"""The DICOM standard's tables in the form that dicom-validator takes, without a network.

dicom-validator downloads the standard and reads its tables from there. The same tables come with highdicom (modules of
an object, attributes of a module with their types) and with pydicom (names, value representations). Two columns are in
neither: conditions, and enumerated values. So an attribute of type 1C or 2C may be absent, but not empty if it is 1C; a
conditional module may be absent, but not incomplete; a value is checked for its representation, not for its meaning.
"""

import functools
import json
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from dicom_validator.validator.dicom_info import DicomInfo
from pydicom.datadict import dictionary_description, dictionary_VM, dictionary_VR, repeater_has_keyword, tag_for_keyword

__all__ = ["standard"]


@functools.cache
def standard() -> DicomInfo:
    """Modules of each class of X-ray images, and the attributes of each of these modules."""
    modules_of = _table("iod_module_map")
    iods = {uid: modules_of[name] for uid, name in _table("sop_class_iod_map").items() if "x-ray" in name}
    used = {module["key"] for modules in iods.values() for module in modules}
    attributes = {name: rows for name, rows in _table("module_attribute_map").items() if name in used}
    keywords = {row["keyword"] for rows in attributes.values() for row in rows if _has_one_tag(row)}
    return DicomInfo(
        dictionary={_tag(keyword): _dictionary_entry(keyword) for keyword in keywords},
        iods={uid: _iod(modules) for uid, modules in iods.items()},
        modules={name: _module(rows) for name, rows in attributes.items()},
    )


def _iod(modules: list[dict[str, str]]) -> dict[str, Any]:
    rows = {module["key"]: {"ref": module["key"], "use": module["usage"]} for module in modules}
    return {"title": "", "modules": rows, "group_macros": {}}


def _module(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Attributes by tag; those within a sequence are its `items`."""
    module: dict[str, Any] = {}
    for row in filter(_has_one_tag, rows):
        level = module
        for sequence in row["path"]:
            level = level[_tag(sequence)].setdefault("items", {})
        level[_tag(row["keyword"])] = {"name": row["keyword"], "type": row["type"]}
    return module


def _dictionary_entry(keyword: str) -> dict[str, str]:
    return {"name": dictionary_description(keyword), "vr": dictionary_VR(keyword), "vm": dictionary_VM(keyword)}


def _has_one_tag(row: dict[str, Any]) -> bool:
    """Overlays have a tag for each of 16 groups; no file of ours has an overlay."""
    return not repeater_has_keyword(row["keyword"])


def _tag(keyword: str) -> str:
    tag = tag_for_keyword(keyword)
    assert tag is not None, keyword
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


def _table(name: str) -> dict[str, Any]:
    """One of highdicom's copies of the standard's tables, read without importing the package."""
    path = distribution("highdicom").locate_file(f"highdicom/_standard/{name}.json")
    table: dict[str, Any] = json.loads(Path(str(path)).read_text(encoding="utf-8"))
    return table
