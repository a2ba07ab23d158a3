"""Positions keep full precision, whatever precision the network around them uses."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import torch
from torch import Tensor

__all__ = ["finest_dtype", "full_precision", "in_double", "not_halved", "single_or_double"]

WITHOUT_DOUBLE = {"mps"}  # device types that have no double precision: Apple's GPUs

P = ParamSpec("P")
R = TypeVar("R")


def full_precision(function: Callable[P, R]) -> Callable[P, R]:
    """A function that autocast leaves alone: in bfloat16 a source 850 mm away would be off by millimetres."""

    @wraps(function)
    def precise(*args: P.args, **kwargs: P.kwargs) -> R:
        tensors = (value for value in (*args, *kwargs.values()) if isinstance(value, Tensor))
        device = next((tensor.device.type for tensor in tensors), "cpu")
        if not _autocasts(device):
            return function(*args, **kwargs)
        with torch.autocast(device, enabled=False):
            return function(*args, **kwargs)

    return precise


def _autocasts(device: str) -> bool:
    """Whether autocast is on for a type of device; some have none.

    torch 2.11's compiler cannot trace the question whether there is one. What it compiles for has autocast.
    """
    available = torch.compiler.is_compiling() or torch.amp.is_autocast_available(device)
    return available and torch.is_autocast_enabled(device)


def finest_dtype(device: torch.device) -> torch.dtype:
    """float64, or float32 on a device that has no double precision (Apple's MPS)."""
    return torch.float32 if device.type in WITHOUT_DOUBLE else torch.float64


def in_double(tensor: Tensor) -> Tensor:
    """The numbers in float64; on the host if the device has no double precision."""
    return tensor.to(torch.float64) if finest_dtype(tensor.device) == torch.float64 else tensor.cpu().double()


def single_or_double(numbers: Tensor, name: str, components: int) -> Tensor:
    """Check that a tensor is floating point [..., components]; half precision becomes float32.

    Raises:
        TypeError: if it is not a tensor of floating-point numbers.
        ValueError: if its last axis is of another length.
    """
    if not isinstance(numbers, Tensor) or not numbers.is_floating_point():
        raise TypeError(f"{name} must be a floating-point tensor, got {getattr(numbers, 'dtype', type(numbers))}")
    if numbers.dim() == 0 or numbers.shape[-1] != components:
        raise ValueError(f"{name} must be [..., {components}], got shape {tuple(numbers.shape)}")
    return numbers if numbers.dtype == torch.float64 else numbers.float()


def not_halved(tensor: Tensor | None, exact: Tensor | None) -> Tensor | None:
    """The geometry of a module that was moved or converted: it follows to a device, but never to half precision."""
    if tensor is None or exact is None or tensor.dtype not in (torch.float16, torch.bfloat16):
        return tensor
    return exact.to(tensor.device)
