"""What a `Scene` refuses."""

from collections.abc import Sequence

from deepdrr.materials import DensityModel, as_density_model
from deepdrr.projector._body import Body
from deepdrr.tools import PairRules, Solid, displacements

__all__ = ["check_names", "check_rules", "one_each", "sorted_out"]


def one_each(materials: DensityModel | str | Sequence[DensityModel | str], count: int) -> tuple[DensityModel, ...]:
    """A model for each of the volumes.

    Raises:
        TypeError: for what is no model.
        ValueError: for another number of models, or an unknown name.
    """
    if isinstance(materials, Sequence) and not isinstance(materials, str):
        if len(materials) != count:
            raise ValueError(f"materials must be one model, or one for each of {count} volumes, got {len(materials)}")
        return tuple(as_density_model(one) for one in materials)
    return (as_density_model(materials),) * count


def sorted_out(objects: tuple[object, ...]) -> tuple[tuple[Body, ...], tuple[Solid, ...]]:
    """The volumes and the solids among the objects of a scene.

    Raises:
        TypeError: for something else.
        ValueError: for nothing, an object given twice, and two solids of one name.
    """
    if not objects:
        raise ValueError("a Scene needs at least one volume or tool, got none")
    for one in objects:
        if not _is_volume(one) and not isinstance(one, Solid):
            raise TypeError(
                f"volume must be a deepdrr.Volume, or a deepdrr.tools.Tool beside one, got {type(one).__name__}"
            )
    if len({id(one) for one in objects}) < len(objects):
        raise ValueError(f"each volume must be in the scene once, got one of the {len(objects)} twice")
    solids = tuple(one for one in objects if isinstance(one, Solid))
    check_names(solids)
    return tuple(one for one in objects if not isinstance(one, Solid)), solids  # type: ignore[misc]


def check_names(solids: Sequence[Solid]) -> None:
    """Refuse two solids of one name.

    Raises:
        ValueError: with the name.
    """
    names = [solid.name for solid in solids]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ValueError(f"each solid must have a name of its own, got {names.count(twice)} of the name {twice!r}")


def check_rules(rules: PairRules | None, solids: Sequence[Solid]) -> PairRules:
    """Rules for pairs of solids, checked.

    Raises:
        ValueError: for a name that no solid has, or an unknown rule.
    """
    displacements(solids, rules)
    return dict(rules or {})


def _is_volume(one: object) -> bool:
    return all(hasattr(type(one), name) for name in ("hu", "labels", "ijk_from_world"))
