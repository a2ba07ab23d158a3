"""Gradients of a rendering: by finite differences in float64, and the compiled backend's beside the reference's."""

from collections.abc import Callable

import pytest
import torch
from drr_scenes import HEIGHT, SDD, SPACING, WIDTH, camera, poses, subject
from torch import Tensor
from torch.testing import assert_close

from deepdrr.camera import make_k_inv
from deepdrr.data import Subject
from deepdrr.drr import DRR, render
from deepdrr.geometry import convert


def small(generator: torch.Generator, **mu: object) -> Subject:
    image = torch.rand(1, 1, 4, 5, 6, generator=generator, dtype=torch.float64) * 2000 - 600
    return Subject(image, SPACING, **mu).double()  # type: ignore[arg-type]


# Six pixels, all of which see the small subject.
LENS = make_k_inv(SDD, 4.0, 5.0, 1.0, -1.0, 2, 3, dtype=torch.float64)


def check(function: Callable[..., Tensor], *inputs: Tensor) -> None:
    """Finite differences. A rendering has kinks where samples pass voxel centres, so steps are small."""
    assert (function(*inputs).abs().sum(dim=-3) > 0).all()  # no pixel misses
    assert torch.autograd.gradcheck(function, tuple(i.requires_grad_() for i in inputs), eps=1e-7, atol=1e-5)


class TestFiniteDifferences:
    @pytest.mark.parametrize("orthographic", [False, True])
    @pytest.mark.parametrize("n_samples", [15, None])
    def test_pose_and_intrinsics(self, orthographic: bool, n_samples: int | None, generator: torch.Generator) -> None:
        one = small(generator)
        pose = poses(1, one.isocenter, torch.float64)
        k_inv = LENS * torch.tensor([[0.4], [0.4], [1.0]]) if orthographic else LENS  # which does not magnify

        def picture(motion: Tensor, zoom: Tensor, sdd: Tensor) -> Tensor:
            moved = pose @ convert(motion[:, :3] / 500, motion[:, 3:], "so3_log")
            return render(one, k_inv * zoom, moved, sdd, 2, 3, n_samples, orthographic=orthographic)

        zoom = torch.full((3, 3), 1.02, dtype=torch.float64)
        check(picture, torch.full((1, 6), 0.01, dtype=torch.float64), zoom, torch.tensor([SDD], dtype=torch.float64))

    def test_explicit_rays(self, generator: torch.Generator) -> None:
        one = small(generator)
        drr = DRR(LENS, torch.tensor([SDD], dtype=torch.float64), 2, 3)
        pose = poses(1, one.isocenter, torch.float64)

        def picture(src: Tensor, tgt: Tensor) -> Tensor:
            return render(one, drr.k_inv, pose, drr.sdd, 2, 3, 15, src=src, tgt=tgt)

        check(picture, drr.src.clone(), drr.tgt.clone())

    def test_voxels_and_attenuations(self, generator: torch.Generator) -> None:
        one = small(generator)
        pose = poses(2, one.isocenter, torch.float64)

        def picture(image_hu: Tensor, mu_water: Tensor, mu_bone: Tensor, hu_bone: Tensor) -> Tensor:
            again = Subject(image_hu, SPACING, mu_water=mu_water, mu_bone=mu_bone, hu_bone=hu_bone).double()
            return render(again, LENS, pose, SDD, 2, 3, 15)

        numbers = ([0.019, 0.021], [0.057], [1000.0, 1100.0])
        check(picture, one.image_hu.clone(), *(torch.tensor(n, dtype=torch.float64) for n in numbers))

    @pytest.mark.parametrize(("n_samples", "soft"), [(None, False), (15, False), (15, True)])
    def test_labels(self, n_samples: int | None, soft: bool, generator: torch.Generator) -> None:
        """Exact hard channels and soft ones have the gradient by a border's motion too, sampled hard ones do not."""
        one = small(generator)
        one.label = (torch.arange(120).reshape(1, 1, 4, 5, 6) // 7) % 3
        pose = poses(1, one.isocenter, torch.float64)

        def picture(image_hu: Tensor, motion: Tensor) -> Tensor:
            again = Subject(image_hu, SPACING, one.label, convert_to_mu=False).double()
            moved = pose @ convert(motion[:, :3] / 500, motion[:, 3:], "so3_log")
            return render(again, LENS, moved, SDD, 2, 3, n_samples, soft)

        check(picture, one.image_hu / 1000, torch.full((1, 6), 0.01, dtype=torch.float64))

    def test_placement_of_the_subject(self, generator: torch.Generator) -> None:
        one = small(generator)
        pose, place = poses(1, one.isocenter, torch.float64), one.world_to_voxel.clone()

        def picture(shift: Tensor) -> Tensor:
            one.world_to_voxel = torch.cat([place[:3, :3], place[:3, 3:] + shift[:, None]], dim=1)
            one.world_to_voxel = torch.cat([one.world_to_voxel, place[3:]])
            return render(one, LENS, pose, SDD, 2, 3, 15)

        check(picture, torch.zeros(3, dtype=torch.float64))


class TestCompiled:
    """Float32 sums of a few hundred terms: 1e-4 of the largest derivative, as the operator promises."""

    def gradients(self, one: Subject, backend: str, by: str, **how: object) -> list[Tensor]:
        pose = poses(2, one.isocenter).requires_grad_(by == "pose")
        k_inv = camera().requires_grad_(by == "pose")
        wanted = [pose, k_inv] if by == "pose" else [one.image_hu.requires_grad_()]
        picture = render(one, k_inv, pose, SDD, HEIGHT, WIDTH, 60, backend=backend, **how)  # type: ignore[arg-type]
        weights = torch.linspace(-1, 2, picture.numel()).reshape(picture.shape)
        return list(torch.autograd.grad((picture * weights).sum(), wanted))

    @pytest.mark.parametrize("by", ["pose", "voxels"])
    @pytest.mark.parametrize(("classes", "soft"), [(1, False), (3, False), (3, True)])
    def test_as_the_reference(self, by: str, classes: int, soft: bool, generator: torch.Generator) -> None:
        one = subject(generator, classes)
        expected = self.gradients(one, "reference", by, soft_labels=soft)
        for found, reference in zip(self.gradients(one, "auto", by, soft_labels=soft), expected, strict=True):
            assert_close(found, reference, rtol=0, atol=1e-4 * float(reference.abs().max()))

    def test_attenuations_need_no_gradient_by_the_voxels(self, generator: torch.Generator) -> None:
        one, pose = subject(generator), poses(2, torch.zeros(3))
        one.mu_bone = torch.tensor(0.06, requires_grad=True)
        picture = render(one, camera(), poses(2, one.isocenter), SDD, HEIGHT, WIDTH)
        (gradient,) = torch.autograd.grad(picture.sum(), one.mu_bone)
        pictures = []
        for mu_bone in (0.05, 0.07):
            one.mu_bone = mu_bone
            pictures.append(render(one, camera(), poses(2, one.isocenter), SDD, HEIGHT, WIDTH).double().sum())
        assert_close(gradient.item(), float(pictures[1] - pictures[0]) / 0.02, rtol=1e-4, atol=0)  # it is linear
        assert pose.grad is None

    def test_a_graph_outlives_a_change_of_the_subject(self, generator: torch.Generator) -> None:
        """The gradient is that of the picture as it was made."""
        one = subject(generator)
        pose = poses(1, one.isocenter).requires_grad_()
        (expected,) = torch.autograd.grad(render(one, camera(), pose, SDD, HEIGHT, WIDTH).sum(), pose)
        picture = render(one, camera(), pose, SDD, HEIGHT, WIDTH)
        one.mu_water = 0.1
        render(one, camera(), pose, SDD, HEIGHT, WIDTH)
        (gradient,) = torch.autograd.grad(picture.sum(), pose)
        assert_close(gradient, expected, rtol=0, atol=0)
