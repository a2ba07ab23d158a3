"""What a `Scene` refuses."""

from collections.abc import Sequence

from deepdrr.materials import DensityModel, as_density_model

__all__ = ["check_volumes", "one_each"]


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


def check_volumes(volumes: tuple[object, ...]) -> None:
    """Refuse no volume, something else than a volume, and one volume twice."""
    if not volumes:
        raise ValueError("a Scene needs at least one volume, got none")
    for volume in volumes:
        if not all(hasattr(type(volume), name) for name in ("hu", "labels", "ijk_from_world")):
            raise TypeError(f"volume must be a deepdrr.Volume, got {type(volume).__name__}")
    if len({id(volume) for volume in volumes}) < len(volumes):
        raise ValueError(f"each volume must be in the scene once, got one of the {len(volumes)} twice")
