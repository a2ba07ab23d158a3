"""Train a small ResNet beside a `Projector`: it learns the C-arm's angles from radiographs taken during training.

    python examples/train_beside_projector.py [--device cuda] [--first network|projector|between]

On a GPU the network and deepdrr's kernels share torch's context, streams and memory, so either may use the GPU first:
`--first between` takes the first radiograph after the network's first step.
"""

import argparse

import torch
from torch import Tensor, nn

from deepdrr import MobileCArm, Volume
from deepdrr.camera import Camera
from deepdrr.data import fetch_sample
from deepdrr.projector import Projector

ANGLES_DEG = 30.0  # alpha and beta lie within ± this


class Block(nn.Module):
    """Two convolutions beside a shortcut, at half the resolution (He et al. 2016, Deep residual learning, figure 2)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride=2, padding=1)
        self.second = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.shortcut = nn.Conv2d(inputs, outputs, 1, stride=2)
        self.norms = nn.ModuleList(nn.GroupNorm(4, outputs) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        inner = torch.relu(self.norms[0](self.first(x)))
        return torch.relu(self.norms[1](self.second(inner)) + self.shortcut(x))


class SmallResNet(nn.Module):
    """Three blocks and a linear layer, from images [B, 1, N, N] to two numbers [B, 2], each about −1 to 1."""

    def __init__(self, size: int, width: int = 16) -> None:
        super().__init__()
        self.blocks = nn.Sequential(Block(1, width), Block(width, 2 * width), Block(2 * width, 2 * width))
        self.head = nn.Linear(2 * width * (-(-size // 8)) ** 2, 2)

    def forward(self, images: Tensor) -> Tensor:
        numbers: Tensor = self.head(self.blocks(images).flatten(1))
        return numbers


class Radiographs:
    """Batches of radiographs of the bundled pelvis, each from another direction, with noise.

    Args:
        size: rows and columns.
        device: device of the ray integrals and of the images.
    """

    def __init__(self, size: int, device: torch.device) -> None:
        ct = Volume.from_nifti(fetch_sample("pelvis").image).resample(6.0)
        ct.orient_patient(head_first=True, supine=True)
        self.size, self.device, self.center = size, device, tuple(ct.center_in_world.tolist())
        self.projector = Projector(ct, carm=self._view(0.0, 0.0), device=device)

    def __call__(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Logarithms of images [B, 1, N, N], each with zero mean and unit deviation, and angles / ANGLES_DEG [B, 2]."""
        angles = 2.0 * torch.rand(count, 2, generator=generator) - 1.0
        self.projector.carm = Camera.stack([self._view(*(ANGLES_DEG * pair).tolist()) for pair in angles])
        with torch.no_grad():
            found = self.projector.project("image", "open_field", generator=generator)
        images = -(found["image"].clamp(min=1.0) / found["open_field"]).log().float().to(self.device)
        mean, deviation = images.mean((-1, -2), keepdim=True), images.std((-1, -2), keepdim=True)
        return ((images - mean) / deviation)[:, None], angles.to(self.device)

    def _view(self, alpha_deg: float, beta_deg: float) -> Camera:
        return MobileCArm(self.center, alpha=alpha_deg, beta=beta_deg).camera.resized(self.size, self.size)


def train(
    *, device: torch.device, first: str, steps: int, size: int = 32, batch: int = 16, seed: int = 0
) -> list[float]:
    """Train with occasional printing; returns the root mean square error of each step's batch, degrees.

    Args:
        device: device of network and projector.
        first: the first user of the device, `"network"` or `"projector"`; `"between"`: the network, which takes a step
            with a blank image before the first radiograph.
        steps: number of batches; none is used twice.
        size: rows and columns of an image.
        batch: images in a batch.
        seed: seed of the initial weights and of the images.
    """
    radiographs = None
    if first == "projector":
        radiographs = Radiographs(size, device)
        radiographs(1, torch.Generator())
    with torch.random.fork_rng(devices=[]):  # torch draws initial weights from its global generator
        torch.manual_seed(seed)
        network = SmallResNet(size).to(device)
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-3)
    if first == "between":
        network(torch.zeros(1, 1, size, size, device=device)).square().sum().backward()
        optimizer.step()
    radiographs = radiographs or Radiographs(size, device)
    generator, errors = torch.Generator().manual_seed(seed), []
    for step in range(1, steps + 1):
        images, angles = radiographs(batch, generator)
        optimizer.zero_grad()
        loss = (network(images) - angles).square().mean()
        loss.backward()
        optimizer.step()
        errors.append(ANGLES_DEG * loss.item() ** 0.5)
        if step % max(steps // 10, 1) == 0:
            print(f"step {step:4d}  loss {loss.item():.4f}  error {errors[-1]:5.2f}°")
    return errors


def main(arguments: list[str] | None = None) -> list[float]:
    """Train and print the errors."""
    parser = argparse.ArgumentParser(description="Train a small ResNet on radiographs that are taken as it learns.")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--first", choices=("network", "projector", "between"), default="network")
    parser.add_argument("--steps", type=int, default=100)
    options = parser.parse_args(arguments)
    return train(device=torch.device(options.device), first=options.first, steps=options.steps)


if __name__ == "__main__":
    main()
