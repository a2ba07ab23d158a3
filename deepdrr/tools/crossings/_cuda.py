"""Crossings by the CUDA kernels (`kernels/cuda/mesh_crossings.cu`), in place on torch's tensors."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from deepdrr._cuda import launcher, reason_against_device
from deepdrr._snapshot import Kept, Snapshot
from deepdrr.tools._mesh import Mesh
from deepdrr.tools.crossings._lines import Lines
from deepdrr.tools.crossings._tree import tree_of

__all__ = ["CROSSING_JOB", "DEVICE_MESH", "crossings_by_cuda", "cuda_crosses"]

_STRIDED = np.dtype([("data", "u8"), ("view", "i8"), ("row", "i8"), ("column", "i8")], align=True)
DEVICE_MESH = np.dtype(
    [
        *((name, "u8") for name in ("nodes", "corners", "faces", "vertices", "triples")),
        ("center", "f8", 3),
        ("mesh_from_world", "f8", (3, 4)),
    ],
    align=True,
)
CROSSING_JOB = np.dtype(
    [
        *((name, _STRIDED) for name in ("source", "source_too", "target", "target_too")),
        ("meshes", "u8"),
        ("windows", "u8"),
        *((name, "i4") for name in ("count", "views", "height", "width")),
        *((name, "u8") for name in ("counts", "first", "mesh", "face", "winding", "t")),
    ],
    align=True,
)
_BLOCK_WIDTH, _BLOCK_HEIGHT = 16, 8
_MOST_VIEWS = 65535  # blocks along z

_KEPT = Kept()


def cuda_crosses(device: torch.device) -> bool:
    """Whether the CUDA kernels serve a device."""
    return reason_against_device(device) is None


def crossings_by_cuda(
    meshes: Sequence[Mesh], mesh_from_world: Tensor, lines: Lines, windows: Tensor
) -> tuple[Tensor, ...]:
    """Number of the ray, the mesh and the face, change of the winding number and t, of N crossings [N] each.

    The arguments are those of `crossings_by_cpu`, the rays on the device. Crossings follow each other by ray, mesh and
    place.
    """
    views, height, width = lines.count
    device = lines.source[0].device
    if views > _MOST_VIEWS:
        raise ValueError(f"view must have at most {_MOST_VIEWS} views for meshes on a GPU, got {views}")
    job, kept = _job(meshes, mesh_from_world, lines, windows)
    grid = -(-width // _BLOCK_WIDTH), -(-height // _BLOCK_HEIGHT), views
    run, threads = launcher(device), _BLOCK_WIDTH * _BLOCK_HEIGHT
    counts = torch.empty(views * height * width, dtype=torch.int32, device=device)
    job["counts"] = counts.data_ptr()
    run.launch("count_crossings", grid, threads, job, [*kept, counts])
    ends = counts.cumsum(dim=0, dtype=torch.int64)
    first = ends - counts
    found = _room(int(ends[-1]), device)
    for name, tensor in zip(("first", "mesh", "face", "winding", "t"), (first, *found[1:]), strict=True):
        job[name] = tensor.data_ptr()
    run.launch("write_crossings", grid, threads, job, [*kept, first, *found[1:]])
    ray = torch.repeat_interleave(torch.arange(len(counts), device=device), counts, output_size=len(found[0]))
    return ray, *found[1:]


def _room(count: int, device: torch.device) -> tuple[Tensor, ...]:
    types = (torch.int64, torch.int32, torch.int32, torch.int8, torch.float64)
    return tuple(torch.empty(count, dtype=dtype, device=device) for dtype in types)


def _job(
    meshes: Sequence[Mesh], mesh_from_world: Tensor, lines: Lines, windows: Tensor
) -> tuple["np.ndarray[tuple[()], np.dtype[np.void]]", list[Tensor]]:
    """The struct of the kernels without results, and the tensors that it points to."""
    device = lines.source[0].device
    table = np.zeros(len(meshes), DEVICE_MESH)
    kept: list[Tensor] = []
    for row, mesh, matrix in zip(table, meshes, mesh_from_world, strict=True):
        tensors = _on_device(mesh, device)
        for name, tensor in zip(("nodes", "corners", "faces", "vertices", "triples"), tensors, strict=True):
            row[name] = tensor.data_ptr()
        row["center"], row["mesh_from_world"] = tree_of(mesh).center, matrix[:3].numpy()
        kept += tensors
    given = torch.from_numpy(table.view(np.uint8)).to(device), windows.contiguous().to(device)
    job = np.zeros((), CROSSING_JOB)
    for name, end in zip(("source", "source_too", "target", "target_too"), (*lines.source, *lines.target), strict=True):
        whole = end.expand(*lines.count, 3)
        job[name] = (whole.data_ptr(), *whole.stride()[:3])
        kept.append(end)
    job["meshes"], job["windows"], job["count"] = given[0].data_ptr(), given[1].data_ptr(), len(meshes)
    job["views"], job["height"], job["width"] = lines.count
    return job, [*kept, *given]


def _on_device(mesh: Mesh, device: torch.device) -> tuple[Tensor, ...]:
    """Nodes, corners, faces, vertices and triples of a mesh on a device, kept there."""

    def make() -> tuple[Tensor, ...]:
        tree = tree_of(mesh)
        arrays = (torch.from_numpy(array) for array in (tree.nodes, tree.corners, tree.faces))
        return tuple(t.to(device).contiguous() for t in (*arrays, mesh.vertices.detach(), mesh.faces))

    return _KEPT.get(mesh, str(device), Snapshot(mesh.vertices), make)
