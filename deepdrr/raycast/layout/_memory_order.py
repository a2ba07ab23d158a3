"""The order of voxels in memory for the compiled kernels, and tensors in that order.

The kernels read channels of a grid [a, b, c] whose axes are i, j and k in any order. c is the fastest: the voxels of a
row (along c) are contiguous; rows, planes and channels may have any stride. The time depends on the number of cache
lines that neighbouring rays touch. It is smallest if a line covers few millimetres, so the axis of the finest spacing
is the fastest. Rows whose length is a power of two would all map to the same few sets of the cache, so rows and planes
are padded to an odd number of lines.
"""

import mmap
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

__all__ = [
    "copy_by_planes",
    "empty_placed",
    "lie_alike",
    "lies_well",
    "memory_order",
    "ordered",
    "placed",
    "placed_strides",
    "readable_in_place",
    "rows_are_dense",
    "zeros",
]

_HOST = torch.device("cpu")
_LINE_BYTES = 64
# Shorter rows are not padded: the padding would be a large part of them.
_SHORTEST_PADDED_ROW = 8 * _LINE_BYTES
# A shorter axis does not become the fastest, whatever its spacing: its rows would be mostly padding and edges.
_SHORTEST_ROW = 16
# Below this size, a huge page would be mostly empty.
_SMALLEST_ON_HUGE_PAGES = 2**24


def memory_order(values: Tensor) -> tuple[int, int, int]:
    """The axes (0, 1, 2) of a grid [..., I, J, K] from the slowest to the fastest in memory."""
    strides = values.stride()[-3:]
    slow_first = sorted(range(3), key=lambda axis: (-strides[axis], axis))
    return slow_first[0], slow_first[1], slow_first[2]


def readable_in_place(values: Tensor) -> bool:
    """Whether the kernels can read values [C, I, J, K] in place."""
    forward = len(values) == 1 or values.stride(0) > 0
    return values.dtype in (torch.float32, torch.int16) and rows_are_dense(values[0]) and forward


def rows_are_dense(grid: Tensor) -> bool:
    """Whether the voxels of a grid [I, J, K] are contiguous along one axis, and rows and planes do not overlap."""
    shape, strides = grid.shape, grid.stride()
    order = memory_order(grid)
    # The stride of an axis of length 1 is never used, so torch may report anything for it.
    used = [(shape[axis], strides[axis]) for axis in order if shape[axis] > 1]
    dense = shape[order[2]] == 1 or strides[order[2]] == 1
    return dense and all(slow >= n * fast for (_, slow), (n, fast) in pairwise(used))


def lie_alike(labels: Tensor, values: Tensor) -> bool:
    """Whether labels [I, J, K] have the strides of values [1, I, J, K]."""
    return all(n == 1 or a == b for n, a, b in zip(labels.shape, labels.stride(), values.stride()[1:], strict=True))


def lies_well(values: Tensor, spacing: Sequence[float]) -> bool:
    """Whether values [C, I, J, K] are laid out as by `placed`."""
    wanted = placed_strides(values.shape, spacing, values.element_size())
    same = all(n == 1 or a == b for n, a, b in zip(values.shape, values.stride(), wanted, strict=True))
    return same and readable_in_place(values)


def placed(values: Tensor, spacing: Sequence[float], dtype: torch.dtype) -> Tensor:
    """A copy of values [C, I, J, K] in the layout that the kernels read fastest, without a gradient.

    Args:
        values: any real dtype and strides.
        spacing: distances between voxels along I, J and K, mm.
        dtype: float32 or int16.
    """
    into = empty_placed(values.shape, spacing, dtype, values.device)
    if values.device.type != "cpu":
        return into.copy_(values.detach())
    copy_by_planes(values.detach(), into)
    return into


def copy_by_planes(values: Tensor, into: Tensor) -> None:
    """Fill a grid [C, I, J, K] with values [C, I, J, K] that may have another memory order.

    The copy goes by planes that contain the fastest axes of both: torch transposes such a plane within the cache; for a
    whole grid at once it takes six times as long.
    """
    fastest = {memory_order(values)[2], memory_order(into)[2]}
    across = next(axis for axis in memory_order(into) if axis not in fastest)
    for plane, plane_into in zip(values.unbind(1 + across), into.unbind(1 + across), strict=True):
        plane_into.copy_(plane)


def empty_placed(
    shape: Sequence[int], spacing: Sequence[float], dtype: torch.dtype, device: torch.device = _HOST
) -> Tensor:
    """Zeros [C, I, J, K] in the layout that the kernels read fastest."""
    strides = placed_strides(shape, spacing, dtype.itemsize)
    numbers = shape[0] * strides[0]
    flat = zeros(numbers, dtype) if device.type == "cpu" else torch.zeros(numbers, dtype=dtype, device=device)
    return flat.as_strided(shape, strides)


def ordered(grid: Tensor, dtype: torch.dtype, spacing: Sequence[float]) -> Tensor:
    """A grid [..., I, J, K] in a dtype, unpadded, with the axis of the finest spacing fastest; itself if it is so."""
    lead = grid.dim() - 3
    order = [*range(lead), *(lead + axis for axis in _best_order(grid.shape[lead:], spacing))]
    dense = grid.detach().to(dtype).permute(order)
    if grid.dtype == dtype and dense.is_contiguous():
        return grid
    return dense.contiguous().permute([order.index(axis) for axis in range(grid.dim())])


def placed_strides(shape: Sequence[int], spacing: Sequence[float], size: int) -> tuple[int, int, int, int]:
    """Strides of the channels and of the voxels along I, J and K, for `placed` numbers of `size` bytes."""
    _, *grid = shape
    slow, middle, fast = _best_order(grid, spacing)
    stride = dict.fromkeys(range(3), 1)
    stride[middle] = _padded(grid[fast], size)
    stride[slow] = _padded(grid[middle] * stride[middle], size)
    return _padded(grid[slow] * stride[slow], size), stride[0], stride[1], stride[2]


def _best_order(shape: Sequence[int], spacing: Sequence[float]) -> tuple[int, int, int]:
    """Axes from slowest to fastest: the finest spacing is the fastest; of spacings equal to a nanometre, the first."""
    finest = [-round(edge, 6) for edge in spacing]  # a rotated volume gets the same order in spite of rounding
    slow_first = sorted(range(3), key=lambda axis: (bool(shape[axis] >= _SHORTEST_ROW), finest[axis], -axis))
    return slow_first[0], slow_first[1], slow_first[2]


def _padded(numbers: int, size: int) -> int:
    """Length of a row, a plane or a channel, padded to an odd number of cache lines if it is long."""
    per_line = _LINE_BYTES // size
    if numbers * size < _SHORTEST_PADDED_ROW:
        return numbers
    return per_line * (-(-numbers // per_line) | 1)


def zeros(numbers: int, dtype: torch.dtype) -> Tensor:
    """Zeros on the host; large ones use huge pages if the system has them, because rays jump from page to page."""
    if dtype.itemsize * numbers < _SMALLEST_ON_HUGE_PAGES or not hasattr(mmap, "MADV_HUGEPAGE"):
        return torch.zeros(numbers, dtype=dtype)
    memory = mmap.mmap(-1, dtype.itemsize * numbers, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory.madvise(mmap.MADV_HUGEPAGE)
    return torch.frombuffer(memory, dtype=dtype)
