"""Recover the parameters of an image by gradients of `render`: pose, camera, attenuation, voxels, filter, voltage.

    python examples/optimize.py --out out/optimize

The patient is the bundled CT at coarse resolution. Each image is rendered with the true parameters and fitted from a
wrong start by the same few lines: Adam on the mean squared difference. `errors.png` shows the errors over the steps.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import torch
from torch import Tensor

from deepdrr import Volume
from deepdrr.camera import make_k_inv, make_rt_inv
from deepdrr.data import Subject, fetch_sample
from deepdrr.data.preprocess import MU_BONE, MU_WATER
from deepdrr.drr import render
from deepdrr.metrics import mean_target_registration_error
from deepdrr.spectrum import tungsten_spectrum

matplotlib.use("agg")
from matplotlib import pyplot

SDD_MM, DISTANCE_MM, PIXEL_MM, SIZE, SAMPLES = 1020.0, 700.0, 10.0, 40, 100


@dataclass(frozen=True)
class Problem:
    """Parameters to recover.

    Attributes:
        name: name of the unknowns.
        image: the image as a function of the unknowns.
        truth, start: true and initial values of the unknowns.
        rates: Adam's step for each of them, in its unit.
        error: distance of given unknowns from the truth, in `unit`.
        unit: unit of the error.
    """

    name: str
    image: Callable[..., Tensor]
    truth: tuple[Tensor, ...]
    start: tuple[Tensor, ...]
    rates: tuple[float, ...]
    error: Callable[..., float]
    unit: str


def solve(problem: Problem, steps: int) -> list[float]:
    """Minimise, and return the errors before each step and after the last."""
    target = problem.image(*problem.truth).detach()
    unknowns = [value.clone().requires_grad_() for value in problem.start]
    groups = [{"params": [u], "lr": rate} for u, rate in zip(unknowns, problem.rates, strict=True)]
    optimizer = torch.optim.Adam(groups, betas=(0.8, 0.99))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    errors = [problem.error(*unknowns)]
    for _ in range(steps):
        optimizer.zero_grad()
        (problem.image(*unknowns) - target).square().mean().backward()
        optimizer.step()
        schedule.step()
        errors.append(problem.error(*unknowns))
    return errors


def pose(patient: Subject) -> Problem:
    """Three angles and three shifts."""

    def view(angles: Tensor, shift: Tensor) -> Tensor:
        return make_rt_inv(angles, shift + torch.tensor([[0.0, DISTANCE_MM, 0.0]]), "AP", patient.isocenter)

    truth = (torch.tensor([[8.0, -5.0, 4.0]]), torch.tensor([[12.0, -30.0, -8.0]]))
    return Problem(
        name="pose",
        image=lambda *unknowns: seen(patient, rt_inv=view(*unknowns)),
        truth=truth,
        start=(torch.zeros(1, 3), torch.zeros(1, 3)),
        rates=(0.5, 2.0),
        error=lambda *unknowns: mean_target_registration_error(view(*unknowns), view(*truth), corners(patient)).item(),
        unit="mm (mTRE)",
    )


def camera(patient: Subject) -> Problem:
    """Source-to-detector distance and principal point."""

    def image(sdd: Tensor, x0: Tensor, y0: Tensor) -> Tensor:
        return seen(patient, k_inv=make_k_inv(sdd, PIXEL_MM, PIXEL_MM, x0, y0, SIZE, SIZE), sdd=sdd)

    truth = (torch.tensor([1100.0]), torch.tensor([12.0]), torch.tensor([-7.0]))
    start = (torch.tensor([1020.0]), torch.zeros(1), torch.zeros(1))
    return Problem("intrinsics", image, truth, start, (5.0, 1.0, 1.0), largest_difference(truth), "mm")


def attenuation(patient: Subject) -> Problem:
    """Attenuation of water and of bone."""

    def image(mu_water: Tensor, mu_bone: Tensor) -> Tensor:
        patient.set_mu(mu_water=mu_water, mu_bone=mu_bone)
        return seen(patient)

    truth = (torch.tensor(1.1 * MU_WATER), torch.tensor(0.9 * MU_BONE))
    start = (torch.tensor(0.8 * MU_WATER), torch.tensor(1.3 * MU_BONE))
    return Problem("attenuation", image, truth, start, (1e-3, 1e-2), largest_difference(truth), "1/mm")


def voxels(patient: Subject) -> Problem:
    """The CT itself, from 24 views around it."""
    poses = make_rt_inv(
        torch.stack([torch.linspace(0.0, 345.0, 24), torch.zeros(24), torch.zeros(24)], dim=-1),
        torch.tensor([[0.0, DISTANCE_MM, 0.0]]).expand(24, 3),
        "AP",
        patient.isocenter,
    )
    wide = make_k_inv(SDD_MM, 1.6 * PIXEL_MM, 1.6 * PIXEL_MM, 0.0, 0.0, SIZE, SIZE)  # the whole patient is in view
    body = patient.image_hu > -500.0

    def image(hu: Tensor) -> Tensor:
        return seen(Subject(hu, patient.voxel_to_world, isocenter=patient.isocenter), k_inv=wide, rt_inv=poses)

    def error(hu: Tensor) -> float:
        return (hu - patient.image_hu).detach()[body].square().mean().sqrt().item()

    start = torch.where(body, 0.0, -1000.0)  # the outline of the body, filled with water
    return Problem("voxels", image, (patient.image_hu,), (start,), (30.0,), error, "HU, RMS in the body")


def filtration(patient: Subject) -> Problem:
    """Thickness of a copper filter, from the effect of beam hardening on the contrast."""

    def image(copper_mm: Tensor) -> Tensor:
        beam = tungsten_spectrum(80.0, filters=[("aluminium", 3.0), ("copper", copper_mm)])
        return -seen(patient, spectrum=beam).log()

    truth = (torch.tensor(0.6),)
    return Problem("filtration", image, truth, (torch.tensor(0.1),), (0.03,), largest_difference(truth), "mm of copper")


def tube_voltage(patient: Subject) -> Problem:
    """Tube voltage, likewise."""

    def image(kvp: Tensor) -> Tensor:
        return -seen(patient, spectrum=tungsten_spectrum(kvp)).log()

    truth = (torch.tensor(105.0),)
    return Problem("tube voltage", image, truth, (torch.tensor(70.0),), (2.0,), largest_difference(truth), "kV")


PROBLEMS = (pose, camera, attenuation, voxels, filtration, tube_voltage)


def seen(patient: Subject, **changed: object) -> Tensor:
    """The image of an AP view, with some parameters changed."""
    usual = {
        "k_inv": make_k_inv(SDD_MM, PIXEL_MM, PIXEL_MM, 0.0, 0.0, SIZE, SIZE),
        "rt_inv": make_rt_inv(torch.zeros(1, 3), torch.tensor([[0.0, DISTANCE_MM, 0.0]]), "AP", patient.isocenter),
        "sdd": torch.tensor([SDD_MM]),
    }
    return render(patient, height=SIZE, width=SIZE, n_samples=SAMPLES, **(usual | changed))


def corners(patient: Subject) -> Tensor:
    """Corners of a cube of 10 cm about the isocenter."""
    return patient.isocenter + torch.cartesian_prod(*[torch.tensor([-50.0, 50.0])] * 3)


def largest_difference(truth: tuple[Tensor, ...]) -> Callable[..., float]:
    """The largest absolute difference from the truth, as an error function."""
    return lambda *unknowns: max(float((u - t).detach().abs().max()) for u, t in zip(unknowns, truth, strict=True))


def load_patient(spacing_mm: float = 15.0) -> Subject:
    """The bundled pelvis in coarse voxels."""
    return Subject.from_volume(Volume.from_nifti(fetch_sample("pelvis").image).resample(spacing_mm))


def draw(found: dict[str, tuple[list[float], str]], path: Path) -> None:
    """The errors of each problem over its steps."""
    figure, axs = pyplot.subplots(2, 3, figsize=(10, 5.5), layout="constrained")
    for ax, (name, (errors, unit)) in zip(axs.ravel(), found.items(), strict=True):
        ax.semilogy(errors)
        ax.set(title=f"{name}: {errors[0]:.3g} → {errors[-1]:.2g}", xlabel="step", ylabel=unit)
    figure.savefig(path, dpi=80)
    pyplot.close(figure)


def main() -> None:
    """Solve all problems; print and draw the results."""
    parser = argparse.ArgumentParser(description="Optimise each input of render by its gradient.")
    parser.add_argument("--out", type=Path, default=Path("out/optimize"), help="folder for the figure")
    parser.add_argument("--steps", type=int, default=150, help="of each optimisation")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    found = {}
    for make in PROBLEMS:
        problem = make(load_patient())
        errors = solve(problem, options.steps)
        found[problem.name] = (errors, problem.unit)
        print(f"{problem.name:14s} error from {errors[0]:.3g} to {errors[-1]:.2g} {problem.unit}")
    draw(found, options.out / "errors.png")
    print(f"wrote {options.out / 'errors.png'}")


if __name__ == "__main__":
    main()
