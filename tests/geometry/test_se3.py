"""Rotations and rigid motions by few numbers."""

import math

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from deepdrr.geometry import (
    Parameterization,
    convert,
    invert_rigid,
    make_se3,
    quaternion_adjugate_to_quaternion,
    rotation,
    rotation_to_matrix,
    se3_exp_map,
    se3_log_map,
    transform_point,
)

ALL = list(Parameterization)


def convention(kind: Parameterization) -> str | None:
    return "ZXY" if kind is Parameterization.EULER else None


def adjugate(quaternion_wxyz: Tensor) -> Tensor:
    """The ten numbers of a quaternion: upper triangle of q qᵀ."""
    rows, columns = torch.triu_indices(4, 4)
    return quaternion_wxyz[..., rows] * quaternion_wxyz[..., columns]


class TestRotations:
    @pytest.mark.parametrize("kind", ALL)
    @pytest.mark.parametrize("batch", [(), (5,), (2, 3)])
    def test_any_numbers_make_a_rotation(
        self, kind: Parameterization, batch: tuple, generator: torch.Generator
    ) -> None:
        numbers = torch.randn(*batch, kind.dim, generator=generator, dtype=torch.float64)
        matrix = rotation_to_matrix(numbers, kind, convention(kind), degrees=False)
        assert matrix.shape == (*batch, 3, 3)
        assert_close(matrix @ matrix.mT, torch.eye(3).double().expand_as(matrix), rtol=0, atol=1e-12)
        assert_close(torch.linalg.det(matrix), torch.ones(batch).double())

    def test_all_of_them_can_say_the_same(self) -> None:
        """A turn of 120° about (1, 1, 1) carries x to y, y to z and z to x."""
        turn = rotation((1, 1, 1), 120)
        quaternion = torch.tensor([0.5, 0.5, 0.5, 0.5], dtype=torch.float64)
        axis_angle = torch.full((3,), math.radians(120) / math.sqrt(3), dtype=torch.float64)
        ways = {
            "quaternion": 7 * quaternion,
            "quaternion_adjugate": adjugate(quaternion),
            "rotation_9d": 2 * turn.flatten(),
            "rotation_6d": torch.cat([3 * turn[:, 0], turn[:, 1] + 5 * turn[:, 0]]),
            "so3_log": axis_angle,
            "se3_log": axis_angle,
        }
        for kind, numbers in ways.items():
            assert_close(rotation_to_matrix(numbers, kind), turn, rtol=0, atol=1e-12, msg=kind)
        ways_euler = rotation_to_matrix(torch.tensor([90.0, 90, 0]).double(), "euler", "ZXY", degrees=True)
        assert_close(ways_euler, rotation((0, 0, 1), 90) @ rotation((1, 0, 0), 90), rtol=0, atol=1e-12)

    def test_a_quaternion_and_its_negative_have_one_adjugate(self, generator: torch.Generator) -> None:
        quaternion = torch.nn.functional.normalize(torch.randn(50, 4, generator=generator, dtype=torch.float64), dim=-1)
        found = quaternion_adjugate_to_quaternion(adjugate(quaternion))
        assert_close((found * quaternion).sum(dim=-1).abs(), torch.ones(50).double())

    @pytest.mark.parametrize("kind", ALL)
    def test_gradients(self, kind: Parameterization, generator: torch.Generator) -> None:
        numbers = torch.randn(2, kind.dim, generator=generator, dtype=torch.float64, requires_grad=True)
        assert torch.autograd.gradcheck(lambda n: rotation_to_matrix(n, kind, convention(kind), degrees=False), numbers)

    def test_euler_angles_are_degrees_unless_told_otherwise(self) -> None:
        quarter = torch.tensor([90.0, 0, 0])
        with pytest.warns(DeprecationWarning, match="degrees now, not in radians") as caught:
            found = rotation_to_matrix(quarter, "euler", "ZXY")
        assert caught[0].filename == __file__
        assert torch.equal(found, rotation_to_matrix(quarter, "euler", "ZXY", degrees=True))
        assert_close(found, rotation_to_matrix(torch.deg2rad(quarter), "euler", "ZXY", degrees=False))

    def test_half_precision_is_computed_in_single(self) -> None:
        numbers = torch.tensor([30.0, 10, 5])
        half = rotation_to_matrix(numbers.half(), "euler", "ZXY", degrees=True)
        assert half.dtype == torch.float32
        assert_close(half, rotation_to_matrix(numbers, "euler", "ZXY", degrees=True))  # these numbers are exact in half

    @pytest.mark.parametrize(
        ("arguments", "complaint"),
        [
            ((torch.zeros(4), "so3_log"), r"rotation must be \[..., 3\], got shape \(4,\)"),
            ((torch.zeros(3), "axis_angle"), "parameterization must be one of 'euler'.* got 'axis_angle'"),
            ((torch.zeros(3), "euler"), "convention must be three axes.* got None"),
            ((torch.zeros(3), "euler", "XXY"), "no two in a row the same, got 'XXY'"),
            ((torch.zeros(3), "euler", "XyZ"), "got 'XyZ'"),
            ((torch.zeros(3), "so3_log", "XYZ"), "convention is for Euler angles, got 'XYZ' for 'so3_log'"),
        ],
    )
    def test_refusals(self, arguments: tuple, complaint: str) -> None:
        with pytest.raises(ValueError, match=complaint):
            rotation_to_matrix(*arguments)

    def test_integers_are_no_rotation(self) -> None:
        with pytest.raises(TypeError, match=r"rotation must be a floating-point tensor, got torch\.int64"):
            rotation_to_matrix(torch.zeros(3, dtype=torch.int64), "so3_log")


class TestPoses:
    @pytest.mark.parametrize("kind", [k for k in ALL if k is not Parameterization.SE3_LOG])
    def test_the_camera_orbits_the_isocenter(self, kind: Parameterization, generator: torch.Generator) -> None:
        numbers, place = (torch.randn(4, n, generator=generator, dtype=torch.float64) for n in (kind.dim, 3))
        isocenter = torch.tensor([10.0, -20, 30], dtype=torch.float64)
        pose = convert(numbers, place, kind, convention(kind), isocenter=isocenter)
        turn = rotation_to_matrix(numbers, kind, convention(kind), degrees=True)
        assert_close(pose[:, :3, :3], turn)
        assert_close(pose[:, :3, 3] - isocenter, (turn @ place[..., None])[..., 0])
        assert pose[:, 3].tolist() == [[0, 0, 0, 1]] * 4

    def test_exponential_is_that_of_matrices(self, generator: torch.Generator) -> None:
        """Against torch's matrix exponential of [[ω]×, u; 0, 0], on both sides of the series' end."""
        omega, u = torch.randn(2, 40, 3, generator=generator, dtype=torch.float64)
        omega = omega * torch.logspace(-8, 0.5, 40).double()[:, None]
        generator_matrix = torch.zeros(40, 4, 4, dtype=torch.float64)
        x, y, z = omega.T
        for (row, column), entry in {(0, 1): -z, (0, 2): y, (1, 0): z, (1, 2): -x, (2, 0): -y, (2, 1): x}.items():
            generator_matrix[:, row, column] = entry
        generator_matrix[:, :3, 3] = u
        # roma takes the first two terms below 1e-6 rad: their square is 1e-12
        assert_close(se3_exp_map(omega, u), torch.linalg.matrix_exp(generator_matrix), rtol=0, atol=1e-12)

    def test_logarithm_undoes_exponential(self, generator: torch.Generator) -> None:
        omega, u = torch.randn(2, 30, 3, generator=generator, dtype=torch.float64)
        omega = 3 * torch.nn.functional.normalize(omega, dim=-1) * torch.linspace(0, 1, 30).double()[:, None]
        log_rotation, log_translation = se3_log_map(se3_exp_map(omega, 100 * u))
        assert_close(log_rotation, omega, rtol=0, atol=1e-9)
        assert_close(log_translation, 100 * u, rtol=0, atol=1e-9)

    def test_exponential_and_its_gradient_exist_at_no_motion(self) -> None:
        omega = torch.zeros(3, requires_grad=True)
        place = se3_exp_map(omega, torch.tensor([1.0, 2, 3]))[:3, 3]
        assert place.tolist() == [1, 2, 3]
        (gradient,) = torch.autograd.grad(place[0], omega)
        assert gradient.tolist() == [0, 1.5, -1]  # V ≈ I + [ω]×/2: ∂(ω × u)ₓ/2 = (0, u_z, −u_y)/2

    def test_gradient_of_the_exponential(self, generator: torch.Generator) -> None:
        omega, u = torch.randn(2, 3, 3, generator=generator, dtype=torch.float64)
        omega = (omega * torch.tensor([[0.1], [0.5], [2.0]])).requires_grad_()
        assert torch.autograd.gradcheck(se3_exp_map, (omega, u.requires_grad_()))

    def test_the_isocenter_counts_for_the_logarithm_too(self) -> None:
        isocenter = torch.tensor([1.0, 2, 3])
        pose = convert(torch.zeros(1, 3), torch.zeros(1, 3), "se3_log", isocenter=isocenter)
        assert pose[0, :3, 3].tolist() == [1, 2, 3]

    def test_autocast_leaves_poses_alone(self, generator: torch.Generator) -> None:
        """In bfloat16 a source 850 mm away would be off by millimetres."""
        numbers, place = torch.randn(2, 4, 3, generator=generator)
        expected = convert(numbers, 850 * place, "se3_log")
        with torch.autocast("cpu", torch.bfloat16):
            pose = convert(numbers, 850 * place, "se3_log")
            moved = transform_point(pose, place[:, None])
        assert_close(pose, expected, rtol=0, atol=0)
        assert_close(moved, transform_point(expected, place[:, None]), rtol=0, atol=0)

    @pytest.mark.parametrize("autocast", [False, True])
    def test_a_compiled_graph_is_whole_and_leaves_poses_alone(self, autocast: bool, generator: torch.Generator) -> None:
        def moved(numbers: Tensor, place: Tensor) -> Tensor:
            return transform_point(convert(numbers, 850 * place, "se3_log"), place[:, None])

        numbers, place = torch.randn(2, 4, 3, generator=generator)
        expected = moved(numbers, place)
        torch._dynamo.reset()
        compiled = torch.compile(moved, backend="eager", fullgraph=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            assert_close(compiled(numbers, place), expected, rtol=0, atol=0)

    def test_make_se3_broadcasts(self) -> None:
        assert make_se3(torch.eye(3), torch.ones(5, 3)).shape == (5, 4, 4)


class TestTransformPoint:
    def test_points_of_a_batch_go_with_its_matrices(self, generator: torch.Generator) -> None:
        matrices = se3_exp_map(*torch.randn(2, 3, 3, generator=generator, dtype=torch.float64))
        points = torch.randn(3, 7, 3, generator=generator, dtype=torch.float64)
        moved = transform_point(matrices, points)
        assert_close(moved[1, 2], matrices[1, :3, :3] @ points[1, 2] + matrices[1, :3, 3])
        assert_close(transform_point(invert_rigid(matrices), moved), points)
        assert_close(transform_point(matrices, points[:1])[2], transform_point(matrices[2:], points[:1])[0])
        assert_close(transform_point(matrices[:, None].expand(3, 7, 4, 4), points[:, 0]), moved[:, :1].expand(3, 7, 3))

    def test_projective_matrices_divide(self) -> None:
        flat = torch.tensor([[[2.0, 0, 1], [0, 2, 0], [0, 0, 4]]])
        assert transform_point(flat, torch.tensor([[3.0, 5.0]])).tolist() == [[1.75, 2.5]]

    def test_shapes_are_named(self) -> None:
        with pytest.raises(ValueError, match=r"got shapes \(1, 4, 4\) and \(1, 4\)"):
            transform_point(torch.eye(4)[None], torch.zeros(1, 4))
