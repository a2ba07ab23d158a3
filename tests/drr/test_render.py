"""The integrals, rays and channels of `render`."""

import pytest
import torch
from drr_scenes import HEIGHT, SDD, SPACING, WIDTH, camera, poses, subject
from torch import Tensor
from torch.testing import assert_close

from deepdrr.camera import Camera, make_k_inv, make_rt_inv
from deepdrr.data import Subject
from deepdrr.data.preprocess import MU_WATER, hu_to_mu
from deepdrr.drr import DRR, render
from deepdrr.geometry import transform_point
from deepdrr.raycast import Exact, Field, Samples, project

# Float32 sums of a few hundred terms, by the compiled backend against the reference.
CLOSE = {"rtol": 1e-5, "atol": 1e-5}


def view(one: Subject, pose: Tensor, n_samples: int | None = 500, **how: object) -> Tensor:
    return render(one, camera(), pose, SDD, HEIGHT, WIDTH, n_samples, **how)  # type: ignore[arg-type]


class TestIntegral:
    def test_a_box_of_water_is_as_thick_as_it_is(self) -> None:
        """40 mm along the beam, half a voxel at each end included, in every pixel that sees both faces."""
        box = Subject(torch.zeros(1, 1, 100, 20, 100), torch.diag(torch.tensor([2.0, 2, 2, 1])))
        pose = make_rt_inv(torch.zeros(1, 3), torch.tensor([[0.0, 1e5, 0.0]]), isocenter=box.isocenter)
        picture = render(box, make_k_inv(1e5, 10.0, 10.0, 0.0, 0.0, 5, 7), pose, 2e5, 5, 7)
        assert_close(picture, torch.full((1, 1, 5, 7), 40 * MU_WATER), rtol=1e-5, atol=0)

    def test_it_is_the_operators(self, generator: torch.Generator) -> None:
        one = subject(generator)
        pose = poses(2, one.isocenter)
        field = Field(hu_to_mu(one.image_hu)[0].permute(0, 3, 2, 1), one.world_to_voxel)
        lens = torch.linalg.inv(camera().double()).triu()
        same = Camera(lens, torch.linalg.inv(pose.double()), torch.tensor(SDD).double(), HEIGHT, WIDTH)
        for n_samples, rule in ((40, Samples(40)), (None, Exact())):
            assert_close(view(one, pose, n_samples), project(field, same, integration=rule), **CLOSE)

    def test_more_samples_come_nearer_to_the_exact_integral(self, generator: torch.Generator) -> None:
        one = subject(generator)
        pose = poses(1, one.isocenter)
        exact = view(one, pose, None)
        errors = [float((view(one, pose, n) - exact).abs().mean()) for n in (20, 80, 320)]
        assert errors[0] > 4 * errors[1] > 16 * errors[2]  # second order: 16 times less each, but for kinks

    def test_parallel_rays(self, generator: torch.Generator) -> None:
        one = subject(generator)
        pose = poses(1, one.isocenter)
        lens = torch.linalg.inv(camera().double()).triu()
        distance = torch.tensor(SDD).double()
        same = Camera(lens, torch.linalg.inv(pose.double()), distance, HEIGHT, WIDTH, orthographic=True)
        field = Field(one.image[0].permute(0, 3, 2, 1), one.world_to_voxel)
        expected = project(field, same, integration=Samples(50))
        assert_close(view(one, pose, 50, orthographic=True), expected, **CLOSE)

    def test_the_principal_pixel_looks_at_the_isocenter(self) -> None:
        """One bright voxel in the middle, (x0, y0) = (2, −1) pixels right and up of the detector's centre."""
        image = torch.full((1, 1, 9, 9, 9), -1000.0)
        image[0, 0, 4, 4, 4] = 1000
        point = Subject(image, torch.eye(4))
        pose = make_rt_inv(torch.tensor([[20.0, 30, 40]]), torch.tensor([[0.0, 500, 0]]), isocenter=point.isocenter)
        picture = render(point, make_k_inv(SDD, 3.0, 3.0, 6.0, -3.0, 11, 15), pose, SDD, 11, 15)
        assert int(picture.argmax()) == (5 - 1) * 15 + (7 + 2)

    def test_numbers_without_conversion(self, generator: torch.Generator) -> None:
        one = subject(generator, convert_to_mu=False)
        plain = Subject(hu_to_mu(one.image_hu), SPACING, convert_to_mu=False)
        pose = poses(1, one.isocenter)
        assert float(view(one, pose).abs().max()) > 1000  # HU · mm
        one.convert_to_mu = True
        assert_close(view(one, pose), view(plain, pose), **CLOSE)


class TestRays:
    def test_what_the_camera_says_can_be_given(self, generator: torch.Generator) -> None:
        one = subject(generator)
        pose = poses(2, one.isocenter)
        for parallel in (False, True):
            drr = DRR(camera(), torch.tensor([SDD]), HEIGHT, WIDTH, parallel)
            expected = drr(one, pose)
            # float32 points, half a metre away
            assert_close(view(one, pose, src=drr.src, tgt=drr.tgt), expected, rtol=1e-4, atol=1e-4)
            assert_close(view(one, pose, tgt=drr.tgt, orthographic=parallel), expected, rtol=1e-4, atol=1e-4)
            assert_close(view(one, pose, src=drr.src, orthographic=parallel), expected, rtol=1e-4, atol=1e-4)

    def test_only_what_lies_between_source_and_target_counts(self) -> None:
        """A source in the middle of the volume sees half of it."""
        box = Subject(torch.zeros(1, 1, 20, 20, 20), torch.eye(4))
        pose = make_rt_inv(torch.zeros(1, 3), torch.zeros(1, 3), isocenter=box.isocenter)
        ends = torch.tensor([[[0.0, 0, 100]]])
        picture = render(box, camera(), pose, SDD, 1, 1, tgt=ends)
        assert_close(picture.item(), 10 * MU_WATER, rtol=1e-5, atol=0)

    def test_a_pixel_outside_the_volume_is_zero(self) -> None:
        box = Subject(torch.zeros(1, 1, 4, 4, 4), torch.eye(4))
        pose = make_rt_inv(torch.zeros(1, 3), torch.tensor([[0.0, 500.0, 0.0]]), isocenter=box.isocenter)
        picture = render(box, make_k_inv(SDD, 50.0, 50.0, 0.0, 0.0, 2, 2), pose, SDD, 2, 2)
        assert picture.abs().max() == 0


class TestBatches:
    def test_everything_broadcasts(self, generator: torch.Generator) -> None:
        """Biplane: two cameras with intrinsics and distances of their own, each with two poses."""
        one = subject(generator)
        sdd = torch.tensor([[900.0], [1100.0]])
        k_inv = make_k_inv(sdd[:, 0], 6.0, 7.0, 3.0, torch.tensor([-2.0, 5.0]), HEIGHT, WIDTH)[:, None]
        pose = poses(2, one.isocenter)
        pictures = render(one, k_inv, pose, sdd, HEIGHT, WIDTH)
        assert pictures.shape == (2, 2, 1, HEIGHT, WIDTH)
        for c in range(2):
            for p in range(2):
                alone = render(one, k_inv[c], pose[p : p + 1], float(sdd[c]), HEIGHT, WIDTH)
                assert_close(pictures[c, p], alone[0], **CLOSE)

    @pytest.mark.parametrize("cameras", [1, 3])
    def test_one_pose_for_several_cameras(self, cameras: int, generator: torch.Generator) -> None:
        one = subject(generator)
        k_inv, sdd = camera().expand(cameras, 3, 3), torch.linspace(900, 1000, cameras)
        assert render(one, k_inv, poses(1, one.isocenter), sdd, HEIGHT, WIDTH).shape == (cameras, 1, HEIGHT, WIDTH)

    def test_no_batch_at_all(self, generator: torch.Generator) -> None:
        one = subject(generator)
        pose = poses(1, one.isocenter)
        alone = render(one, camera()[0], pose[0], SDD, HEIGHT, WIDTH)
        assert_close(alone, view(one, pose)[0], rtol=0, atol=0)

    @pytest.mark.parametrize(
        ("image", "pose", "picture"),
        [
            (torch.float32, torch.float32, torch.float32),
            (torch.float64, torch.float64, torch.float64),
            (torch.float16, torch.float32, torch.float32),
            (torch.bfloat16, torch.bfloat16, torch.bfloat16),
        ],
    )
    def test_types(
        self, image: torch.dtype, pose: torch.dtype, picture: torch.dtype, generator: torch.Generator
    ) -> None:
        one = subject(generator, dtype=image)
        view_of = poses(1, one.isocenter).to(pose)
        result = render(one, camera().to(pose), view_of, SDD, HEIGHT, WIDTH, 50)
        assert result.dtype == picture
        exact = render(one.double(), camera().to(pose).double(), view_of.double(), SDD, HEIGHT, WIDTH, 50)
        # The picture's own rounding: sums and positions are float32 or better whatever the inputs' type.
        assert_close(result.double(), exact, rtol=max(torch.finfo(picture).eps, 2e-5), atol=1e-5)


class TestLabels:
    @pytest.mark.parametrize("soft", [False, True])
    @pytest.mark.parametrize("n_samples", [60, None])
    def test_channels_sum_to_the_whole(self, soft: bool, n_samples: int | None, generator: torch.Generator) -> None:
        one = subject(generator, classes=4)
        pose = poses(2, one.isocenter)
        channels = view(one, pose, n_samples, soft_labels=soft)
        assert channels.shape == (2, 4, HEIGHT, WIDTH)
        whole = view(Subject(one.image_hu, SPACING), pose, n_samples)
        assert_close(channels.sum(dim=1, keepdim=True), whole, **CLOSE)

    def test_soft_channels_are_the_masked_volumes(self, generator: torch.Generator) -> None:
        one = subject(generator, classes=3)
        pose = poses(1, one.isocenter)
        channels = view(one, pose, 60, soft_labels=True)
        for label in range(3):
            masked = Subject(torch.where(one.label == label, one.image, 0.0), SPACING, convert_to_mu=False)
            assert_close(channels[:, label], view(masked, pose, 60)[:, 0], **CLOSE)

    def test_max_label_adds_empty_channels(self, generator: torch.Generator) -> None:
        one = subject(generator, classes=3)
        more = Subject(one.image_hu, SPACING, one.label, max_label=5)
        pictures = view(more, poses(1, one.isocenter), 20)
        assert pictures.shape[1] == 6
        assert pictures[:, 3:].abs().max() == 0

    def test_one_class_has_nothing_to_route(self, generator: torch.Generator) -> None:
        one = subject(generator)
        pose = poses(1, one.isocenter)
        assert_close(view(one, pose, soft_labels=True), view(one, pose), rtol=0, atol=0)


class TestBackends:
    @pytest.mark.parametrize("classes", [1, 3])
    def test_they_agree(self, classes: int, generator: torch.Generator) -> None:
        one = subject(generator, classes)
        pose = poses(2, one.isocenter)
        expected = view(one, pose, 50, backend="reference")
        assert_close(view(one, pose, 50), expected, **CLOSE)
        assert_close(view(one, pose, 50, backend="torch"), expected, rtol=0, atol=0)

    def test_unknown(self, generator: torch.Generator) -> None:
        one = subject(generator)
        with pytest.raises(ValueError, match=r"backend must be 'auto' or one of .* got 'triton'"):
            view(one, poses(1, one.isocenter), backend="triton")


def test_points_fall_where_the_picture_has_them() -> None:
    """The brightest pixel of a small bead is the one that its centre projects into."""
    from deepdrr.camera import project_points

    image = torch.full((1, 1, 21, 21, 21), -1000.0)
    image[0, 0, 3, 17, 12] = 3000
    bead = Subject(image, SPACING)
    place = transform_point(bead.voxel_to_world[None], torch.tensor([[[12.0, 17, 3]]]))
    pose = poses(3, bead.isocenter)
    k_inv = make_k_inv(SDD, 2.0, 2.0, 0.0, 0.0, 60, 60)
    uv, visible = project_points(place, k_inv, pose, height=60, width=60)
    assert visible.all()
    brightest = render(bead, k_inv, pose, SDD, 60, 60).flatten(1).argmax(dim=1)
    column, row = uv[:, 0].floor().long().T
    assert (brightest - (row * 60 + column)).abs().max() <= 61  # the bead is wider than a pixel: its neighbour at most
