"""Crossings by the compiled kernels of the CPU, on as many threads as torch is set to use."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from deepdrr._kernels import load_kernels
from deepdrr.tools._mesh import Mesh
from deepdrr.tools.crossings._lines import Lines
from deepdrr.tools.crossings._tree import tree_of

__all__ = ["crossings_by_cpu"]

_UNLIMITED = (np.zeros((1, 1, 1)), np.ones((1, 1, 1)))


def crossings_by_cpu(
    meshes: Sequence[Mesh], mesh_from_world: Tensor, lines: Lines, windows: Tensor, build: str | None = None
) -> tuple[Tensor, ...]:
    """Number of the ray, the mesh and the face, change of the winding number and t, of N crossings [N] each.

    Args:
        meshes: T meshes.
        mesh_from_world: [T, 4, 4], float64.
        lines: the rays.
        windows: pixels to look at [B, T, 4], see `windows`.
        build: name of a build of the kernels; None for the fastest.
    """
    kernels: Any = load_kernels(build)
    ends = [end.cpu().numpy() for end in (*lines.source, *lines.target)]
    rays = kernels.Rays(lines.count, *ends, *_UNLIMITED)
    given = [(mesh.vertices.detach().contiguous().numpy(), mesh.faces.numpy(), tree_of(mesh)) for mesh in meshes]
    found = kernels.mesh_crossings(
        given, mesh_from_world.contiguous().numpy(), rays, windows.contiguous().numpy(), torch.get_num_threads()
    )
    return tuple(torch.from_numpy(array) for array in found)
