"""All that is marked in a scene, in the room."""

from deepdrr.data import Annotations, Markup, Point, Volume
from deepdrr.projector import Scene

__all__ = ["annotations_in_room"]


def annotations_in_room(scene: Scene) -> Annotations:
    """The annotations of all volumes and the key points of all tools, at their current places.

    Args:
        scene: the objects in the beam, such as `projector.scene`.

    Returns:
        In world mm: those of volumes under their names, key points as `"wire.tip"`.

    Raises:
        ValueError: if two have a name.
    """
    markups: list[Markup] = []
    for volume in scene.volumes:
        if isinstance(volume, Volume):
            markups += volume.annotations.moved(volume.world_from_anatomical).values()
    for tool in scene.solids:
        places = Annotations(Point(f"{tool.name}.{name}", p) for name, p in getattr(tool, "key_points", {}).items())
        markups += places.moved(tool.world_from_tool.detach()).values()
    return Annotations(markups)
