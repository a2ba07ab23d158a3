"""Train a network to estimate the pose of the C-arm from one radiograph, on images rendered during training.

    python examples/train_pose.py --out out/train_pose

The images show the bundled CT of a pelvis, 64 × 64 pixels, in poses within ±20° and ±30 mm of AP, each with its own
contrast of bone. No image is used twice and none is stored: a `DataLoader` renders the next batches in its workers
while the network learns from the current one. The output folder gets the learning curve, a few images with the edges
of the estimated view, and the weights.
"""

import argparse
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import matplotlib
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from deepdrr import Volume
from deepdrr.camera import make_rt_inv
from deepdrr.data import Subject, fetch_sample
from deepdrr.data.preprocess import MU_BONE
from deepdrr.drr import DRR
from deepdrr.metrics import mean_target_registration_error
from deepdrr.plot import overlay

matplotlib.use("agg")
from matplotlib import pyplot

SDD_MM, DISTANCE_MM = 1020.0, 700.0
ANGLES_DEG, SHIFTS_MM = 20.0, 30.0
TARGETS_MM = 50.0  # half the side of the cube about the isocenter at whose corners the error is measured
PANEL_MM = 400.0
SAMPLES = 150  # along a ray, about 3 mm apart, like the voxels


@dataclass(frozen=True)
class Batch:
    """Images [B, 1, H, W] and their poses [B, 4, 4]."""

    images: Tensor
    poses: Tensor


class Views(Dataset[Batch]):
    """Batches of random views. The batch of an index is the same in every run, in any order and in any worker.

    Args:
        subject: the patient.
        size: rows and columns of an image.
        batch_size: images in a batch.
        batches: number of batches.
        seed: use different seeds for training and validation.
    """

    def __init__(self, subject: Subject, size: int, batch_size: int, batches: int, seed: int) -> None:
        self.subject, self.batch_size, self.batches, self.seed = subject, batch_size, batches, seed
        pixel = PANEL_MM / size
        self.drr = DRR.from_carm_intrinsics(SDD_MM, pixel, pixel, 0.0, 0.0, size, size)

    def __len__(self) -> int:
        return self.batches

    def __getitem__(self, index: int) -> Batch:
        if not 0 <= index < self.batches:
            raise IndexError(f"index must be in 0 to {self.batches - 1}, got {index}")
        generator = torch.Generator().manual_seed((self.seed << 32) + index)
        poses = pose_of(2.0 * torch.rand(self.batch_size, 6, generator=generator) - 1.0, self.subject)
        self.subject.mu_bone = MU_BONE * (0.8 + 0.4 * torch.rand(self.batch_size, generator=generator))
        with torch.no_grad():
            images = self.drr(self.subject, poses, n_samples=SAMPLES)
        return Batch(images, poses)


class Regressor(nn.Module):
    """Four strided convolutions and two linear layers, from images to six numbers, each about −1 to 1."""

    def __init__(self, size: int, width: int = 24) -> None:
        super().__init__()
        widths = [1, width, 2 * width, 4 * width, 4 * width]
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(widths):
            layers += [nn.Conv2d(inputs, outputs, 3, stride=2, padding=1), nn.GroupNorm(4, outputs), nn.ReLU()]
        side = -(-size // 16)
        self.features = nn.Sequential(*layers, nn.Flatten())
        self.head = nn.Sequential(nn.Linear(widths[-1] * side**2, 128), nn.ReLU(), nn.Linear(128, 6))

    def forward(self, images: Tensor) -> Tensor:
        mean, deviation = images.mean((-1, -2), keepdim=True), images.std((-1, -2), keepdim=True)
        numbers: Tensor = self.head(self.features((images - mean) / deviation))
        return numbers


def pose_of(numbers: Tensor, subject: Subject) -> Tensor:
    """world_from_camera [B, 4, 4] of six numbers [B, 6], where 1 is the largest angle or shift."""
    away = torch.tensor([0.0, DISTANCE_MM, 0.0])
    return make_rt_inv(ANGLES_DEG * numbers[:, :3], away + SHIFTS_MM * numbers[:, 3:], "AP", subject.isocenter)


def errors_mm(model: Regressor, batch: Batch, subject: Subject) -> Tensor:
    """Mean target registration error of each image, mm."""
    corners = torch.cartesian_prod(*[torch.tensor([-TARGETS_MM, TARGETS_MM])] * 3)
    return mean_target_registration_error(
        pose_of(model(batch.images), subject), batch.poses, subject.isocenter + corners
    )


def load_subject(spacing_mm: float = 3.0) -> Subject:
    """The bundled pelvis, as coarse as such small images permit."""
    return Subject.from_volume(Volume.from_nifti(fetch_sample("pelvis").image).resample(spacing_mm))


def train(
    subject: Subject, *, steps: int, size: int = 64, batch_size: int = 32, workers: int = 1, seed: int = 0
) -> tuple[Regressor, list[float], list[tuple[int, float]]]:
    """Train, and validate on 256 other views from time to time.

    Returns:
        The network, the mean error of each step's batch, and (step, median error of the validation), mm.
    """
    with torch.random.fork_rng(devices=[]):  # torch draws initial weights from its global generator
        torch.manual_seed(seed)
        model = Regressor(size)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=2e-3, total_steps=steps)
    fresh = DataLoader(Views(subject, size, batch_size, steps, seed=1), batch_size=None, num_workers=workers)
    held_back = [*Views(subject, size, 64, 4, seed=2)]
    losses: list[float] = []
    validation = [(0, validate(model, held_back, subject))]
    start = time.perf_counter()
    for step, batch in enumerate(fresh, start=1):
        optimizer.zero_grad()
        loss = errors_mm(model, batch, subject).mean()
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
        if step % max(steps // 20, 1) == 0:
            validation.append((step, validate(model, held_back, subject)))
            images = step * batch_size / (time.perf_counter() - start)
            print(f"step {step:5d}  median error {validation[-1][1]:6.2f} mm  {images:5.0f} images/s")
    return model, losses, validation


def validate(model: Regressor, batches: list[Batch], subject: Subject) -> float:
    """Median error over some batches, mm."""
    model.eval()
    with torch.no_grad():
        errors = torch.cat([errors_mm(model, batch, subject) for batch in batches])
    model.train()
    return float(errors.median())


def draw(
    model: Regressor, subject: Subject, size: int, out: Path, curve: tuple[list[float], list[tuple[int, float]]]
) -> None:
    """Draw the learning curve, and four unseen views with the edges of the estimated ones."""
    losses, validation = curve
    figure, ax = pyplot.subplots(figsize=(6, 3.5), layout="constrained")
    ax.semilogy(range(1, len(losses) + 1), losses, linewidth=0.6, alpha=0.6, label="batch, mean")
    ax.semilogy(*zip(*validation, strict=True), marker="o", markersize=3, label="256 other views, median")
    ax.set(xlabel="step", ylabel="mean target registration error, mm")
    ax.legend()
    figure.savefig(out / "curve.png", dpi=100)
    views = Views(subject, size, 4, 1, seed=3)
    (batch,) = views
    with torch.no_grad():
        errors = errors_mm(model, batch, subject)
        believed = views.drr(subject, pose_of(model(batch.images), subject), n_samples=SAMPLES)
    figure, axs = pyplot.subplots(ncols=4, figsize=(10, 3), layout="constrained")
    overlay(believed, batch.images, [f"{error:.1f} mm" for error in errors], ticks=False, axs=axs, canny_high=60)
    figure.savefig(out / "views.png", dpi=100)
    pyplot.close("all")


def main(arguments: list[str] | None = None) -> float:
    """Train, write the results, and return the median error of the last validation, mm."""
    parser = argparse.ArgumentParser(description="Train a pose regressor on images rendered while it learns.")
    parser.add_argument("--out", type=Path, default=Path("out/train_pose"), help="folder for what is written")
    parser.add_argument("--steps", type=int, default=2000, help="batches to learn from")
    parser.add_argument("--size", type=int, default=64, help="rows and columns of an image")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--workers", type=int, default=1, help="processes that render; 0: none but this one")
    parser.add_argument("--spacing-mm", type=float, default=3.0, help="voxels to render from")
    options = parser.parse_args(arguments)
    out: Path = options.out
    out.mkdir(parents=True, exist_ok=True)
    subject = load_subject(options.spacing_mm)
    start = time.perf_counter()
    threads = torch.get_num_threads()
    torch.set_num_threads(max(1, threads - options.workers))  # leave one core to each worker
    try:
        model, *curve = train(
            subject, steps=options.steps, size=options.size, batch_size=options.batch_size, workers=options.workers
        )
    finally:
        torch.set_num_threads(threads)
    error = curve[1][-1][1]
    print(f"{options.steps} steps in {time.perf_counter() - start:.0f} s: from {curve[1][0][1]:.1f} to {error:.2f} mm")
    torch.save(model.state_dict(), out / "weights.pt")
    draw(model, subject, options.size, out, (curve[0], curve[1]))
    print(f"wrote {out / 'curve.png'}, {out / 'views.png'}, {out / 'weights.pt'}")
    return error


if __name__ == "__main__":
    main()
