"""The panel's own pattern: gains and offsets of its pixels, defects; and its correction."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from deepdrr._numbers import plain

__all__ = ["FixedPattern", "flat_field_corrected", "interpolated_defects", "random_pattern", "with_pattern"]


@dataclass(frozen=True, eq=False)
class FixedPattern:
    """What each pixel does to its signal.

    Attributes:
        gain: [H, W], factor on the signal, about 1.
        offset_kev: [H, W], added to it, keV.
        defects: [H, W] bool, pixels that give nothing but their offset.
    """

    gain: Tensor
    offset_kev: Tensor
    defects: Tensor

    def __post_init__(self) -> None:
        shapes = {tuple(t.shape) for t in (self.gain, self.offset_kev, self.defects)}
        if len(shapes) != 1 or self.gain.ndim != 2:
            raise ValueError(f"gain, offset_kev and defects must all be [H, W], got the shapes {sorted(shapes)}")
        if self.defects.dtype != torch.bool:
            raise TypeError(f"defects must be bool, got {self.defects.dtype}")
        if not bool((torch.isfinite(self.gain) & (self.gain >= 0)).all()):
            raise ValueError("gain must be finite and not negative")
        if not bool(torch.isfinite(self.offset_kev).all()):
            raise ValueError("offset_kev must be finite")


def random_pattern(
    height: int,
    width: int,
    *,
    gain_spread: float = 0.02,
    offset_spread_kev: float = 50.0,
    defect_share: float = 1e-4,
    generator: torch.Generator,
) -> FixedPattern:
    """A pattern such as panels have: normal gains and offsets, a few dead pixels and dead columns.

    Args:
        height, width: of the panel.
        gain_spread: standard deviation of the gain.
        offset_spread_kev: standard deviation of the offset, keV.
        defect_share: chance of a pixel to be dead; a tenth of it for a column's lower half.
        generator: source of the draw.

    Returns:
        The pattern, float32.

    Raises:
        ValueError: if a spread is negative or not finite, or the share is not in [0, 1].
    """
    gain_spread, offset_spread_kev, defect_share = plain((gain_spread, offset_spread_kev, defect_share))
    for name, value in (("gain_spread", gain_spread), ("offset_spread_kev", offset_spread_kev)):
        if not 0.0 <= value < math.inf:
            raise ValueError(f"{name} must be finite and not negative, got {value}")
    if not 0.0 <= defect_share <= 1.0:
        raise ValueError(f"defect_share must be in [0, 1], got {defect_share}")
    gain = (1 + gain_spread * torch.randn(height, width, generator=generator)).clamp(min=0.0)
    offset = offset_spread_kev * torch.randn(height, width, generator=generator)
    defects = torch.rand(height, width, generator=generator) < defect_share
    defects[height // 2 :] |= torch.rand(width, generator=generator) < 0.1 * defect_share
    return FixedPattern(gain, offset, defects)


def with_pattern(signal_kev: Tensor, pattern: FixedPattern) -> Tensor:
    """The signal as the panel's pixels give it, before any correction.

    Args:
        signal_kev: [..., H, W], keV.
        pattern: of a panel of the same size.

    Returns:
        [..., H, W], keV.

    Raises:
        ValueError: if the sizes differ.
    """
    if signal_kev.shape[-2:] != pattern.gain.shape:
        size, own = tuple(signal_kev.shape[-2:]), tuple(pattern.gain.shape)
        raise ValueError(f"pattern must have the size of the image {size}, got {own}")
    gain, offset = (t.to(signal_kev) for t in (pattern.gain, pattern.offset_kev))
    return torch.where(pattern.defects.to(signal_kev.device), 0.0, signal_kev * gain) + offset


def flat_field_corrected(raw: Tensor, dark: Tensor, flat: Tensor, *, defects: Tensor | None = None) -> Tensor:
    """Take out the pattern: (raw − dark) over the normalised (flat − dark), and defects from their neighbours.

    Args:
        raw: [..., H, W], keV or ADU.
        dark: [H, W], mean of frames without beam, the same unit.
        flat: [H, W], mean of frames of the open beam.
        defects: [H, W] bool, pixels to interpolate; None for those whose flat is not above their dark.

    Returns:
        [..., H, W], the unit of `raw`; the mean of the open beam stays.

    Raises:
        ValueError: if the shapes do not fit, or a pixel that is not a defect has no signal in the flat.
    """
    if not raw.shape[-2:] == dark.shape == flat.shape:
        shapes = f"{tuple(raw.shape)}, {tuple(dark.shape)} and {tuple(flat.shape)}"
        raise ValueError(f"raw must be [..., H, W] and dark and flat [H, W] of the same size, got {shapes}")
    gain = flat - dark
    defects = gain <= 0 if defects is None else defects
    if bool((gain <= 0)[~defects].any()):
        raise ValueError("flat must be brighter than dark in every pixel that is not a defect")
    gain = torch.where(defects, torch.ones_like(gain), gain / gain[~defects].mean())
    return interpolated_defects((raw - dark) / gain, defects)


def interpolated_defects(image: Tensor, defects: Tensor) -> Tensor:
    """Defective pixels replaced by the mean of the good ones around them, from the rim of a cluster inward.

    Args:
        image: [..., H, W].
        defects: [H, W] bool.

    Returns:
        [..., H, W]; differentiable in the good pixels.

    Raises:
        ValueError: if the shapes do not fit or no pixel is good.
    """
    if image.shape[-2:] != defects.shape or defects.dtype != torch.bool:
        shapes = f"{tuple(image.shape)} and {defects.dtype} {tuple(defects.shape)}"
        raise ValueError(f"defects must be bool [H, W], of the size of the image, got {shapes}")
    if bool(defects.all()):
        raise ValueError("defects must leave at least one good pixel")
    planes = image.reshape(-1, 1, *defects.shape)
    good = ~defects[None, None].to(image.device)
    while not bool(good.all()):
        count = _neighbors(good.to(image.dtype))
        fill = _neighbors(torch.where(good, planes, 0.0)) / count.clamp(min=1.0)
        reached = ~good & (count > 0)
        planes, good = torch.where(reached, fill, planes), good | reached
    return planes.reshape(image.shape)


def _neighbors(planes: Tensor) -> Tensor:
    """Sum over the eight neighbours, [N, 1, H, W]."""
    kernel = planes.new_ones(1, 1, 3, 3)
    kernel[..., 1, 1] = 0.0
    return torch.nn.functional.conv2d(planes, kernel, padding=1)
