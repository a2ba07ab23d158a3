"""What a solver works on: X-rays at one resolution, and the images of the patient at any motion."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from deepdrr.geometry import in_double
from deepdrr.registration._registration import Registration

__all__ = ["Problem", "Solver"]


@dataclass(frozen=True, eq=False)
class Problem:
    """Find the motion of a registration whose images are like the target.

    Attributes:
        registration: at the resolution to work at; solvers leave what they found in its parameters.
        target: X-rays [V, 1, H, W], lying on the rendered images.
        mask: weights of the pixels [V, 1, H, W], or None.
        n_samples, backend: see `deepdrr.drr.render`.
        record: is told the loss and the motion [4, 4] after every iteration.
        fill: for each pixel the one whose value it takes, [V, 1, H·W] places in a flattened picture; None for its own.
    """

    registration: Registration
    target: Tensor
    mask: Tensor | None
    n_samples: int | None
    backend: str
    record: Callable[[float, Tensor], None]
    fill: Tensor | None = None

    @property
    def start(self) -> Tensor:
        """The motion to start from [4, 4], float64."""
        return self.registration.motion.detach().cpu().double()

    @property
    def pixel_mm(self) -> float:
        """Side of a pixel as large as it looks at the isocenter, the smallest of all views."""
        registration = self.registration
        places = in_double(registration.rt_inv.detach())
        offset = registration.subject.isocenter.to(places) - places[:, :3, 3]
        depth = (offset * places[:, :3, 2]).sum(dim=-1).abs()
        side = in_double(registration.k_inv.detach()).diagonal(dim1=-2, dim2=-1)[:, :2].abs().amin(dim=-1)
        return float((side * (registration.sdd if registration.orthographic else depth)).min())

    @torch.no_grad()
    def images(self, motions: Tensor) -> Tensor:
        """What the cameras see at motions [K, 4, 4]: [K, V, 1, H, W], the sum over labels, without gradients."""
        registration = self.registration
        poses = registration.poses_of(motions)
        seen = registration.render(poses, self.n_samples, backend=self.backend).sum(dim=1, keepdim=True)
        return self.filled(seen.unflatten(0, (len(motions), registration.views)))

    def seen(self) -> Tensor:
        """The images [V, 1, H, W] at the registration's present parameters, with their gradients."""
        images: Tensor = self.registration(self.n_samples, backend=self.backend)
        return self.filled(images.sum(dim=1, keepdim=True))

    def filled(self, images: Tensor) -> Tensor:
        """Images [*K, V, 1, H, W] with the values of the nearest pixels where the mask leaves pixels out."""
        if self.fill is None:
            return images
        flat = images.flatten(-2)
        filled: Tensor = flat.gather(-1, self.fill.expand(flat.shape)).unflatten(-1, images.shape[-2:])
        return filled


class Solver(Protocol):
    """A way to solve a `Problem`."""

    @property
    def iterations_at_most(self) -> int:
        """How many iterations it makes at most, for progress bars."""

    def solve(self, problem: Problem) -> str:
        """Move the registration's parameters to a better place.

        Returns:
            Why it stopped, in a few words.
        """
