"""Where the channels of an arranged field hold nothing, so that the compiled kernels need not read them there.

Materials share a volume: where there is one there are few others, and most blocks of most channels are zero. A map of
the blocks is made when values are projected for the second time, and lives as long as their memory. It stands for the
values of that moment: torch counts the writes to a tensor, and after another one the values are read in full until they
have been projected twice again. Only memory that `arranged` has filled is mapped: others may write to the rest unseen.
"""

from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from deepdrr._kernels import load_kernels
from deepdrr.raycast._layout import memory_order

__all__ = ["filled_blocks", "watch_blocks"]


@dataclass(frozen=True)
class _Seen:
    """Values that were projected: where they lie, how many writes there had been, their map once it is made."""

    place: tuple[object, ...] = ()
    writes: int = -1
    blocks: Any | None = None


_WATCHED: WeakKeyDictionary[torch.UntypedStorage, _Seen] = WeakKeyDictionary()


def watch_blocks(values: Tensor) -> None:
    """Let values [C, I, J, K], a copy that nobody else holds, be mapped. One channel has nothing to gain."""
    if values.device.type == "cpu" and len(values) > 1 and not values.is_inference():
        _WATCHED[values.untyped_storage()] = _Seen()


def filled_blocks(values: Tensor) -> Any | None:
    """The map of watched values as the kernels take it, None where there is none (yet).

    Args:
        values: [C, I, J, K] that the kernels can read in place.
    """
    seen = None if len(values) == 1 or values.is_inference() else _WATCHED.get(values.untyped_storage())
    if seen is None:
        return None
    place = (values.storage_offset(), values.shape, values.stride(), values.dtype)
    if (seen.place, seen.writes) != (place, values._version):
        _WATCHED[values.untyped_storage()] = _Seen(place, values._version)
        return None
    if seen.blocks is None:
        _WATCHED[values.untyped_storage()] = seen = _Seen(place, values._version, _made(values))
    return seen.blocks


def _made(values: Tensor) -> Any:
    placed = values.detach().permute(0, *(1 + axis for axis in memory_order(values)))
    return load_kernels().filled_blocks(placed.numpy(), torch.get_num_threads())
