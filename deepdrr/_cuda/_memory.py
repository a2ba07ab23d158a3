"""Whose memory a kernel works on, and on which stream. torch owns both; PyCUDA only launches.

The launcher asks for no more than this, so that the tests can give it host memory on the software driver.
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

        Work queued on the tensors before is finished when the launch runs, and what comes after the block waits for it.

        Args:
            own: a PyCUDA stream of the launcher's, to launch on where torch's current stream cannot be named.
            tensors: all that the kernel reads or writes.
        """


class TorchMemory:
    """torch's CUDA tensors, in the order of torch's current stream."""

    def __init__(self, device: torch.device) -> None:
        self.device = device

    @contextmanager
    def stream(self, own: Any, tensors: Sequence[Tensor]) -> Iterator[Any]:
        """PyCUDA cannot launch on a stream it did not make: its own comes after torch's, and torch's after it."""
        current = torch.cuda.current_stream(self.device)
        if current.cuda_stream == 0:
            yield None
            return
        beside = torch.cuda.get_stream_from_external(own.handle, self.device)
        beside.wait_stream(current)
        yield own
        current.wait_stream(beside)
        for tensor in tensors:
            tensor.record_stream(beside)  # torch must not reuse the memory before the kernel is done with it
