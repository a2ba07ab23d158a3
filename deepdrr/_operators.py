"""Helpers for operators registered with torch: registration, derivatives, and a rule for `vmap`.

Autograd needs an operator's formulas in two places. `torch.library` holds them for `torch.compile` and for callers of
`torch.ops`, but `torch.func` cannot differentiate operators registered there: `torch.func` and eager mode need an
`autograd.Function`. `differentiable` gives the same formulas to both.
"""

from collections.abc import Callable
from typing import Any, NoReturn

import torch
from torch import Tensor
from torch.autograd import Function

__all__ = ["Operator", "differentiable", "followed", "one_by_one", "operator", "save_nothing", "watched"]


class Operator:
    """A function that torch knows as `torch.ops.deepdrr.<name>`.

    A call goes through torch only where something has to see it: torch's first call of any such operator imports its
    compiler, seconds of every new process.

    Attributes:
        registered: the operator of torch.
        compute: the function itself, which must not write to its arguments nor need autograd.
    """

    def __init__(self, name: str, schema: str, compute: Callable[..., Any]) -> None:
        self.name = name
        self.registered: Any = torch.library.custom_op(f"deepdrr::{name}", mutates_args=(), schema=schema)(compute)
        self.compute = compute

    def __call__(self, *inputs: Any) -> Any:
        return self.registered(*inputs) if watched() else self.compute(*inputs)


def operator(name: str, schema: str) -> Callable[[Callable[..., Any]], Operator]:
    """Register a function as `torch.ops.deepdrr.<name>`; the function must not write to its arguments."""
    return lambda compute: Operator(name, schema, compute)


def differentiable(
    op: Operator,
    fake: Callable[..., Any],
    save: Callable[..., None],
    pull_back: Callable[..., Any],
    batched: Callable[..., tuple[Any, Any]] | None = None,
    push_forward: Callable[..., Any] | None = None,
) -> Callable[..., Any]:
    """Give an operator its derivative, and return the function to call in its place.

    Args:
        op: an operator made by `operator`.
        fake: `fake(*inputs)`, empty results of the right shape, dtype and strides.
        save: `save(ctx, inputs, output)` keeps what the derivative needs.
        pull_back: `pull_back(ctx, *upstream)`, a gradient or None for every input. To be differentiable itself, it
            calls functions that `differentiable` returned for other operators.
        batched: a rule for `vmap`; None calls the operator once per element.
        push_forward: `push_forward(ctx, *tangents)`, the tangents of the results, for `torch.func.jvp`; a tangent is
            None for an input that does not change. None: there is no derivative in forward mode, and a call says so.

    Returns:
        A function of the operator's inputs: the operator where `torch.compile` traces it, an `autograd.Function` of the
        same formulas in eager mode and under `torch.func`.
    """
    op.registered.register_fake(fake)
    op.registered.register_autograd(pull_back, setup_context=save)
    op.registered.register_vmap(batched or one_by_one(op))
    formulas: dict[str, Callable[..., Any]] = {"forward": op, "setup_context": save, "backward": pull_back}
    formulas["jvp"] = push_forward or _no_tangents(op)
    parts = {"generate_vmap_rule": True, **{name: staticmethod(formula) for name, formula in formulas.items()}}
    function: Any = type(f"Differentiable_{op.name}", (Function,), parts)

    def call(*inputs: Any) -> Any:
        return op.registered(*inputs) if torch.compiler.is_compiling() else function.apply(*inputs)

    return call


def _no_tangents(op: Operator) -> Callable[..., Any]:
    def refuse(ctx: Any, *tangents: Any) -> NoReturn:
        raise NotImplementedError(
            f"{op.name} has no derivative in forward mode (torch.func.jvp and jacfwd, also of a gradient): take "
            'torch.func.vjp or jacrev, or backend="reference", which has derivatives of any order'
        )

    return refuse


def save_nothing(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    """For an operator whose derivative needs nothing, or that has none."""


def watched() -> bool:
    """Whether more than eager autograd records torch's calls: a compiler, a transform of `torch.func`, a mode.

    It has to see an operator; otherwise a result that needs no gradient can be computed directly.
    """
    if torch.compiler.is_compiling() or torch.autograd.forward_ad._current_level >= 0:
        return True
    return bool(torch._C._are_functorch_transforms_active() or torch._C._len_torch_dispatch_stack())


def followed(*inputs: Tensor) -> bool:
    """Whether a call with these inputs is recorded: by autograd, or by what `watched` detects."""
    return watched() or (torch.is_grad_enabled() and any(tensor.requires_grad for tensor in inputs))


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
