"""The description of a volume in one line, its `repr`."""

from collections.abc import Mapping
from itertools import permutations

import torch
from torch import Tensor

from deepdrr.data._placement import PlacedGrid

__all__ = ["axes_code", "describe"]

_LONGEST_TABLE = 2**16
_TOWARD = ("RL", "AP", "SI")


def axes_code(anatomical_from_ijk: Tensor) -> str:
    """Toward which side of the patient the axes i, j, k run, to the nearest: `"LPS"`, `"RAS"` …

    Args:
        anatomical_from_ijk: affine to RAS mm [4, 4].
    """
    cosines = anatomical_from_ijk[:3, :3] / anatomical_from_ijk[:3, :3].norm(dim=0)
    best = max(permutations(range(3)), key=lambda p: sum(float(cosines[a, n].abs()) for n, a in enumerate(p)))
    return "".join(_TOWARD[axis][int(cosines[axis, n] < 0)] for n, axis in enumerate(best))


def describe(grid: PlacedGrid, hu: Tensor, labels: Tensor | None, names: Mapping[int, str]) -> str:
    """Grid, frame, HU range, labels, landmarks and place in the room."""
    low, high = torch.aminmax(hu)
    parts = [
        f"{'×'.join(map(str, grid.shape))} voxels of {'×'.join(f'{s:.4g}' for s in grid.spacing_mm)} mm",
        f"axes {axes_code(grid.anatomical_from_ijk)}",
        f"HU {float(low):.0f} to {float(high):.0f}",
    ]
    if labels is not None:
        present = _present(labels)
        parts.append(f"{len(present)} labels, {len(present & names.keys())} of them named")
    if grid.landmarks:
        parts.append(f"{len(grid.landmarks)} landmarks")
    parts.append(f"centre at ({', '.join(f'{c:.1f}' for c in grid.center_in_world.tolist())}) mm in the room")
    return ", ".join(parts)


def _present(labels: Tensor) -> set[int]:
    """Labels other than 0 that have voxels; slice by slice, which needs no copy of the map."""
    highest = int(labels.max())
    if highest > _LONGEST_TABLE:
        return set(torch.unique(labels).tolist()) - {0}
    counts = torch.zeros(highest + 1, dtype=torch.long)
    for plane in labels:
        counts += torch.bincount(plane.flatten().int(), minlength=len(counts))
    return set(counts.nonzero()[:, 0].tolist()) - {0}
