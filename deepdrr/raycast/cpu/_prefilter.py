"""The B-spline prefilter by the compiled kernels, in place."""

from typing import Any

import torch
from torch import Tensor

from deepdrr.raycast.layout._memory_order import memory_order

__all__ = ["prefilter"]


def prefilter(kernels: Any, grids: Tensor, transposed: bool) -> None:
    """Replace values [..., I, J, K], float32 and dense along one of I, J and K, by their coefficients."""
    order = memory_order(grids)
    placed = grids.permute(*range(grids.dim() - 3), *(axis - 3 for axis in order))
    array = placed.reshape(-1, *placed.shape[-3:])  # a view: the leading axes are evenly spaced
    kernels.prefilter(array.numpy(), transposed, torch.get_num_threads())
