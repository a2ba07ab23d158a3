"""What an X-ray machine does to the logarithm before display: dynamic-range compression, edges, the circular field.

Each function takes and returns float64 planes [..., H, W]; the first two work on attenuation, the last on grey
values.
"""

import math

import numpy as np
import numpy.typing as npt

__all__ = ["circular_field", "compressed", "edge_enhanced", "round_field"]

Values = npt.NDArray[np.float64]


def compressed(dense: Values, strength: float, *, sigma_px: float, pivot: float = 0.0) -> Values:
    """Dynamic-range compression: large structures lose contrast, small ones keep theirs.

    The low-pass part L of the image becomes pivot + (1 − strength) (L − pivot); the rest is added unchanged.

    Args:
        dense: attenuation [..., H, W].
        strength: 0 for none, to less than 1.
        sigma_px: sigma of the Gaussian low-pass, pixels; structures larger than about three sigma count as large.
        pivot: attenuation that is left unchanged.

    Returns:
        [..., H, W].

    Raises:
        ValueError: if the strength or the width is out of range.
    """
    if not 0.0 <= strength < 1.0:
        raise ValueError(f"strength must be in [0, 1), got {strength}")
    return dense - strength * (_low_pass(dense, sigma_px) - pivot)


def edge_enhanced(dense: Values, amount: float, *, sigma_px: float = 1.5) -> Values:
    """Unsharp masking: add `amount` times the detail finer than the Gaussian.

    Args:
        dense: attenuation [..., H, W].
        amount: 0 for none; 0.5 to 2 are usual. Noise is enhanced with the edges.
        sigma_px: sigma of the Gaussian, pixels.

    Returns:
        [..., H, W], with the same mean.

    Raises:
        ValueError: if the amount is negative or the sigma is not positive.
    """
    if not 0.0 <= amount < math.inf:
        raise ValueError(f"amount must be finite and not negative, got {amount}")
    return dense + amount * (dense - _low_pass(dense, sigma_px))


def circular_field(gray: Values, *, outside: float = 0.0) -> Values:
    """The circular picture of a C-arm: black outside the inscribed circle.

    Args:
        gray: [..., H, W].
        outside: grey value outside the circle.

    Returns:
        [..., H, W].
    """
    return np.where(round_field(*gray.shape[-2:]), gray, outside)


def round_field(height: int, width: int) -> npt.NDArray[np.bool_]:
    """Pixels [H, W] whose centre lies in the largest circle about the middle of the image."""
    rows, columns = (np.arange(n) - (n - 1) / 2 for n in (height, width))
    inside: npt.NDArray[np.bool_] = np.hypot(rows[:, None], columns[None, :]) <= min(height, width) / 2
    return inside


def _low_pass(dense: Values, sigma_px: float) -> Values:
    """Blur with a Gaussian; beyond its border the image keeps the border's values."""
    if not 0.0 < sigma_px < math.inf:
        raise ValueError(f"sigma_px must be positive and finite, got {sigma_px}")
    margin = math.ceil(4 * sigma_px)
    padding = [(0, 0)] * (dense.ndim - 2) + [(margin, margin)] * 2
    padded = np.pad(dense, padding, mode="edge")
    rows, columns = (f(n) for f, n in zip((np.fft.fftfreq, np.fft.rfftfreq), padded.shape[-2:], strict=True))
    gauss = np.exp(-2 * (np.pi * sigma_px) ** 2 * (rows[:, None] ** 2 + columns[None, :] ** 2))
    smooth = np.fft.irfft2(np.fft.rfft2(padded) * gauss, s=padded.shape[-2:])
    return np.asarray(smooth[..., margin : margin + dense.shape[-2], margin : margin + dense.shape[-1]])
