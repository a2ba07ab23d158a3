"""The memory that a kernel works on, and its stream. torch owns both; PyCUDA only launches.

The launcher needs no more than this protocol, so the tests can give it host memory on the software driver.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from torch import Tensor

__all__ = ["Memory", "TorchMemory"]


class Memory(Protocol):
    """The tensors of one device, as a launcher sees them."""

    def stream(self, own: Any, tensors: Sequence[Tensor]) -> Any:
        """A context manager for one launch: gives the PyCUDA stream to launch on, None for the null stream.

        The launch runs after all earlier work on the tensors, and work queued after the block waits for the launch.

        Args:
            own: the launcher's PyCUDA stream, used if PyCUDA cannot address torch's current stream.
            tensors: every tensor that the kernel reads or writes.
        """


class TorchMemory:
    """torch's CUDA tensors, in the order of torch's current stream.

    Args:
        device: their device.
        streams: where streams come from: `torch.cuda`, or something with its `current_stream` and
            `get_stream_from_external`.
    """

    def __init__(self, device: torch.device, streams: Any = torch.cuda) -> None:
        self.device, self._streams = device, streams

    @contextmanager
    def stream(self, own: Any, tensors: Sequence[Tensor]) -> Iterator[Any]:
        """PyCUDA launches only on streams that it made: its stream waits for torch's, and then torch's for it."""
        current = self._streams.current_stream(self.device)
        if current.cuda_stream == 0:
            yield None
            return
        beside = self._streams.get_stream_from_external(own.handle, self.device)
        beside.wait_stream(current)
        yield own
        current.wait_stream(beside)
        for tensor in tensors:
            tensor.record_stream(beside)  # torch must not reuse the memory before the kernel is done with it
