"""Registration, metrics, points and poses on a device without a compiled backend: as on the CPU."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from device_scenes import same, scene, seeded
from drr_scenes import SDD
from torch import Tensor

from deepdrr.camera import Camera, invert_rt_inv, make_k_inv, make_rt_inv, project_points, resample
from deepdrr.data import Subject
from deepdrr.geometry import Parameterization, convert
from deepdrr.io import line_integrals_of
from deepdrr.metrics import (
    DoubleGeodesicSE3,
    GradientNormalizedCrossCorrelation2d,
    LandmarkReprojectionLoss,
    MultiscaleNormalizedCrossCorrelation2d,
    MutualInformation2d,
    NormalizedCrossCorrelation2d,
    mean_target_registration_error,
)
from deepdrr.registration import Adam, GaussNewton, MultiStart, Registration, Stage, register


def pearls(device: str) -> Subject:
    """Four soft balls in a cube of 60 mm of air: every motion shows."""
    middles = torch.tensor([[4.0, 5, 6], [15, 7, 4], [9, 15, 8], [7, 9, 16]])
    voxels = torch.stack(torch.meshgrid(*3 * [torch.arange(20.0)], indexing="ij"), dim=-1)
    squares = (voxels[..., None, :] - middles).square().sum(-1)
    hu = 2000.0 * torch.exp(-squares / 8.0).sum(-1) - 1000.0
    return Subject(hu[None, None], torch.diag(torch.tensor([3.0, 3.0, 3.0, 1.0]))).to(device)


def registration(device: str, *angles: float) -> Registration:
    one = pearls(device)
    start = make_rt_inv(torch.tensor([angles]), torch.tensor([[0.0, 700.0, 0.0]]), "AP", one.isocenter.cpu())
    k_inv = make_k_inv(1020.0, 8.0, 8.0, 0.0, 0.0, 16, 16)
    return Registration(one, start.to(device), k_inv.to(device), torch.tensor([1020.0], device=device), 16, 16)


def target(device: str) -> Tensor:
    return registration("cpu", 3.0, -2.0, 4.0)(30).detach().to(device)


SIMILARITIES = [
    NormalizedCrossCorrelation2d(),
    MultiscaleNormalizedCrossCorrelation2d((None, 9), (0.5, 0.5)),
    GradientNormalizedCrossCorrelation2d(),
    MutualInformation2d(),
]


@pytest.mark.parametrize("similarity", SIMILARITIES, ids=lambda s: type(s).__name__)
def test_a_step_of_adam(similarity: Callable[..., Tensor], device: str) -> None:
    def stepped(place: str) -> tuple[Tensor, Tensor]:
        moving = registration(place, 0.0, 0.0, 0.0)
        optimizer = torch.optim.Adam(moving.parameters(), lr=1e-2, maximize=True)
        value = similarity(moving(30), target(place))
        value.sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return value, moving.pose

    # Adam's first step has the same length whatever the gradient's, so that only its sign counts.
    same(stepped, device, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    "solver",
    [GaussNewton(), MultiStart(count=4, keep=1), Adam(max_iterations=5, translation_rate=0.1)],
    ids=lambda s: type(s).__name__,
)
def test_register(solver: Any, device: str) -> None:
    def end(place: str) -> Tensor:
        moving = registration(place, 0.0, 0.0, 0.0)
        start = moving.pose.detach()
        result = register(moving, target(place), stages=[Stage(scale=1.0, solver=solver, n_samples=30)])
        points = moving.subject.isocenter + 20.0 * torch.eye(3, device=place)
        truth = registration(place, 3.0, -2.0, 4.0).pose.detach()
        before, after = (mean_target_registration_error(pose, truth, points) for pose in (start, result.pose))
        assert float(after) < 0.9 * float(before)
        return result.pose

    # The poses are those of the CPU to 0.02 mm of 700: what images that differ by 1e-5 leave open.
    same(end, device, atol=3e-5)


def test_line_integrals_of_counts(device: str) -> None:
    def values(place: str) -> Tensor:
        return line_integrals_of(torch.arange(1, 13, device=place).reshape(3, 4), 100.0)

    same(lambda place: values(place).float(), device)


# -- points and poses --------------------------------------------------------------------------------------------------


def test_points(device: str) -> None:
    def pixels(place: str) -> tuple[Tensor, ...]:
        _, k_inv, rt_inv = scene(place)
        points = (50.0 * torch.rand(1, 5, 3, generator=seeded())).to(place)
        uv, visible = project_points(points, k_inv, rt_inv, sdd=torch.tensor(SDD, device=place), height=9, width=9)
        loss = LandmarkReprojectionLoss(points[0], uv[0] + 1.0)(k_inv, rt_inv[:1])
        return uv, visible.float(), loss

    same(pixels, device, atol=1e-4)


def test_resample(device: str) -> None:
    def picture(place: str) -> Tensor:
        fine, coarse = (make_k_inv(1000.0, d, d, 0.0, 0.0, n, n).to(place) for d, n in ((1.0, 8), (2.0, 4)))
        return resample(torch.rand(1, 1, 8, 8, generator=seeded()).to(place), fine, coarse, height=4, width=4)

    same(picture, device)


@pytest.mark.parametrize("kind", list(Parameterization))
def test_poses(kind: Parameterization, device: str) -> None:
    def pose(place: str) -> tuple[Tensor, ...]:
        numbers = torch.rand(1, kind.dim, generator=seeded()).to(place)
        made = convert(numbers, torch.ones(1, 3, device=place), kind, "ZXY" if kind is Parameterization.EULER else None)
        return made, *invert_rt_inv(made)

    same(pose, device)


def test_distances_of_poses(device: str) -> None:
    def distances(place: str) -> tuple[Tensor, ...]:
        _, _, rt_inv = scene(place)
        error_mm = mean_target_registration_error(rt_inv[:1], rt_inv[1:], torch.eye(3, device=place))
        return *DoubleGeodesicSE3(SDD)(rt_inv[:1], rt_inv[1:]), error_mm

    same(distances, device, rtol=1e-4)


def test_a_camera_from_a_projection_matrix(device: str) -> None:
    def parts(place: str) -> tuple[Tensor, ...]:
        matrix = Camera.carm(sdd_mm=1000, sid_mm=600, height=8, width=9, pixel_mm=2.0).projection_matrix.float()
        found = Camera.from_projection_matrix(matrix.to(place), height=8, width=9, sdd_mm=1000.0)
        return found.intrinsics.float(), found.camera_from_world.float()

    same(parts, device, atol=1e-4)
