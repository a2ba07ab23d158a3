"""`Body`: a CT in the room, as a scene sees it."""

from typing import Protocol

from torch import Tensor

from deepdrr.data import Source

__all__ = ["Body"]


class Body(Protocol):
    """A CT that stands in the room; a `deepdrr.data.Volume` is one.

    A body may stand for another object: its `owner` is then the object whose densities are kept, and `watched` are the
    tensors from which they are computed.
    """

    @property
    def hu(self) -> Tensor:
        """Hounsfield units [I, J, K]."""

    @property
    def labels(self) -> Tensor | None:
        """Label of each voxel [I, J, K], 0 for background, or None."""

    @property
    def label_names(self) -> dict[int, str]:
        """Names of labels."""

    @property
    def source(self) -> Source:
        """Origin of the scan."""

    @property
    def ijk_from_world(self) -> Tensor:
        """Affine transform [4, 4] from the room, mm, to voxel indices."""

    @property
    def center_in_world(self) -> Tensor:
        """Centre of the grid [3], mm."""
