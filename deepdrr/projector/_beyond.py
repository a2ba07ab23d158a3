"""What is beyond the faces at which a CT cuts through the body: air, or the body continued."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from deepdrr.raycast import Field

__all__ = ["Beyond", "Continuation", "continuations"]

Beyond: TypeAlias = Literal["air", "repeat", "fade"]

_REPEATED_MM = 400.0  # a view 45° off the axis of a body 400 mm thick leaves it so far beyond the face
_FADED_MM, _FADED_SLICES = 100.0, 10
_BODY_G_CM3, _BODY_SHARE = 0.3, 0.005  # denser than lung at rest; a couch's section is less of a face


@dataclass(frozen=True, eq=False)
class Continuation:
    """Densities beyond a face of a grid.

    Attributes:
        field: the densities, placed with respect to the voxels of the grid.
        own_from_ijk: transform [4, 4] from the voxels of the grid to those of the continuation.
    """

    field: Field
    own_from_ijk: Tensor

    def placed(self, ijk_from_world: Tensor) -> Field:
        """The densities at the place of their grid."""
        return Field(self.field.values, self.own_from_ijk.to(ijk_from_world) @ ijk_from_world)


def continuations(densities: Tensor, spacing_mm: Tensor, beyond: Beyond) -> tuple[Continuation, ...]:
    """The body beyond each face that cuts through it.

    A few thick voxels in the shape of the face's own ones continue it: `"repeat"` with its values for 400 mm, `"fade"`
    with values that fall to nothing over 100 mm.

    Args:
        densities: [M, I, J, K], g/cm³.
        spacing_mm: [3], voxel sizes along the axes of the grid.
        beyond: what is there.
    """
    if beyond == "air":
        return ()
    found = []
    for axis in range(3):
        for end in (0, densities.shape[axis + 1] - 1):
            face = densities.select(axis + 1, end)
            if float((face.detach().sum(dim=0) > _BODY_G_CM3).double().mean()) > _BODY_SHARE:
                found.append(_beyond_face(face, axis, end, float(spacing_mm[axis]), beyond))
    return tuple(found)


def _beyond_face(face: Tensor, axis: int, end: int, spacing_mm: float, beyond: Beyond) -> Continuation:
    slices = 2 if beyond == "repeat" else _FADED_SLICES
    thickness = (_REPEATED_MM if beyond == "repeat" else _FADED_MM) / slices / spacing_mm  # in voxels of the grid
    shares = torch.ones(slices) if beyond == "repeat" else 1 - (torch.arange(slices) + 0.5) / slices
    values = torch.stack([share * face for share in shares.tolist()], dim=axis + 1)
    own_from_ijk = torch.eye(4, dtype=torch.float64)
    outward = -1.0 if end == 0 else 1.0
    border = end + 0.5 * outward
    own_from_ijk[axis, axis] = outward / thickness
    own_from_ijk[axis, 3] = -outward * border / thickness - 0.5
    return Continuation(Field(values, own_from_ijk), own_from_ijk)
