"""`occupancy`: what is where along rays that cross solids, by the kernel of the CPU or by torch."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deepdrr._kernels import load_kernels, reason_not_loaded
from deepdrr.tools._intervals import inside, parts_between
from deepdrr.tools._overlap import Occupancy, settle
from deepdrr.tools.crossings._cross import Crossings

__all__ = ["occupancy"]

_MOST_SOLIDS = 64  # that the kernel has bits for


def occupancy(crossings: Crossings, displaces: Tensor) -> Occupancy:
    """What is where along rays: the parts in which each solid is there, and those without anatomy.

    The same as `settle(inside(crossings), displaces)`, in the order of the rays.

    Args:
        crossings: where the rays cross the surfaces of solids, see `cross`.
        displaces: which solid displaces what [T, T + 1], see `displacements`.
    """
    of_kernel = crossings.ray.device.type == "cpu" and crossings.solids <= _MOST_SOLIDS
    if not of_kernel or reason_not_loaded() is not None:
        return settle(inside(crossings), displaces)
    kernels: Any = load_kernels()
    arrays = (crossings.ray, crossings.solid, crossings.winding, crossings.t.detach())
    solid, *ends = kernels.mesh_parts(*(array.numpy() for array in arrays), _bits(displaces), torch.get_num_threads())
    first, last, empty_first, empty_last = (torch.from_numpy(end) for end in ends)
    none = torch.zeros(len(empty_first), dtype=torch.int64)
    return Occupancy(
        parts_between(crossings, torch.from_numpy(solid).long(), first, last),
        parts_between(crossings, none, empty_first, empty_last),
    )


def _bits(displaces: Tensor) -> NDArray[np.uint64]:
    """For each solid and the anatomy, a bit for each solid that displaces it [T + 1]."""
    powers = np.uint64(1) << np.arange(len(displaces), dtype=np.uint64)
    bits: NDArray[np.uint64] = (displaces.T.numpy() * powers).sum(axis=1, dtype=np.uint64)
    return bits
