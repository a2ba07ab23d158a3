"""A GPU that torch does not have: tensors of the host that say they are on `cuda:0` and refuse to meet others.

What a program does with the devices of its tensors can be tested so where torch has no CUDA: inside a `PretendGpu`
block, `.to("cuda")` and `device="cuda"` mark a tensor, results of marked tensors are marked, and an operation of marked
and unmarked tensors fails as it does in torch. Operators of `torch.library` are called on the host's tensors.
"""

from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map

__all__ = ["PretendGpu"]

GPU, HOST = torch.device("cuda", 0), torch.device("cpu")
# Moves and look-ups; torch lets both kinds of tensors meet in them.
_CROSSINGS = {"copy_", "__getitem__", "grad", "backward", "__deepcopy__"}


class _Marked(torch.Tensor):
    """A tensor that is said to be on the GPU."""


class PretendGpu(TorchFunctionMode):
    """Inside, the host has a device `cuda:0`."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        name = getattr(func, "__name__", "")
        if func == Tensor.device.__get__:  # type: ignore[attr-defined]
            return GPU if isinstance(args[0], _Marked) else HOST
        if name in ("to", "cpu", "cuda") and isinstance(args[0], Tensor):
            return _moved(func, name, args, kwargs)
        if name in ("numpy", "__array__") and isinstance(args[0], _Marked):
            raise TypeError(f"{name}: the tensor is on {GPU}, not on the host")
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        there = any(isinstance(tensor, _Marked) for tensor in tensors)
        if there and name not in _CROSSINGS:
            stray = [t for t in tensors if not isinstance(t, _Marked) and t.dim() > 0]
            assert not stray, (
                f"{name}: expected all tensors on {GPU}, found one of shape {tuple(stray[0].shape)} on the host"
            )
        device = kwargs.pop("device", None)
        if device is not None:
            there = torch.device(device).type == "cuda"
        with torch._C.DisableTorchFunctionSubclass():
            found = func(*args, **kwargs)
        return tree_map(_marked, found) if there and not isinstance(found, torch.Size) else found


def _moved(func: Any, name: str, args: Any, kwargs: dict[str, Any]) -> Any:
    """`Tensor.to`, `cpu` and `cuda`, whose device is taken out of the arguments."""
    tensor, rest = args[0], list(args[1:])
    like = [a for a in rest if isinstance(a, Tensor)]
    named = [a for a in (*rest, kwargs.pop("device", None)) if isinstance(a, torch.device | str)]
    here = GPU if isinstance(tensor, _Marked) else HOST
    device = {"cpu": HOST, "cuda": GPU}.get(name, here)
    if like:
        device = GPU if isinstance(like[0], _Marked) else HOST
    elif named:
        device = torch.device(named[0])
    rest = [a.dtype if isinstance(a, Tensor) else a for a in rest if not isinstance(a, torch.device | str)]
    with torch._C.DisableTorchFunctionSubclass():
        changed = func(tensor, *rest, **kwargs) if rest or kwargs else tensor
        if changed is tensor and device.type == here.type:
            return tensor
        if changed is tensor:
            changed = tensor.clone()
        return changed.as_subclass(_Marked if device.type == "cuda" else Tensor)


def _marked(leaf: Any) -> Any:
    return leaf.as_subclass(_Marked) if isinstance(leaf, Tensor) and not isinstance(leaf, _Marked) else leaf
