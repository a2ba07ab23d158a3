"""`Registration`: the meaning of its numbers in every parameterisation, and changes of resolution."""

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from deepdrr.camera import make_k_inv, make_rt_inv
from deepdrr.data import Subject
from deepdrr.geometry import Parameterization, rigid, rotation, transform_points
from deepdrr.registration import Registration

SIZE = (32, 40)


@pytest.fixture(scope="module")
def small() -> Subject:
    """A block with a corner cut out, 60 mm, its middle away from the world's origin."""
    hu = torch.full((1, 1, 20, 20, 20), 0.0)
    hu[..., 12:, 12:, 12:] = -1000.0
    matrix = torch.diag(torch.tensor([3.0, 3.0, 3.0, 1.0]))
    matrix[:3, 3] = torch.tensor([100.0, -50.0, 30.0])
    return Subject(hu, matrix)


def cameras(subject: Subject, orientation: str = "AP") -> tuple[Tensor, Tensor, Tensor]:
    """Two views, 90° and some apart."""
    side = {"AP": 700.0, "PA": -700.0}[orientation]
    angles = torch.tensor([[10.0, 5.0, 0.0], [95.0, -5.0, 7.0]])
    rt_inv = make_rt_inv(angles, torch.tensor([[5.0, side, -8.0]]).expand(2, 3), orientation, subject.isocenter)
    return rt_inv, make_k_inv(1020.0, 4.0, 4.0, 0.0, 0.0, *SIZE), torch.tensor([1020.0])


def a_motion() -> Tensor:
    return rigid(rotation((1, -2, 3), 12), (4, -5, 6))


KINDS = [(kind, "ZXY" if kind is Parameterization.EULER else None) for kind in Parameterization]


class TestMotion:
    def test_it_starts_where_it_is_told(self, small: Subject) -> None:
        rt_inv, k_inv, sdd = cameras(small)
        # float32 positions of 700 mm, and ε = 1e-8 of a radian or mm.
        assert_close(Registration(small, rt_inv, k_inv, sdd, *SIZE).pose, rt_inv, rtol=0, atol=2e-4)

    @pytest.mark.parametrize(("kind", "convention"), KINDS)
    def test_every_parameterization_says_the_same(
        self, small: Subject, kind: Parameterization, convention: str | None
    ) -> None:
        rt_inv, k_inv, sdd = cameras(small)
        made = Registration(small, rt_inv, k_inv, sdd, *SIZE, parameterization=kind, convention=convention)
        assert made.rotation.shape == (1, kind.dim)
        made.set_motion_(a_motion())
        assert_close(made.motion.double(), a_motion(), rtol=0, atol=1e-5)  # float32 parameters
        plain = Registration(small, rt_inv, k_inv, sdd, *SIZE)
        plain.set_motion_(a_motion())
        assert_close(made.pose, plain.pose, rtol=0, atol=1e-3)  # float32 numbers of a turn, at 700 mm

    @pytest.mark.parametrize(("kind", "convention"), KINDS)
    def test_every_parameterization_has_gradients_from_the_start(
        self, small: Subject, kind: Parameterization, convention: str | None
    ) -> None:
        rt_inv, k_inv, sdd = cameras(small)
        made = Registration(small, rt_inv, k_inv, sdd, *SIZE, parameterization=kind, convention=convention)
        made(n_samples=50).square().sum().backward()
        for numbers in made.parameters():
            assert numbers.grad is not None
            assert bool(torch.isfinite(numbers.grad).all())
            assert float(numbers.grad.abs().max()) > 0

    def test_it_turns_about_the_isocenter(self, small: Subject) -> None:
        rt_inv, k_inv, sdd = cameras(small)
        made = Registration(small, rt_inv.double(), k_inv.double(), sdd.double(), *SIZE)
        made.set_motion_(rigid(rotation((1, 2, 3), 40), (0, 0, 0)))
        center = small.isocenter.double()
        for before, after in zip(made.rt_inv, made.pose, strict=True):
            seen = [transform_points(torch.linalg.inv(pose), center) for pose in (before, after)]
            assert_close(seen[0], seen[1], rtol=0, atol=1e-9)

    def test_it_shifts_along_the_first_cameras_axes(self, small: Subject) -> None:
        """A camera that goes 5 mm along its own z comes 5 mm nearer; the second view goes with it."""
        rt_inv, k_inv, sdd = cameras(small)
        made = Registration(small, rt_inv.double(), k_inv.double(), sdd.double(), *SIZE)
        made.set_motion_(rigid(torch.eye(3, dtype=torch.float64), (0, 0, 5)))
        shift = made.pose[:, :3, 3] - made.rt_inv[:, :3, 3]
        assert_close(shift, 5 * made.rt_inv[:1, :3, 2].expand(2, 3), rtol=0, atol=1e-9)

    @pytest.mark.parametrize("orientation", ["AP", "PA"])
    def test_the_views_move_as_one_body(self, small: Subject, orientation: str) -> None:
        """nanodrr applies one perturbation in each camera's own axes, which is no motion of one patient."""
        rt_inv, k_inv, sdd = (t.double() for t in cameras(small, orientation))
        made = Registration(small, rt_inv, k_inv, sdd, *SIZE)
        made.set_motion_(a_motion())
        between = torch.linalg.inv(rt_inv[0]) @ rt_inv[1]
        assert_close(torch.linalg.inv(made.pose[0]) @ made.pose[1], between, rtol=0, atol=1e-9)

    def test_of_one_view_it_is_the_perturbation_in_the_cameras_axes(self, small: Subject) -> None:
        """rt_inv · (I, c) T (I, −c), c the isocenter in the camera's frame: what nanodrr does."""
        rt_inv, k_inv, sdd = (t.double() for t in cameras(small))
        made = Registration(small, rt_inv[1:], k_inv, sdd, *SIZE)
        made.set_motion_(a_motion())
        pivot = torch.eye(4, dtype=torch.float64)
        pivot[:3, 3] = transform_points(torch.linalg.inv(rt_inv[1]), small.isocenter.double())
        expected = rt_inv[1] @ pivot @ a_motion() @ torch.linalg.inv(pivot)
        assert_close(made.pose[0], expected, rtol=0, atol=1e-9)

    def test_what_it_sees_is_what_the_pose_sees(self, small: Subject) -> None:
        rt_inv, k_inv, sdd = cameras(small)
        made = Registration(small, rt_inv, k_inv, sdd, *SIZE)
        moved = Registration(small, rt_inv, k_inv, sdd, *SIZE)
        moved.set_motion_(a_motion())
        both = made.render(torch.cat([made.pose, moved.pose]), 100)
        assert both.shape == (4, 1, *SIZE)
        assert_close(both, torch.cat([made(100), moved(100)]))

    def test_names_in_the_state(self, small: Subject) -> None:
        rt_inv, k_inv, sdd = cameras(small)
        made = Registration(small, rt_inv, k_inv, sdd, *SIZE)
        assert {"_rot", "_xyz", "rt_inv", "k_inv", "sdd"} <= made.state_dict().keys()
        assert made.rotation is made._rot


class TestResolution:
    def test_the_detectors_edges_stay(self, small: Subject) -> None:
        rt_inv, k_inv, sdd = cameras(small)
        made = Registration(small, rt_inv, k_inv, sdd, *SIZE)
        for scale in (0.3, 1.7, 0.5):
            made.rescale_(scale)
            corner = torch.tensor([float(made.width), float(made.height), 1.0])
            full = torch.tensor([40.0, 32.0, 1.0])
            assert_close(made.k_inv[0] @ corner, k_inv[0] @ full)
        assert (made.height, made.width) == (8, 10)  # 32 and 40 times 0.255

    def test_scales_that_multiply_to_one_bring_the_size_back(self, small: Subject) -> None:
        rt_inv, k_inv, sdd = cameras(small)
        made = Registration(small, rt_inv, k_inv, sdd, 33, 41)
        for scale in (0.1, 2.0, 5.0):
            made.rescale_(scale)
        assert (made.height, made.width) == (33, 41)
        assert_close(made.k_inv, k_inv)

    def test_the_given_intrinsics_are_not_touched(self, small: Subject) -> None:
        rt_inv, k_inv, sdd = cameras(small)
        before = k_inv.clone()
        Registration(small, rt_inv, k_inv, sdd, *SIZE).rescale_(0.5)
        assert torch.equal(k_inv, before)

    def test_coarse_pixels_see_what_fine_ones_see_on_average(self, small: Subject) -> None:
        rt_inv, k_inv, sdd = cameras(small)
        made = Registration(small, rt_inv, k_inv, sdd, *SIZE)
        fine = torch.nn.functional.avg_pool2d(made(200), 2)
        with made.at_scale(0.5):
            coarse = made(200)
        fine, coarse = fine.detach(), coarse.detach()
        # A ray in the middle of four: off at the block's edges, where a pixel is half in.
        assert float((coarse - fine).abs().median()) < 1e-3 * float(fine.max())

    def test_a_with_block_gives_the_size_back_whatever_happens(self, small: Subject) -> None:
        rt_inv, k_inv, sdd = cameras(small)
        made = Registration(small, rt_inv, k_inv, sdd, *SIZE)
        with pytest.raises(KeyError), made.at_scale(0.37):
            raise KeyError
        assert (made.height, made.width) == SIZE
        assert torch.equal(made.k_inv, k_inv)

    def test_bad_scales(self, small: Subject) -> None:
        made = Registration(small, *cameras(small), *SIZE)
        for scale in (0.0, -1.0, 1e-3, float("nan")):
            with pytest.raises(ValueError, match="scale must leave 1 to 65535 pixels along each side"):
                made.rescale_(scale)


def test_bad_cameras(small: Subject) -> None:
    rt_inv, k_inv, sdd = cameras(small)

    def refused(sentence: str, error: type[Exception] = ValueError, **changes: object) -> None:
        given = {"rt_inv": rt_inv, "k_inv": k_inv, "sdd": sdd, "height": 32, "width": 40, **changes}
        with pytest.raises(error, match=sentence):
            Registration(small, **given)  # type: ignore[arg-type]

    refused(r"rt_inv must be \[V, 4, 4\] for V views, got shape \(4, 4\)", rt_inv=rt_inv[0])
    refused(r"k_inv must be for 1 or 2 views, as many as rt_inv, got 3", k_inv=k_inv.expand(3, 3, 3))
    refused(r"sdd must be \[V\] for V views, got shape \(\)", sdd=torch.tensor(1020.0))
    refused("sdd must be a positive distance in mm, got .-1020", sdd=-sdd)
    refused("k_inv must be finite", k_inv=k_inv * torch.nan)
    refused("rt_inv must be rigid .* off by 3", rt_inv=rt_inv * torch.tensor([2.0, 2.0, 2.0, 1.0]))
    refused("height must be at least 1, got 0", height=0)
    refused(r"rt_inv must be a floating-point tensor, got torch\.int64", TypeError, rt_inv=rt_inv.long())
    refused("sdd must be a floating-point tensor, got float", TypeError, sdd=1020.0)
    refused("parameterization must be one of 'euler', .* got 'axis'", parameterization="axis")
    refused("convention must be three axes .* got None", parameterization="euler")
    refused("convention is for Euler angles, got 'ZXY'", convention="ZXY")
