"""A small subject and a camera for the tests of rendering."""

import torch
from torch import Tensor

from deepdrr.camera import make_k_inv, make_rt_inv
from deepdrr.data import Subject

HEIGHT, WIDTH, SDD = 10, 12, 1000.0

SPACING = torch.diag(torch.tensor([2.0, 2.5, 3.0, 1.0]))
SPACING[:3, 3] = torch.tensor([-20.0, 7.0, 100.0])


def subject(generator: torch.Generator, classes: int = 1, dtype: torch.dtype = torch.float32, **mu: object) -> Subject:
    """Noise from −600 to 1400 HU, labels in blocks, on a grid of three different sides and spacings."""
    shape = (1, 1, 9, 12, 15)
    image = torch.rand(shape, generator=generator, dtype=torch.float64).to(dtype) * 2000 - 600
    blocks = torch.arange(15) // 4 + torch.arange(12)[:, None] // 5 + torch.arange(9)[:, None, None] // 3
    label = (blocks % classes).expand(shape) if classes > 1 else None
    return Subject(image, SPACING, label, **mu)  # type: ignore[arg-type]


def camera(dtype: torch.dtype = torch.float32) -> Tensor:
    """Inverse intrinsics of a detector that shows the whole subject, off centre."""
    return make_k_inv(SDD, 6.0, 7.0, 3.0, -2.0, HEIGHT, WIDTH, dtype=dtype)


def poses(count: int, isocenter: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Different views [count, 4, 4]."""
    turns = torch.tensor([[7.0, -4, 3], [-30, 12, 8], [80, 5, -60], [171, -9, 1]])[:count].to(dtype)
    places = torch.tensor([[2.0, 650, -3], [0, 700, 5], [-4, 600, 0], [1, 640, 2]])[:count].to(dtype)
    return make_rt_inv(turns, places, isocenter=isocenter)
