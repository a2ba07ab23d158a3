"""Scene files: volumes, tools, C-arm and technique in one YAML text."""

from deepdrr.projector.scene_file._places import PLACES, place_tool
from deepdrr.projector.scene_file._scene_file import read_scene, write_scene
from deepdrr.projector.scene_file._section import Section

__all__ = ["PLACES", "Section", "place_tool", "read_scene", "write_scene"]
