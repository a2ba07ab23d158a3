"""`register`: real CT, a polychromatic X-ray with noise against a monoenergetic model, starts some way off.

The long version, 50 starts in each of four settings, is `benchmarks/registration.py`.
"""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from deepdrr.data import Subject
from deepdrr.io import line_integrals_of
from deepdrr.metrics import MutualInformation2d, mean_target_registration_error
from deepdrr.registration import (
    Adam,
    CmaEs,
    DoubtfulRegistrationWarning,
    GaussNewton,
    MultiStart,
    Registration,
    Stage,
    register,
    standard_stages,
)

Moved = Callable[[Tensor, tuple[float, ...], tuple[float, ...]], Tensor]

ONE_VIEW_MM = 2.0
STARTS = [((8.0, -6.0, 9.0), (20.0, -25.0, 15.0)), ((-9.0, 7.0, -5.0), (-28.0, 18.0, -22.0))]


@pytest.fixture
def begin(subject: Subject, truth: Tensor, k_inv: Tensor, sdd: Tensor, moved: Moved) -> Callable[..., Registration]:
    """A registration of the first `views` views, moved away from the truth."""

    def call(views: int, angles: tuple[float, ...], shift: tuple[float, ...]) -> Registration:
        start = moved(truth[:views], angles, shift)
        return Registration(subject, start, k_inv, sdd, 100, 100)

    return call


@pytest.fixture
def error(truth: Tensor, targets: Tensor) -> Callable[[Tensor], float]:
    """Mean target registration error of the first camera, mm."""
    return lambda pose: float(mean_target_registration_error(pose[:1], truth[:1], targets))


class TestAccuracy:
    @pytest.mark.parametrize(("angles", "shift"), STARTS)
    def test_one_view(self, begin, error, xrays: Tensor, angles, shift) -> None:
        registration = begin(1, angles, shift)
        assert error(registration.pose.detach()) > 20
        result = register(registration, xrays[:1])
        # Measured 0.2 to 0.9 mm, most of it depth, at 3 mm pixels; the acceptance asks for 2 mm.
        assert error(result.pose) < ONE_VIEW_MM

    @pytest.mark.parametrize(("angles", "shift"), STARTS)
    def test_two_views(self, begin, error, xrays: Tensor, angles, shift) -> None:
        result = register(begin(2, angles, shift), xrays)
        assert error(result.pose) < 0.3  # the acceptance's median

    def test_from_afar(self, begin, error, xrays: Tensor) -> None:
        """94 mm off, `near` ends elsewhere; a search of the neighbourhood finds the way."""
        pytest.importorskip("cma")
        angles, shift = (-25.0, -20.0, -11.0), (-57.0, -3.0, -53.0)
        with pytest.warns(DoubtfulRegistrationWarning, match="not to be trusted"):
            near = register(begin(1, angles, shift), xrays[:1])
        far = register(begin(1, angles, shift), xrays[:1], stages=standard_stages(100, 100, "far"))
        assert error(near.pose) > 10
        assert error(far.pose) < ONE_VIEW_MM

    def test_another_parameterization(self, subject, truth, k_inv, sdd, moved, error, xrays: Tensor) -> None:
        start = moved(truth[:1], (3.0, 2.0, -4.0), (8.0, -5.0, 10.0))
        registration = Registration(subject, start, k_inv, sdd, 100, 100, parameterization="quaternion_adjugate")
        assert error(register(registration, xrays[:1]).pose) < ONE_VIEW_MM

    def test_a_mask_leaves_a_tool_out(self, begin, error, xrays: Tensor) -> None:
        """A metal plate lies over a quarter of the picture and did not in the CT."""
        covered = xrays[:1].clone()
        covered[..., 55:95, 10:60] = covered.max() + 3
        mask = torch.ones_like(covered)
        mask[..., 50:100, 5:65] = 0
        angles, shift = (4.0, -3.0, 5.0), (10.0, -8.0, 12.0)
        with pytest.warns(DoubtfulRegistrationWarning, match=r"agrees with the X-ray to 0\.\d\d, right ones to 0\.75"):
            assert error(register(begin(1, angles, shift), covered, mask=None).pose) > ONE_VIEW_MM
        result = register(begin(1, angles, shift), covered, mask=mask)
        assert error(result.pose) < ONE_VIEW_MM
        assert [(part.what, part.share) for part in result.left_out] == [("mask", pytest.approx(0.3))]
        assert error(register(begin(1, angles, shift), covered).pose) < ONE_VIEW_MM  # found in the picture

    @pytest.mark.parametrize(("solver", "limit"), [(Adam(), 2.0), (Adam(similarity=MutualInformation2d(24)), 4.0)])
    def test_adam_with_any_similarity(self, begin, error, xrays: Tensor, solver: Adam, limit: float) -> None:
        """30 iterations at half the pixels, from 8 mm: measured 0.6 mm by edges, 2.5 mm by mutual information."""
        stage = Stage(scale=0.5, solver=replace(solver, max_iterations=30), n_samples=100)
        registration = begin(2, (2.0, -2.0, 2.0), (5.0, 4.0, -5.0))
        assert error(registration.pose.detach()) > 7
        assert error(register(registration, xrays, stages=[stage]).pose) < limit


class TestResult:
    def test_it_tells_the_way(self, begin, xrays: Tensor) -> None:
        registration = begin(2, (3.0, 2.0, -4.0), (8.0, -5.0, 10.0))
        first = registration.pose.detach().clone()
        result = register(registration, xrays)
        assert torch.equal(result.trajectory[0].pose, first)
        # The pose is made of float32 numbers, the trajectory of float64 ones.
        torch.testing.assert_close(result.trajectory[-1].pose, result.pose, rtol=0, atol=1e-3)
        assert torch.equal(registration.pose.detach(), result.pose)
        assert (registration.height, registration.width) == (100, 100)
        assert result.iterations == len(result.trajectory) - 1
        assert len(result.stopped) == 3
        torch.testing.assert_close(result.motion @ first.double(), result.pose.double(), rtol=0, atol=1e-3)
        for stage in range(3):
            losses = [iterate.loss for iterate in result.trajectory if iterate.stage == stage]
            assert losses == sorted(losses, reverse=True)
        seconds = [iterate.seconds for iterate in result.trajectory]
        assert seconds == sorted(seconds)

    def test_the_same_twice_and_no_global_randomness(self, begin, xrays: Tensor) -> None:
        pytest.importorskip("cma")
        stages = [Stage(scale=0.3, solver=CmaEs(max_iterations=3), n_samples=60)]
        torch.manual_seed(1)
        before = torch.get_rng_state()
        with pytest.warns(DoubtfulRegistrationWarning):  # three iterations are not enough
            poses = [register(begin(1, (3.0, 2.0, -4.0), (8.0, -5.0, 10.0)), xrays[:1], stages=stages) for _ in "12"]
        assert torch.equal(poses[0].pose, poses[1].pose)
        assert torch.equal(torch.get_rng_state(), before)

    def test_at_the_truth_it_stays(self, begin, error, xrays: Tensor) -> None:
        result = register(begin(1, (0.0, 0.0, 0.0), (0.0, 0.0, 0.0)), xrays[:1])
        assert error(result.pose) < ONE_VIEW_MM

    def test_a_bar_on_a_terminal(
        self, begin, xrays: Tensor, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TTY_COMPATIBLE", "1")
        stages = [Stage(scale=0.3, solver=GaussNewton(max_iterations=2), n_samples=50)]
        register(begin(1, (1.0, 0.0, 0.0), (0.0, 0.0, 0.0)), xrays[:1], stages=stages, progress=True)
        captured = capsys.readouterr()
        assert captured.out == ""
        assert "stage 1 of 1" in captured.err


class TestBadInput:
    def test_targets(self, begin, xrays: Tensor) -> None:
        registration = begin(1, (1.0, 0.0, 0.0), (0.0, 0.0, 0.0))
        with pytest.raises(ValueError, match=r"target must be \[V, 1, H, W\] = \(1, 1, 100, 100\), got shape \(2, 1,"):
            register(registration, xrays)
        with pytest.raises(TypeError, match=r"target must be a floating-point tensor, got dtype torch\.int64"):
            register(registration, xrays[:1].long())
        with pytest.raises(ValueError, match="target must be finite, got 10000 pixels that are NaN or infinite"):
            register(registration, xrays[:1] * torch.nan)
        with pytest.raises(ValueError, match="target must have contrast, view 0 is 2 everywhere"):
            register(registration, torch.full_like(xrays[:1], 2.0))
        with pytest.raises(
            ValueError, match=r"mask must be 'auto', None, or weights that broadcast to .* got shape \(100, 100\)"
        ):
            register(registration, xrays[:1], mask=torch.ones(100, 100))
        with pytest.raises(ValueError, match="mask must hold weights of 0 or more"):
            register(registration, xrays[:1], mask=torch.zeros_like(xrays[:1]))
        with pytest.raises(ValueError, match="stages must hold at least one stage, got none"):
            register(registration, xrays[:1], stages=[])

    def test_settings(self) -> None:
        with pytest.raises(ValueError, match="scale must be above 0 and at most 1, got 2"):
            Stage(scale=2.0, solver=GaussNewton())
        with pytest.raises(ValueError, match="n_samples must be at least 2, got 1"):
            Stage(scale=1.0, solver=GaussNewton(), n_samples=1)
        with pytest.raises(ValueError, match="compared must be 'intensity', 'edges' or 'both', got 'corners'"):
            GaussNewton(compared="corners")  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="max_iterations and tolerance_px must be positive, got 0 and"):
            GaussNewton(max_iterations=0)
        with pytest.raises(ValueError, match="rotation_rate must be positive, got -1"):
            Adam(rotation_rate=-1.0)
        with pytest.raises(ValueError, match=r"keep must be 1 to count \(8\), got 9"):
            MultiStart(count=8, keep=9)
        with pytest.raises(ValueError, match="population must be 4 or more, got 2"):
            CmaEs(population=2)
        with pytest.raises(ValueError, match="start must be 'near' or 'far', got 'away'"):
            standard_stages(100, 100, "away")  # type: ignore[arg-type]

    def test_signals(self) -> None:
        image = torch.tensor([[100.0, 50.0], [0.0, -3.0]])
        found = line_integrals_of(image, 100.0, floor=1e-3)
        torch.testing.assert_close(found, -torch.tensor([[1.0, 0.5], [1e-3, 1e-3]]).log())
        torch.testing.assert_close(line_integrals_of(image.int(), floor=1e-3), found.double())
        with pytest.raises(ValueError, match="image must hold a signal above 0, got at most -1"):
            line_integrals_of(-torch.ones(3, 3))
        with pytest.raises(ValueError, match="open_field must be positive and finite, got as little as 0"):
            line_integrals_of(image, 0.0)
        with pytest.raises(ValueError, match="floor must be between 0 and 1, got 2"):
            line_integrals_of(image, floor=2.0)
        with pytest.raises(ValueError, match=r"image must be \[..., H, W\] with no empty axis, got shape \(4,\)"):
            line_integrals_of(torch.ones(4))


def test_stages_fit_the_image() -> None:
    assert [round(stage.scale * 1536) for stage in standard_stages(1536, 1024)] == [40, 80, 160]
    assert [stage.scale for stage in standard_stages(20, 30)] == [1.0]
