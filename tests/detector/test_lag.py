"""Lag between frames."""

import math

import pytest
import torch

from deepdrr.detector import AMORPHOUS_SILICON_LAG, CMOS_LAG, Lag, apply_lag


def sequence(levels: list[float], lag: Lag) -> list[float]:
    trapped, read = None, []
    for level in levels:
        frame, trapped = apply_lag(torch.full((1, 1), level, dtype=torch.float64), lag, trapped)
        read.append(float(frame))
    return read


def test_first_frame_after_a_long_exposure() -> None:
    read = sequence([100.0] * 300 + [0.0], AMORPHOUS_SILICON_LAG)
    assert read[-2] == pytest.approx(100.0)
    assert read[-1] == pytest.approx(100.0 * AMORPHOUS_SILICON_LAG.first_frame)
    assert 0.02 <= AMORPHOUS_SILICON_LAG.first_frame <= 0.05
    assert AMORPHOUS_SILICON_LAG.first_frame / CMOS_LAG.first_frame == pytest.approx(7.0)


def test_no_charge_is_lost() -> None:
    read = sequence([100.0, 40.0] + [0.0] * 400, AMORPHOUS_SILICON_LAG)
    assert sum(read) == pytest.approx(140.0)
    assert read[0] < 100.0


def test_decay_is_exponential() -> None:
    read = sequence([100.0, 0.0, 0.0, 0.0], Lag(shares=(0.1,), decay_frames=(2.0,)))
    assert read[2] / read[1] == pytest.approx(math.exp(-0.5))
    assert read[3] / read[2] == pytest.approx(math.exp(-0.5))


def test_the_chain_of_frames_is_differentiable() -> None:
    frames = torch.rand(3, 2, 2, dtype=torch.float64, requires_grad=True)

    def last(frames: torch.Tensor) -> torch.Tensor:
        trapped = None
        for frame in frames:
            read, trapped = apply_lag(frame, AMORPHOUS_SILICON_LAG, trapped)
        return read

    torch.autograd.gradcheck(last, frames)


@pytest.mark.parametrize(
    ("shares", "decay", "sentence"),
    [
        ((0.1,), (1.0, 2.0), "one number for each trap, got 1 and 2"),
        ((-0.1,), (1.0,), "shares must not be negative"),
        ((0.6, 0.5), (1.0, 2.0), "together less than 1"),
        ((0.1,), (0.0,), "decay_frames must be positive"),
    ],
)
def test_lags_that_cannot_be(shares: tuple[float, ...], decay: tuple[float, ...], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Lag(shares=shares, decay_frames=decay)


def test_a_state_of_another_panel() -> None:
    with pytest.raises(ValueError, match=r"trapped must be \[T, ..., H, W\] = \(2, 4, 4\), got \(2, 3, 3\)"):
        apply_lag(torch.ones(4, 4), CMOS_LAG, torch.zeros(2, 3, 3))
