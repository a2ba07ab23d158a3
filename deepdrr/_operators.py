"""What operators registered with torch share."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

__all__ = ["apply", "one_by_one", "operator", "watched"]


def operator(name: str, schema: str) -> Callable[[Callable[..., Any]], Any]:
    """Registers a function as `torch.ops.deepdrr.<name>`; it writes to none of its arguments."""
    return torch.library.custom_op(f"deepdrr::{name}", mutates_args=(), schema=schema)


def watched() -> bool:
    """Whether more than eager autograd follows torch's calls: a compiler, a transform of `torch.func`, a mode.

    It has to be shown an operator; otherwise what has no gradient can be computed at once.
    """
    if torch.compiler.is_compiling() or torch.autograd.forward_ad._current_level >= 0:
        return True
    return bool(torch._C._are_functorch_transforms_active() or torch._C._len_torch_dispatch_stack())


def apply(function: Any, *arguments: Any) -> Any:
    """`function.apply`, which torch leaves without types."""
    return function.apply(*arguments)


def one_by_one(called: Any) -> Callable[..., tuple[Any, Any]]:
    """A rule for `vmap`: the operator is called once per element of the mapped axis."""

    def batched(info: Any, in_dims: tuple[Any, ...], *arguments: Any) -> tuple[Any, Any]:
        results = [
            called(*(a.select(d, i) if isinstance(d, int) else a for a, d in zip(arguments, in_dims, strict=True)))
            for i in range(info.batch_size)
        ]
        if isinstance(results[0], Tensor):
            return torch.stack(results), 0
        return tuple(map(torch.stack, zip(*results, strict=True))), (0,) * len(results[0])

    return batched
