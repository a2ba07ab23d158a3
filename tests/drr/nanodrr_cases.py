"""One small scene, rendered through the names that deepdrr and nanodrr share; made by formulas, so that both make it.

`scripts/make_nanodrr_values.py` runs it with nanodrr and stores the numbers, the tests run it with deepdrr.
"""

from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

__all__ = ["CASES", "Image", "Peer", "results", "subject"]

HEIGHT, WIDTH, SDD = 12, 15, 1000.0
SHAPE = (22, 18, 14)

# name: arguments of `render` beside the number of samples
CASES: dict[str, dict[str, Any]] = {
    "whole": {},
    "parallel": {"orthographic": True},
    "hard labels": {"labels": True},
    "soft labels": {"labels": True, "soft_labels": True},
    "raw numbers": {"convert_to_mu": False},
}


@dataclass
class Image:
    """What TorchIO's images look like to a subject."""

    data: Tensor
    affine: np.ndarray[Any, Any]

    def get_center(self) -> tuple[float, ...]:
        """Of the grid, world mm, as TorchIO has it."""
        middle = (np.array(self.data.shape[1:]) - 1) / 2
        return tuple((self.affine[:3, :3] @ middle + self.affine[:3, 3]).tolist())


@dataclass
class Peer:
    """Where the names are found."""

    camera: ModuleType
    data: ModuleType
    drr: ModuleType


def subject(peer: Peer, *, labels: bool = False, convert_to_mu: bool = True) -> Any:
    """Waves of −900 to 1300 HU within two voxels of air, so that what happens at the border plays no part."""
    i, j, k = (torch.arange(n, dtype=torch.float64) for n in SHAPE)
    wave = torch.sin(0.55 * i)[:, None, None] + torch.cos(0.4 * j)[:, None] + torch.sin(0.5 * k + 0.7)
    hu = 200 + 366 * wave
    outside = torch.ones(SHAPE, dtype=torch.bool)
    outside[2:-2, 2:-2, 2:-2] = False
    hu[outside] = -1000
    if not convert_to_mu:
        hu += 1000
    affine = np.array([[2.0, 0.3, 0, -20], [-0.3, 1.6, 0, 35], [0, 0, 2.5, 100], [0, 0, 0, 1]])
    label = ((i // 6)[:, None, None] + (j // 5)[:, None] + k // 5) % 3
    image = Image(hu[None].float(), affine)
    mu = {"mu_water": 0.02, "mu_bone": 0.055, "hu_bone": 1100.0, "convert_to_mu": convert_to_mu}
    given = (image, Image(label[None], affine)) if labels else (image,)
    return peer.data.Subject.from_images(*given, **mu)


def results(peer: Peer, case: str, n_samples: int) -> dict[str, Tensor]:
    """A picture of two views, and gradients of a weighted sum of it by the poses, the intrinsics and raw voxels.

    Not for hard labels: where a border moves, what a sampled sum has is no derivative of the integral, and depends on
    where the samples lie.
    """
    how = dict(CASES[case])
    one = subject(peer, labels=how.pop("labels", False), convert_to_mu=how.pop("convert_to_mu", True))
    rotation = torch.tensor([[9.0, -5, 4], [-35, 12, 7]], requires_grad=True)
    translation = torch.tensor([[2.0, 620, -3], [0, 700, 5]], requires_grad=True)
    pose = peer.camera.make_rt_inv(rotation, translation, "AP", one.isocenter)
    k_inv = peer.camera.make_k_inv(SDD, 5.0, 5.5, 3.0, -2.0, HEIGHT, WIDTH).requires_grad_()
    voxels = one.image if not one.convert_to_mu else None
    if voxels is not None:
        voxels.requires_grad_()
    sdd = torch.tensor([SDD])
    picture = peer.drr.render(one, k_inv, pose, sdd, HEIGHT, WIDTH, n_samples, **how)
    if "hard" in case:
        return {"picture": picture.detach()}
    weights = torch.cos(torch.arange(picture.numel()) * 0.37).reshape(picture.shape)
    wanted = {"rotation": rotation, "translation": translation, "k_inv": k_inv}
    if voxels is not None:
        wanted["voxels"] = voxels
    gradients = torch.autograd.grad((picture * weights).sum(), list(wanted.values()))
    found = {"picture": picture.detach(), **dict(zip(wanted, gradients, strict=True))}
    if "voxels" in found:  # by planes, without the border
        found["voxels"] = found["voxels"][0, 0, 2:-2, 2:-2, 2:-2].sum(dim=(1, 2))
    return found
