"""The tree of a mesh: built when first needed, and kept with the mesh, which moves without it."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from deepdrr._kernels import load_kernels
from deepdrr._snapshot import Kept, Snapshot
from deepdrr.tools._mesh import Mesh

__all__ = ["Tree", "tree_of"]

_KEPT = Kept()


class Tree(NamedTuple):
    """Boxes around the faces of a mesh, as `kernels/include/deepdrr/triangles.h` has them.

    Attributes:
        nodes: int32 [N, 8]: six float32 bounds by their bits, first, count.
        corners: float32 [F, 3, 3] from the centre, in the order of the nodes.
        faces: int32 [F], their numbers.
        center: middle of the mesh's box, mm.
    """

    nodes: NDArray[np.int32]
    corners: NDArray[np.float32]
    faces: NDArray[np.int32]
    center: tuple[float, float, float]


def tree_of(mesh: Mesh) -> Tree:
    """The tree of a mesh, built again only if its vertices were written to.

    Raises:
        RuntimeError: if there are no compiled kernels.
    """

    def make() -> Tree:
        kernels: Any = load_kernels()
        return Tree(*kernels.mesh_tree(mesh.vertices.detach().contiguous().numpy(), mesh.faces.numpy()))

    return _KEPT.get(mesh, "tree", Snapshot(mesh.vertices), make)
