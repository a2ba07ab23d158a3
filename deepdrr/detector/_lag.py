"""Lag: a part of each frame's charge is trapped and read out with later frames."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from deepdrr._numbers import plain_fields

__all__ = ["AMORPHOUS_SILICON_LAG", "CMOS_LAG", "Lag", "apply_lag"]


@dataclass(frozen=True, kw_only=True)
class Lag:
    """Traps, each with the share of a frame's signal that it takes and how long it keeps it.

    Attributes:
        shares: part of each frame's signal that the traps take; together they are the lag of the first frame after a
            long exposure.
        decay_frames: time constants of the traps, in frames.

    Example:
        >>> Lag(shares=(0.02, 0.01), decay_frames=(1.0, 10.0)).first_frame
        0.03
    """

    shares: tuple[float, ...]
    decay_frames: tuple[float, ...]

    def __post_init__(self) -> None:
        plain_fields(self)
        if len(self.shares) != len(self.decay_frames) or not self.shares:
            counts = f"{len(self.shares)} and {len(self.decay_frames)}"
            raise ValueError(f"shares and decay_frames must have one number for each trap, got {counts}")
        if not (all(share >= 0.0 for share in self.shares) and sum(self.shares) < 1.0):
            raise ValueError(f"shares must not be negative and together less than 1, got {self.shares}")
        if not all(0.0 < frames < math.inf for frames in self.decay_frames):
            raise ValueError(f"decay_frames must be positive and finite, got {self.decay_frames}")

    @property
    def first_frame(self) -> float:
        """Signal of the first frame after a long exposure, relative to the exposure's frames."""
        return sum(self.shares)


# First-frame lag of 2 to 5 % in amorphous silicon, a seventh of it in CMOS (ratio: Sheth 2018, PMC6300145).
AMORPHOUS_SILICON_LAG = Lag(shares=(0.025, 0.01), decay_frames=(1.5, 15.0))
CMOS_LAG = Lag(shares=(0.0036, 0.0014), decay_frames=(1.5, 15.0))


def apply_lag(frame: Tensor, lag: Lag, trapped: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """One frame of a sequence with the charge that earlier frames left behind: state in, state out.

    No charge is lost: what a frame lacks comes with later ones, and a constant sequence stays what it is in the end.

    Args:
        frame: [..., H, W], signal of this frame without lag, keV per pixel.
        lag: the traps.
        trapped: [T, ..., H, W], the charge in the traps that the call for the frame before returned; None for a panel
            that has rested.

    Returns:
        The frame as read out [..., H, W], and the charge in the traps now [T, ..., H, W].

    Raises:
        ValueError: if `trapped` does not fit the frame and the traps.

    Example:
        >>> trapped = None
        >>> for level in (100.0, 0.0):
        ...     frame, trapped = apply_lag(torch.full((1, 1), level), Lag(shares=(0.1,), decay_frames=(1.0,)), trapped)
        >>> f"{float(frame):.2f}"  # 10 were trapped, and 1 − 1/e of them come with the next frame
        '6.32'
    """
    shape = (len(lag.shares), *frame.shape)
    if trapped is None:
        trapped = frame.new_zeros(shape)
    if trapped.shape != shape:
        raise ValueError(f"trapped must be [T, ..., H, W] = {shape}, got {tuple(trapped.shape)}")
    over_pixels = (-1, *[1] * frame.ndim)
    kept = torch.tensor([math.exp(-1 / n) for n in lag.decay_frames]).to(frame).reshape(over_pixels)
    taken = torch.tensor(lag.shares).to(frame).reshape(over_pixels)
    read = (1 - lag.first_frame) * frame + ((1 - kept) * trapped).sum(dim=0)
    return read, kept * trapped + taken * frame
