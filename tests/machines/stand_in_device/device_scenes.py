"""A small scene on any device, and the comparison of what is made of it there and on the CPU."""

from collections.abc import Callable

import torch
from drr_scenes import camera, poses, subject
from torch import Tensor

from deepdrr.data import Subject

__all__ = ["same", "scene", "seeded"]

Make = Callable[[str], Tensor | tuple[Tensor, ...]]


def same(make: Make, device: str, *, rtol: float = 1e-5, atol: float = 1e-5) -> None:
    """What a function makes on the device is there, and is what it makes on the CPU."""
    here, there = make("cpu"), make(device)
    pairs = zip(*(((part,) if isinstance(part, Tensor) else part) for part in (here, there)), strict=True)
    for expected, found in pairs:
        assert found.device.type == device
        torch.testing.assert_close(found.cpu(), expected, rtol=rtol, atol=atol * expected.detach().abs().max().item())


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(3)


def scene(device: str, classes: int = 1, **mu: object) -> tuple[Subject, Tensor, Tensor]:
    """Subject, k_inv [1, 3, 3] and two poses [2, 4, 4]."""
    one = subject(seeded(), classes, **mu)
    return one.to(device), camera().to(device), poses(2, one.isocenter.cpu()).to(device)
