"""Several subjects at once, and a contrast of its own for each picture."""

import pytest
import torch
from drr_scenes import HEIGHT, SDD, SPACING, WIDTH, camera, poses, subject
from torch.testing import assert_close

from deepdrr.data import Subject
from deepdrr.drr import DRR, render
from deepdrr.tools import Tool

# Float32 sums of the same terms in another order.
CLOSE = {"rtol": 1e-5, "atol": 1e-5}


def patients(generator: torch.Generator) -> list[Subject]:
    """Three of different sizes, spacings and numbers of classes."""
    big = Subject(torch.randn(1, 1, 9, 8, 7, generator=generator) * 300, torch.diag(torch.tensor([3.0, 2, 2, 1])))
    return [subject(generator, classes=3), big, subject(generator, classes=2)]


class TestSubjects:
    def test_each_at_its_pose(self, generator: torch.Generator) -> None:
        several = patients(generator)
        pose = torch.cat([poses(n + 1, one.isocenter)[n:] for n, one in enumerate(several)])
        pictures = render(several, camera(), pose, SDD, HEIGHT, WIDTH)
        assert pictures.shape == (3, 3, HEIGHT, WIDTH)
        for n, one in enumerate(several):
            alone = render(one, camera(), pose[n : n + 1], SDD, HEIGHT, WIDTH)
            assert_close(pictures[n : n + 1, : one.n_classes], alone, **CLOSE)
            assert pictures[n, one.n_classes :].abs().sum() == 0  # classes that only others have

    def test_each_at_several_poses_through_a_module(self, generator: torch.Generator) -> None:
        several = patients(generator)
        pose = torch.stack([poses(2, one.isocenter) for one in several])
        drr = DRR(camera(), torch.tensor([SDD]), HEIGHT, WIDTH)
        pictures = drr(several, pose)
        assert pictures.shape == (3, 2, 3, HEIGHT, WIDTH)
        for n, one in enumerate(several):
            assert_close(pictures[n, :, : one.n_classes], drr(one, pose[n]), **CLOSE)

    def test_intrinsics_of_each(self, generator: torch.Generator) -> None:
        several = patients(generator)[:2]
        pose = torch.stack([poses(1, one.isocenter)[0] for one in several])
        k_inv, sdd = camera().repeat(2, 1, 1), torch.tensor([900.0, 1000.0])
        k_inv[1, 0, 2] += 0.02
        pictures = render(several, k_inv, pose, sdd, HEIGHT, WIDTH)
        for n, one in enumerate(several):
            alone = render(one, k_inv[n : n + 1], pose[n : n + 1], sdd[n : n + 1], HEIGHT, WIDTH)
            assert_close(pictures[n, : one.n_classes], alone[0], **CLOSE)

    def test_a_batch_padded_to_one_size_shows_the_same(self, generator: torch.Generator) -> None:
        """Air after the last voxel of a patient who lies in air."""
        image = torch.nn.functional.pad(torch.rand(1, 1, 4, 5, 6, generator=generator) * 900, (1,) * 6, value=-1000.0)
        padded = torch.nn.functional.pad(image, (0, 4, 0, 3, 0, 2), value=-1000.0)
        stacked = torch.cat([padded, padded + 50])
        one, other = Subject.from_batch(stacked, SPACING.expand(2, 4, 4))
        pose = poses(2, one.isocenter)
        pictures = render([one, other], camera(), pose, SDD, HEIGHT, WIDTH, None)
        alone = render(Subject(image, SPACING), camera(), pose[:1], SDD, HEIGHT, WIDTH, None)
        assert_close(pictures[:1], alone, **CLOSE)

    def test_gradients_reach_all_of_them(self, generator: torch.Generator) -> None:
        stacked = (torch.rand(2, 1, 5, 6, 7, generator=generator) * 900).requires_grad_()
        several = Subject.from_batch(stacked, torch.eye(4).expand(2, 4, 4))
        pose = poses(2, several[0].isocenter).requires_grad_()
        render(several, camera(), pose, SDD, HEIGHT, WIDTH).sum().backward()
        for gradient in (stacked.grad, pose.grad):
            assert gradient is not None
            assert (gradient.abs().flatten(1).amax(dim=1) > 0).all()

    @pytest.mark.parametrize(
        ("several", "views", "error", "complaint"),
        [
            (2, (3, 4, 4), ValueError, r"rt_inv must be \[N, 4, 4\] .* got shape \(3, 4, 4\) for 2 of them"),
            (0, (1, 4, 4), ValueError, "for 0 of them"),
            (2, (4, 4), ValueError, r"got shape \(4, 4\) for 2"),
            ("no subject", (2, 4, 4), TypeError, "subject must be a Subject or a list of them, got a str"),
            (None, (2, 4, 4), TypeError, "subject must be a Subject or a list of them, got a NoneType"),
            (
                [Tool.make("ball")],
                (1, 4, 4),
                TypeError,
                r"got a Tool; Projector\(\[ct, tool\], carm=carm\) takes tools",
            ),
        ],
    )
    def test_refusals(self, several: object, views: tuple[int, ...], error: type[Exception], complaint: str) -> None:
        given = [Subject(torch.zeros(1, 1, 2, 2, 2), torch.eye(4))] * several if isinstance(several, int) else several
        with pytest.raises(error, match=complaint):
            render(given, camera(), torch.eye(4).expand(views), SDD, HEIGHT, WIDTH)  # type: ignore[arg-type]

    @pytest.mark.parametrize("output", ["label_path_lengths", "label_masks"])
    def test_labels_of_several_are_refused(self, output: str, generator: torch.Generator) -> None:
        several = patients(generator)[:2]
        pose = torch.cat([poses(1, one.isocenter) for one in several])
        with pytest.raises(ValueError, match=f"output must be one without labels for several subjects, got '{output}'"):
            render(several, camera(), pose, SDD, HEIGHT, WIDTH, kvp=80.0, output=output)  # type: ignore[arg-type]


class TestContrast:
    @pytest.mark.parametrize("classes", [1, 3])
    def test_one_for_each_picture(self, classes: int, generator: torch.Generator) -> None:
        one = subject(generator, classes)
        pose = poses(3, one.isocenter)
        water, bone, hu = torch.tensor([0.018, 0.02, 0.022]), torch.tensor([0.05, 0.06, 0.07]), 1100.0
        one.set_mu(water, bone, hu)
        pictures = render(one, camera(), pose, SDD, HEIGHT, WIDTH)
        for b in range(3):
            alone = Subject(
                one.image_hu, SPACING, one.label, mu_water=float(water[b]), mu_bone=float(bone[b]), hu_bone=hu
            )
            expected = render(alone, camera(), pose[b : b + 1], SDD, HEIGHT, WIDTH)
            assert_close(pictures[b : b + 1], expected, **CLOSE)

    def test_several_contrasts_of_one_pose(self, generator: torch.Generator) -> None:
        one = subject(generator, mu_bone=torch.linspace(0.04, 0.08, 5))
        pose = poses(1, one.isocenter).expand(5, 4, 4)
        pictures = render(one, camera(), pose, SDD, HEIGHT, WIDTH)
        assert (pictures.flatten(1).sum(dim=1).diff() > 0).all()

    def test_refusals(self, generator: torch.Generator) -> None:
        one = subject(generator, mu_water=torch.tensor([0.02, 0.03]))
        with pytest.raises(ValueError, match=r"mu_water must be a number or fit the batch \(3,\), got shape \(2,\)"):
            render(one, camera(), poses(3, one.isocenter), SDD, HEIGHT, WIDTH)
        one.set_mu(0.02, torch.tensor([0.0, 0.05]))
        with pytest.raises(ValueError, match="mu_bone must not be so far below mu_water"):
            render(one, camera(), poses(2, one.isocenter), SDD, HEIGHT, WIDTH)
