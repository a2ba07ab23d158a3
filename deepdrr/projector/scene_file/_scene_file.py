"""Read and write a scene file: volumes, tools, C-arm and technique in one text."""

import os
from pathlib import Path
from typing import Any

from deepdrr._arguments import checked_path
from deepdrr._atomic import atomic_path
from deepdrr.data import Volume
from deepdrr.device import MobileCArm, view
from deepdrr.materials import DensityModel, MaterialModel
from deepdrr.projector._projector import Projector
from deepdrr.projector._scene import Scene
from deepdrr.projector.scene_file._objects import tool_fields, tools_of, volume_fields, volumes_of
from deepdrr.projector.scene_file._section import Section
from deepdrr.projector.scene_file._technique import technique_fields, technique_of
from deepdrr.tools import Tool

__all__ = ["read_scene", "write_scene"]

_FIELDS = ("volumes", "tools", "carm", "technique", "materials", "ct_kvp", "overlap", "rules", "beyond")
_CARM = ("view", "isocenter", "alpha_deg", "beta_deg", "gamma_deg", "viewed_from", "geometry", "limits", "binning")
_ANGLES = ("alpha_deg", "beta_deg", "gamma_deg", "viewed_from")


def read_scene(path: str | os.PathLike[str]) -> Projector:
    """Read volumes, tools, C-arm and technique from a YAML file.

    Paths in it are relative to its folder. `docs/tools.md` has the table of fields.

    Args:
        path: the file.

    Returns:
        The projector that takes its images; `projector.scene.volumes` and `projector.scene.solids` are in the order of
        the file.

    Raises:
        OSError: if a file is missing or cannot be read.
        ValueError: for what is unknown or does not fit; the sentence names file, line and key.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "scene.yaml"
        >>> _ = file.write_text('''
        ... tools:
        ...   wire:
        ...     kind: k-wire
        ...     dimensions: {diameter_mm: 2, length_mm: 150}
        ...     insert: {entry: [0, 50, 0], target: [0, 0, 0], depth_mm: 20}
        ... carm: {view: AP, binning: 8}
        ... technique: {kvp: 70, mas: 2}
        ... ''')
        >>> projector = read_scene(file)
        >>> projector().shape
        torch.Size([192, 192])
    """
    whole = Section.of(checked_path(path, "scene"))
    whole.check(_FIELDS)
    technique, carm = technique_of(whole.section("technique")), _carm(whole.section("carm"))
    volumes = volumes_of(whole)
    tools = tools_of(whole, volumes)
    with whole.blamed():
        model = MaterialModel(method=whole.get("materials", "continuous"), ct_kvp=whole.get("ct_kvp"))
        options = {"materials": model, "rules": _rules(whole), **whole.given("overlap", "beyond")}
        scene = Scene(*volumes.values(), *tools.values(), **options)
        return Projector(scene, carm=carm, technique=technique)


def write_scene(projector: Projector, path: str | os.PathLike[str]) -> Path:
    """Write what a projector holds as a YAML file that `read_scene` reads again.

    The CT and meshes from files are named, not copied. Nothing is left out: what the file has no word for, such as a
    detector of your own, is refused.

    Args:
        projector: a projector with a `MobileCArm`.
        path: the file to write; its folder must exist.

    Returns:
        The path.

    Raises:
        TypeError: if it has no `MobileCArm`.
        ValueError: for what has no word in a scene file; the sentence names it.
        OSError: if the file cannot be written.
    """
    import yaml

    target = checked_path(path, "scene")
    if not isinstance(projector.carm, MobileCArm):
        raise TypeError(f"carm must be a MobileCArm to be written in a scene file, got {type(projector.carm).__name__}")
    fields = _objects(projector.scene, target.parent)
    fields |= {"carm": projector.carm.to_config(), "technique": technique_fields(projector.technique)}
    text = yaml.safe_dump(fields, sort_keys=False, allow_unicode=True, default_flow_style=None, width=120)
    with atomic_path(target) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return target


def _rules(section: Section) -> dict[tuple[str, str], str]:
    """Rules for pairs of tools, from a list of [one, other, which is there]."""
    found = {}
    for rule in section.get("rules", []):
        if not isinstance(rule, list) or len(rule) != 3:
            raise ValueError(f"{section.place('rules')}: must be [tool, tool, which is there], got {rule!r}")
        found[rule[0], rule[1]] = rule[2]
    return found


def _carm(section: Section) -> MobileCArm:
    section.check(_CARM)
    config = section.given(*(key for key in _CARM if key not in ("view", "binning")))
    with section.blamed():
        carm = MobileCArm.from_config(config)
    if "binning" in section:
        with section.blamed("binning"):
            carm.geometry = carm.geometry.binned(section.get("binning"))
    if "view" in section:
        if angles := section.given(*_ANGLES):
            raise ValueError(f"{section.place(next(iter(angles)))}: must not be given beside view")
        with section.blamed("view"):
            carm.move_to_view(view(section.get("view")))
    return carm


def _objects(scene: Scene, folder: Path) -> dict[str, Any]:
    """Volumes, tools and what a scene knows of them."""
    words = [_words(model) for model in scene.models]
    if any(other != words[0] for other in words):
        raise ValueError("materials must be one model for all volumes to be written in a scene file, got several")
    volumes = dict(zip(_names_of_volumes(scene), scene.volumes, strict=True))
    names = {id(thing): name for name, thing in volumes.items()} | {id(tool): tool.name for tool in scene.solids}
    found: dict[str, Any] = {"volumes": {}, "tools": {}}
    for name, volume in volumes.items():
        if not isinstance(volume, Volume):
            raise TypeError(
                f"a volume must be a deepdrr.Volume to be written in a scene file, got {type(volume).__name__}"
            )
        found["volumes"][name] = volume_fields(volume, folder)
    for tool in _parents_first(scene.solids):
        found["tools"][tool.name] = tool_fields(tool, names, folder)
    if scene.rules:
        found["rules"] = [[*pair, there] for pair, there in scene.rules.items()]
    return found | (words[0] if words else {}) | {"overlap": scene.overlap, "beyond": scene.beyond}


def _names_of_volumes(scene: Scene) -> list[str]:
    """`patient`, `volume_2` …, unlike the names of tools."""
    names, taken = [], [solid.name for solid in scene.solids]
    for n in range(1, len(scene.volumes) + 1):
        name = f"volume_{n}" if n > 1 else "patient"
        while name in taken:
            name += "_"
        names.append(name)
        taken.append(name)
    return names


def _words(model: DensityModel) -> dict[str, Any]:
    """What a scene file says of a material model.

    Raises:
        ValueError: if it says more than its method and the CT's voltage.
    """
    if not isinstance(model, MaterialModel) or any(
        (model.by_label, model.contrast, model.density_factors, model.assume)
    ):
        raise ValueError(f"materials must be a method by name to be written in a scene file, got {model!r}")
    return {"materials": model.method} | ({} if model.ct_kvp is None else {"ct_kvp": model.ct_kvp})


def _parents_first(solids: tuple[object, ...]) -> list[Tool]:
    """The tools, each behind what it hangs on; otherwise in their order, which decides between equal priorities.

    Raises:
        TypeError: for a solid that is no `Tool`.
        ValueError: if these two orders contradict each other.
    """
    found: list[Tool] = []
    for solid in solids:
        if not isinstance(solid, Tool):
            raise TypeError(f"a solid must be a Tool to be written in a scene file, got {type(solid).__name__}")
        if solid.parent in solids and solid.parent not in found:
            raise ValueError(f"a tool must come before what hangs on it to be written in a scene file, got {solid!r}")
        found.append(solid)
    return found
