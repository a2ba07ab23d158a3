"""The volumes and tools in a scene file, both ways."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from deepdrr._names import unknown_name
from deepdrr.data import Volume
from deepdrr.materials import Material, iodine_contrast, material, materials
from deepdrr.projector.scene_file._places import PLACES, place_tool
from deepdrr.projector.scene_file._section import Section
from deepdrr.tools import Tool

__all__ = ["tool_fields", "tools_of", "volume_fields", "volumes_of"]

_READING = ("series", "repair", "use", "check_hu", "assume", "label_names")
_LYING = ("head_first", "supine", "center")
_VOLUME = ("file", "labels", "landmarks", *_READING, *_LYING, "world_from_anatomical")
_FILE = ("unit", "frame", "repair")
_STATE = ("scale", "priority", "mode")
_TOOL = ("file", "kind", *_FILE, "dimensions", "material", "density_g_cm3", "attached_to", *PLACES, *_STATE)


def volumes_of(section: Section) -> dict[str, Volume]:
    """The volumes by name, placed. Paths are relative to the scene file.

    Raises:
        ValueError: with file, line and key.
        FileNotFoundError: if a CT is not there.
    """
    found = {}
    for name, one in section.sections("volumes"):
        one.check(_VOLUME)
        options: dict[str, Any] = one.given(*_READING)
        options |= {key: _beside(one, path) for key, path in one.given("labels", "landmarks").items()}
        with one.blamed("file"):
            volume = Volume.from_file(_beside(one, one.needed("file")), **options)
        if "world_from_anatomical" in one:
            if lying := one.given(*_LYING):
                raise ValueError(f"{one.place(next(iter(lying)))}: must not be given beside world_from_anatomical")
            with one.blamed("world_from_anatomical"):
                volume.world_from_anatomical = torch.tensor(one.get("world_from_anatomical"), dtype=torch.float64)
        else:
            with one.blamed():
                volume.orient_patient(**one.given(*_LYING))
        found[name] = volume
    return found


def tools_of(section: Section, volumes: Mapping[str, Volume]) -> dict[str, Tool]:
    """The tools by name, placed; one may hang on a volume, or on a tool that is named before it.

    Raises:
        ValueError: with file, line and key.
        FileNotFoundError: if a mesh is not there.
    """
    found: dict[str, Tool] = {}
    for name, one in section.sections("tools"):
        one.check(_TOOL)
        if name in volumes:
            raise ValueError(f"{one.place()}: must have a name of its own, but a volume has it")
        tool = _tool(one, name)
        for key in _STATE:
            if key in one:
                with one.blamed(key):
                    setattr(tool, key, one.get(key))
        if "attached_to" in one:
            with one.blamed("attached_to"):
                known: dict[str, Volume | Tool] = {**volumes, **found}
                if one.get("attached_to") not in known:
                    raise unknown_name("volume, or tool before it,", one.get("attached_to"), known)
                tool.attach(known[one.get("attached_to")], parent_from_tool=torch.eye(4))
        place_tool(tool, one)
        found[name] = tool
    return found


def _tool(one: Section, name: str) -> Tool:
    """A tool from a file or of a kind."""
    stated = one.one_of("file", "kind")
    if stated is None:
        raise ValueError(f"{one.place()}: must have a file or a kind, got {', '.join(one.fields) or 'nothing'}")
    substance = _material(one)
    density = one.given("density_g_cm3")
    if stated == "kind":
        if wrong := one.given(*_FILE):
            raise ValueError(f"{one.place(next(iter(wrong)))}: is for a tool from a file, got it for one of a kind")
        with one.blamed("dimensions" if "dimensions" in one else "kind"):
            dimensions = one.section("dimensions").fields
            return Tool.make(one.get("kind"), material=substance, name=name, **density, **dimensions)
    if "dimensions" in one:
        raise ValueError(f"{one.place('dimensions')}: is for a tool of a kind, got it for one from a file")
    if substance is None:
        raise ValueError(f"{one.place()}: must have a material, such as titanium, for a tool from a file")
    unit = one.needed("unit")
    with one.blamed("file"):
        options = {"material": substance, "unit": unit, "name": name, **density, **one.given("frame", "repair")}
        return Tool.from_file(_beside(one, one.get("file")), **options)


def _material(one: Section) -> Material | str | None:
    """A material by name, or iodine in blood or water by its concentration."""
    if not isinstance(one.get("material"), dict):
        name: str | None = one.get("material")
        return name
    inner = one.section("material")
    inner.check(("iodine_mg_per_ml", "base"))
    with inner.blamed():
        return iodine_contrast(inner.needed("iodine_mg_per_ml"), base=inner.get("base", "blood"))


def volume_fields(volume: Volume, folder: Path) -> dict[str, Any]:
    """What a scene file says of a volume that is as its file says.

    Raises:
        ValueError: if it is not, or has labels or landmarks, whose files are not known.
    """
    path = volume.source.path
    if path is None:
        raise ValueError(f"a volume must come from a file to be written in a scene file, got {volume!r}")
    if volume.labels is not None or volume.landmarks:
        raise ValueError(
            f"labels and landmarks must be left out of a scene file that is written, got them for '{path}'"
        )
    again = Volume.from_file(path)
    if again.shape != volume.shape or not torch.equal(again.hu, volume.hu):
        raise ValueError(
            f"a volume must be as its file says to be written in a scene file, '{path}' holds other voxels"
        )
    return {"file": _relative(path, folder), "world_from_anatomical": volume.world_from_anatomical.tolist()}


def tool_fields(tool: Tool, names: Mapping[int, str], folder: Path) -> dict[str, Any]:
    """What a scene file says of a tool.

    Args:
        tool: the tool.
        names: names of volumes and tools by `id`.
        folder: that of the scene file.

    Raises:
        ValueError: if its mesh or material is not from a file or of a name, or it hangs on what is not in the scene.
    """
    fields = tool.source
    if not fields:
        raise ValueError(f"a tool must be of a kind or from a file to be written in a scene file, got {tool!r}")
    if "dimensions" in fields:
        fields["dimensions"] = {name: _in_yaml(value, name) for name, value in fields["dimensions"].items()}
    if "file" in fields:
        fields["file"] = _relative(fields["file"], folder)
    fields |= {"material": _named(tool), "density_g_cm3": tool.density_g_cm3, "scale": float(tool.scale.detach())}
    fields |= {"priority": tool.priority, "mode": tool.mode}
    if tool.parent is None:
        return fields | {"world_from_tool": tool.rigid_world_from_tool.detach().tolist()}
    if id(tool.parent) not in names:
        raise ValueError(f"a tool must hang on what is in the scene to be written in a scene file, got {tool!r}")
    return fields | {"attached_to": names[id(tool.parent)], "parent_from_tool": tool.parent_from_tool.detach().tolist()}


def _named(tool: Tool) -> str:
    name = tool.material.name
    if name not in materials() or material(name) != tool.material:
        raise ValueError(f"a material must be a registered one to be written in a scene file, got {tool.material!r}")
    return name


def _in_yaml(value: object, name: str) -> object:
    """A value of a tool's dimensions as text holds it: numbers, words, and lists of them."""
    if isinstance(value, Tensor | np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, list | tuple):
        return [_in_yaml(part, name) for part in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise ValueError(f"{name} must be numbers or words to be written in a scene file, got {value!r}")


def _beside(section: Section, path: object) -> Path:
    if not isinstance(path, str):
        raise TypeError(f"a path must be text, got {path!r}")
    return section.file.parent / path


def _relative(path: str, folder: Path) -> str:
    """A path from a folder where it lies inside, else as a whole."""
    whole = Path(path).resolve()
    return str(whole.relative_to(folder.resolve())) if whole.is_relative_to(folder.resolve()) else str(whole)
