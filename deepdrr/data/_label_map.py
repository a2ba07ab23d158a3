"""`LabelMap`: labels with a grid of their own."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray
from torch import Tensor

from deepdrr.geometry import ArrayLike

__all__ = ["LabelMap"]


@dataclass(frozen=True, eq=False)
class LabelMap:
    """A label map in memory with a grid of its own.

    Attributes:
        values: labels ≥ 0, 0 for background, [I', J', K'].
        anatomical_from_ijk: affine from its voxel centres to RAS mm, [4, 4].
        names: label → name, where they are known.
    """

    values: Tensor | NDArray[Any]
    anatomical_from_ijk: ArrayLike
    names: Mapping[int, str] = field(default_factory=dict)
