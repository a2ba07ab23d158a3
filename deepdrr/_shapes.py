"""Shapes of tensors that broadcast."""

from collections.abc import Sequence
from itertools import zip_longest

import torch

__all__ = ["broadcast_shapes"]


def broadcast_shapes(*shapes: Sequence[int]) -> torch.Size:
    """The shape that tensors of these shapes broadcast to.

    As `torch.broadcast_shapes`, whose first call imports sympy, which takes more than a second of every new process.

    Raises:
        RuntimeError: if the shapes do not broadcast, as torch does.

    Example:
        >>> broadcast_shapes((2, 1), (3,), ())
        torch.Size([2, 3])
    """
    sizes = []
    for column in zip_longest(*(reversed(shape) for shape in shapes), fillvalue=1):
        wide = [size for size in column if size != 1]
        if any(size != wide[0] for size in wide):
            raise RuntimeError(f"shapes must broadcast, got {', '.join(str(tuple(shape)) for shape in shapes)}")
        sizes.append(wide[0] if wide else 1)
    return torch.Size(reversed(sizes))
