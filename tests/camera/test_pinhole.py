"""The camera as bare tensors: k_inv, rt_inv, resampling and points."""

import math

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from deepdrr.camera import Camera, invert_rt_inv, make_k_inv, make_rt_inv, project_points, resample
from deepdrr.geometry import convert


def camera(k_inv: Tensor, rt_inv: Tensor, sdd: float, height: int, width: int, orthographic: bool = False) -> Camera:
    """The same camera as an object."""
    k, pose = torch.linalg.inv(k_inv).triu(), torch.linalg.inv(rt_inv)
    return Camera(k, pose, torch.tensor(sdd, dtype=k.dtype), height, width, orthographic)


class TestIntrinsics:
    def test_the_detector_is_where_it_was_asked_to_be(self) -> None:
        k_inv = make_k_inv(1000.0, 0.5, 0.4, 10.0, -4.0, 200, 300, dtype=torch.float64)
        corner = 1000 * k_inv[0] @ torch.tensor([0.0, 0, 1], dtype=torch.float64)
        assert_close(corner.tolist(), [-75.0 - 10, -40.0 + 4, 1000.0])
        k = torch.linalg.inv(k_inv[0])
        assert_close(k, torch.tensor([[2000.0, 0, 170], [0, 2500, 90], [0, 0, 1]]).double(), rtol=0, atol=1e-9)

    def test_numbers_of_a_batch_with_gradients(self) -> None:
        sdd = torch.tensor([1000.0, 1200.0], requires_grad=True)
        k_inv = make_k_inv(sdd, 1.0, 1.0, 0.0, 0.0, 10, 10)
        assert k_inv.shape == (2, 3, 3)
        (gradient,) = torch.autograd.grad(k_inv[:, 0, 0].sum(), sdd)
        assert_close(gradient, -(sdd.detach() ** -2))

    def test_types(self) -> None:
        assert make_k_inv(1000, 1, 1, 0, 0, 4, 4).dtype == torch.float32
        assert make_k_inv(1000, 1, 1, 0, 0, 4, 4, dtype=torch.float64).dtype == torch.float64

    @pytest.mark.parametrize(
        ("change", "complaint"),
        [
            ({"sdd": -5.0}, r"sdd must be a positive distance in mm, got \[-5\.0\]"),
            ({"delx": 0.0}, "delx must be the width of a pixel"),
            ({"dely": math.nan}, r"dely must be finite, got \[?nan"),
            ({"height": 0}, "height must be at least 1, got 0"),
            ({"x0": torch.zeros(2, 2)}, r"x0 must be a number or a tensor \[B\], got shape \(2, 2\)"),
        ],
    )
    def test_refusals(self, change: dict, complaint: str) -> None:
        arguments = {"sdd": 1000.0, "delx": 1.0, "dely": 1.0, "x0": 0.0, "y0": 0.0, "height": 9, "width": 9} | change
        with pytest.raises(ValueError, match=complaint):
            make_k_inv(**arguments)


class TestPose:
    @pytest.mark.parametrize("orientation", ["AP", "PA", None])
    def test_inverse(self, orientation: str | None, generator: torch.Generator) -> None:
        rotation = 80 * (2 * torch.rand(20, 3, generator=generator, dtype=torch.float64) - 1)
        translation = 500 * torch.randn(20, 3, generator=generator, dtype=torch.float64)
        isocenter = torch.tensor([5.0, 6, 7], dtype=torch.float64)
        pose = make_rt_inv(rotation, translation, orientation, isocenter)
        assert_close(invert_rt_inv(pose, orientation, isocenter), (rotation, translation))

    def test_at_a_quarter_turn_the_pose_comes_back_if_not_the_angles(self) -> None:
        rotation = torch.tensor([[30.0, 90.0, 20.0]], dtype=torch.float64)
        pose = make_rt_inv(rotation, torch.ones(1, 3).double())
        assert_close(make_rt_inv(*invert_rt_inv(pose)), pose, rtol=0, atol=1e-7)

    @pytest.mark.parametrize(("orientation", "front", "handed"), [("AP", 1, 1), ("PA", -1, -1)])
    def test_one_faces_the_patient(self, orientation: str, front: int, handed: int) -> None:
        """The patient's right (+x) is on the picture's left, the head (+z) at its top."""
        k_inv = make_k_inv(1000.0, 1.0, 1.0, 0.0, 0.0, 200, 200)
        pose = make_rt_inv(torch.zeros(1, 3), torch.tensor([[0.0, 500.0 * front, 0.0]]), orientation)
        (right, head), visible = (t[0] for t in project_points(torch.tensor([[10.0, 0, 0], [0, 0, 10]]), k_inv, pose))
        assert visible.all()
        assert right[0] < 100
        assert head[1] < 100
        assert torch.linalg.det(pose[0]) == handed

    def test_gradients(self) -> None:
        numbers = [torch.tensor([n], dtype=torch.float64, requires_grad=True) for n in ([5.0, -3, 8], [1.0, 800, 2])]
        assert torch.autograd.gradcheck(make_rt_inv, numbers)

    def test_unknown_orientation(self) -> None:
        with pytest.raises(ValueError, match=r'orientation must be "AP", "PA" or None, got \'lateral\''):
            make_rt_inv(torch.zeros(1, 3), torch.zeros(1, 3), "lateral")


class TestPoints:
    k_inv = make_k_inv(1000.0, 0.8, 0.9, 7.0, -3.0, 120, 160, dtype=torch.float64)
    pose = make_rt_inv(torch.tensor([[5.0, -9, 3], [-20.0, 0, 11]]).double(), torch.tensor([[0.0, 600, 0]]).double())

    @pytest.mark.parametrize("orthographic", [False, True])
    def test_they_fall_where_the_camera_says(self, orthographic: bool, generator: torch.Generator) -> None:
        points = 40 * torch.randn(2, 9, 3, generator=generator, dtype=torch.float64)
        uv, visible = project_points(points, self.k_inv, self.pose, sdd=1000.0, orthographic=orthographic)
        view = camera(self.k_inv, self.pose, 1000.0, 120, 160, orthographic)
        assert_close(uv, view.project_points(points))
        assert visible.all()

    def test_what_is_not_visible(self) -> None:
        """Behind the source, beside the detector, beyond it."""
        pose = convert(torch.zeros(1, 3), torch.zeros(1, 3), "so3_log").double()
        points = torch.tensor([[0.0, 0, 500], [0, 0, -1], [0, 0, 0], [200, 0, 500], [0, 0, 1001]]).double()
        uv, visible = project_points(points, self.k_inv, pose, sdd=1000.0, height=120, width=160)
        assert visible.tolist() == [[True, False, False, False, False]]
        assert uv.isnan().any(dim=-1).tolist() == [[False, True, True, False, False]]
        assert project_points(points, self.k_inv, pose)[1].tolist() == [[True, False, False, True, True]]

    def test_gradients(self, generator: torch.Generator) -> None:
        points = (40 * torch.randn(2, 3, 3, generator=generator, dtype=torch.float64)).requires_grad_()
        inputs = (points, self.k_inv.clone().requires_grad_(), self.pose.clone().requires_grad_())
        assert torch.autograd.gradcheck(lambda *i: project_points(*i)[0], inputs)

    def test_a_point_without_an_image_leaves_the_others_gradient_alone(self) -> None:
        points = torch.tensor([[10.0, 0, 500], [0, 0, 0]], requires_grad=True)
        uv, visible = project_points(points, self.k_inv.float(), torch.eye(4)[None])
        (gradient,) = torch.autograd.grad(uv[visible].sum(), points)
        assert gradient.isfinite().all()

    def test_parallel_beams_need_a_distance(self) -> None:
        with pytest.raises(ValueError, match="sdd must be given for parallel beams"):
            project_points(torch.zeros(1, 3), self.k_inv, self.pose, orthographic=True)


class TestResample:
    fine = make_k_inv(1000.0, 1.0, 1.0, 0.0, 0.0, 8, 12, dtype=torch.float64)

    def test_the_same_camera_gives_the_same_picture(self, generator: torch.Generator) -> None:
        img = torch.rand(2, 3, 8, 12, generator=generator, dtype=torch.float64)
        assert_close(resample(img, self.fine, self.fine), img, rtol=0, atol=1e-12)

    def test_a_straight_slope_stays_one(self) -> None:
        """Values that are the pixels' places on the detector in mm are so on any other detector, edges included."""
        x = torch.arange(12.0, dtype=torch.float64) + 0.5 - 6
        half = make_k_inv(1000.0, 0.5, 0.5, 1.0, 0.0, 8, 12, dtype=torch.float64)
        picture = resample(x.expand(1, 1, 8, 12), self.fine, half)
        assert_close(picture[0, 0, 3], (torch.arange(12.0).double() + 0.5 - 6) * 0.5 - 1)

    def test_zero_outside_and_the_border_kept_inside(self) -> None:
        wide = make_k_inv(1000.0, 0.75, 0.75, 0.0, 0.0, 16, 24, dtype=torch.float64)
        picture = resample(torch.ones(1, 1, 8, 12).double(), self.fine, wide, height=16, width=24)
        columns = (torch.arange(24) + 0.5 - 12).abs() * 0.75 < 6
        rows = (torch.arange(16) + 0.5 - 8).abs() * 0.75 < 4
        assert_close(picture[0, 0], (rows[:, None] & columns).double())

    def test_gradients(self, generator: torch.Generator) -> None:
        img = torch.rand(1, 1, 8, 12, generator=generator, dtype=torch.float64, requires_grad=True)
        new = make_k_inv(1003.0, 0.77, 0.71, 0.3, 0.1, 8, 12, dtype=torch.float64).requires_grad_()
        assert torch.autograd.gradcheck(lambda i, n: resample(i, self.fine, n), (img, new))

    def test_refusals(self) -> None:
        with pytest.raises(ValueError, match=r"img must be .* \[B, C, H, W\], got torch.float32 \(8, 12\)"):
            resample(torch.zeros(8, 12), self.fine, self.fine)
