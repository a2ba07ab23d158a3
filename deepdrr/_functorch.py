"""What the transforms of `torch.func` have wrapped around a tensor."""

from collections.abc import Iterator

import torch
from torch import Tensor

__all__ = ["is_mapped", "is_transformed", "untransformed"]


def untransformed(tensor: Tensor) -> Tensor:
    """The numbers below all transforms, without derivatives, for checks of values.

    Axes over which `vmap` maps come first, so those that a function sees are still the last.
    """
    if torch.compiler.is_compiling() or not torch._C._functorch.is_functorch_wrapped_tensor(tensor):
        return tensor.detach()
    from torch._functorch.pyfunctorch import temporarily_clear_interpreter_stack

    axes = []
    for layer in _layers(tensor):
        if torch._C._functorch.is_batchedtensor(layer):
            axes.append(torch._C._functorch.maybe_get_bdim(layer))
        tensor = torch._C._functorch.get_unwrapped(layer)
    with temporarily_clear_interpreter_stack():
        for axis in reversed(axes):
            tensor = tensor.movedim(axis, 0)
        return tensor.detach()


def is_mapped(*tensors: Tensor | None) -> bool:
    """Whether `vmap` maps over one of the tensors, also under other transforms."""
    is_batched = torch._C._functorch.is_batchedtensor
    return any(is_batched(layer) for tensor in tensors if tensor is not None for layer in _layers(tensor))


def is_transformed() -> bool:
    """Whether a transform is at work."""
    return bool(torch._C._are_functorch_transforms_active())


def _layers(tensor: Tensor) -> Iterator[Tensor]:
    """A tensor as each transform has wrapped it, the innermost transform first."""
    while torch._C._functorch.is_functorch_wrapped_tensor(tensor):
        yield tensor
        tensor = torch._C._functorch.get_unwrapped(tensor)
