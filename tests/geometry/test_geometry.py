"""Points, rigid transforms and the angles of the C-arm."""

import math

import pytest
import torch
from torch.testing import assert_close

from deepdrr import geo

X, Y, Z = geo.vector(1, 0, 0), geo.vector(0, 1, 0), geo.vector(0, 0, 1)


def random_rigid(generator: torch.Generator) -> torch.Tensor:
    axis, offset = torch.randn(2, 3, generator=generator, dtype=torch.float64)
    return geo.rigid(geo.rotation(axis, float(torch.rand(1, generator=generator)) * 360), offset * 100)


class TestRigid:
    def test_rotation_is_right_handed_and_exact_at_quarter_turns(self) -> None:
        assert (geo.rotation(Z, 90) @ X).tolist() == Y.tolist()
        assert (geo.rotation(X, -90) @ Z).tolist() == Y.tolist()
        assert (geo.rotation(Y, 540) @ X).tolist() == (-X).tolist()

    def test_inverse_undoes(self, generator: torch.Generator) -> None:
        b_from_a = random_rigid(generator)
        points_a = torch.randn(7, 3, generator=generator, dtype=torch.float64) * 300
        back = geo.transform_points(geo.invert_rigid(b_from_a), geo.transform_points(b_from_a, points_a))
        assert_close(back, points_a, rtol=0, atol=1e-10)  # a few ulp of 1000 mm

    def test_rotation_about_keeps_the_center(self) -> None:
        turn = geo.rotation_about((1, 2, 3), 77, center=(10, -20, 30))
        assert_close(geo.transform_points(turn, geo.point(10, -20, 30)), geo.point(10, -20, 30))

    def test_directions_ignore_the_translation(self) -> None:
        assert geo.transform_directions(geo.translation((5, 5, 5)), X).tolist() == X.tolist()

    def test_batches_broadcast(self, generator: torch.Generator) -> None:
        poses = torch.stack([random_rigid(generator) for _ in range(3)])
        points = torch.randn(5, 3, generator=generator, dtype=torch.float64)
        moved = geo.transform_points(poses, points)
        assert moved.shape == (3, 5, 3)
        assert_close(moved[1], geo.transform_points(poses[1], points))

    @pytest.mark.parametrize(
        ("matrix", "complaint"),
        [
            (torch.eye(3), "4×4"),
            (torch.full((4, 4), math.nan), "finite"),
            (torch.diag(torch.tensor([1.0, 1.0, 0.0, 1.0])), "singular"),
            (torch.diag(torch.tensor([1.0, 1.0, 1.0, 2.0])), "0 0 0 1"),
        ],
    )
    def test_a_bad_affine_is_named(self, matrix: torch.Tensor, complaint: str) -> None:
        with pytest.raises(ValueError, match=f"anatomical_from_ijk.*{complaint}"):
            geo.check_affine(matrix, "anatomical_from_ijk")

    def test_a_reflection_or_a_scaling_is_no_rotation(self) -> None:
        with pytest.raises(ValueError, match="reflection"):
            geo.check_rigid(torch.diag(torch.tensor([1.0, 1.0, -1.0])), "rotation")
        with pytest.raises(ValueError, match="off by 3"):
            geo.check_rigid(2.0 * torch.eye(3), "rotation")


class TestPoints:
    def test_bad_triples_are_named(self) -> None:
        with pytest.raises(ValueError, match=r"isocenter must be three coordinates.*\(2,\)"):
            geo.as_point((1, 2), "isocenter")
        with pytest.raises(ValueError, match="finite"):
            geo.point(0, 0, math.inf)
        for value in ("abc", (1, "x", 2), None, {"x": 1}):
            with pytest.raises(TypeError, match="isocenter must be three coordinates in mm, got"):
                geo.as_point(value, "isocenter")  # type: ignore[arg-type]


class TestCarmAngles:
    """DICOM PS3.3 C.8.7.5.1.2, for a patient head first and supine: world x, y, z = right, anterior, superior."""

    @pytest.mark.parametrize(
        ("alpha", "beta", "receptor_at"),
        [(0, 0, Y), (90, 0, -X), (-90, 0, X), (180, 0, -Y), (0, 90, Z), (0, -90, -Z)],
        ids=["front", "left (LAO)", "right (RAO)", "back", "head (CRA)", "feet (CAU)"],
    )
    def test_the_receptor_is_where_the_standard_says(
        self, alpha: float, beta: float, receptor_at: torch.Tensor
    ) -> None:
        assert geo.carm_direction(alpha, beta).tolist() == receptor_at.tolist()

    def test_the_formula(self) -> None:
        a, b = math.radians(33), math.radians(-17)
        expected = geo.vector(-math.sin(a) * math.cos(b), math.cos(a) * math.cos(b), math.sin(b))
        assert_close(geo.carm_direction(33, -17), expected)

    def test_gamma_turns_about_the_beam(self) -> None:
        for gamma in (0, 45, 200):
            assert_close(geo.world_from_carm(20, 30, gamma)[:, 1], geo.carm_direction(20, 30))

    @pytest.mark.parametrize("angles", [(0, 0), (30, 10), (-120, 45), (179, -89), (180, 0)])
    def test_angles_from_the_direction(self, angles: tuple[float, float]) -> None:
        assert geo.beam_angles(geo.carm_direction(*angles)) == pytest.approx(angles, abs=1e-10)

    def test_along_the_axis_primary_is_zero(self) -> None:
        assert geo.beam_angles(geo.carm_direction(57, 90)) == (0.0, 90.0)
