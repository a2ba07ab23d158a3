"""Blur: pixel aperture, light spread in the scintillator, veiling glare; and how it colours quantum noise.

The light of one photon spreads as the scintillator's transfer function T(f), the pixel integrates over its
aperture (sinc), and a little light travels far (glare). So the mean signal is filtered by
M = T · sinc · G. The noise of the quanta is spread alike and then sampled, which folds
frequencies above Nyquist back: its power is filtered by

    N²(f) = G²(f) Σₖ T²(fₖ) / R(fₖ) · sinc²(fₖ)        fₖ = f + k / pixel

with the Lubberts fraction R ≤ 1: light from deep layers spreads less than light from the entrance, which
keeps noise sharper than the signal. Both have a gain of 1 at zero frequency. The mean continues beyond the border as
at it, and noise of its own is drawn there; nothing wraps around.
"""

import math
from dataclasses import dataclass, replace
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn.functional import pad

from deepdrr._numbers import as_count, plain_fields
from deepdrr._snapshot import lasting

__all__ = [
    "PANEL_GLARE",
    "Blur",
    "Glare",
    "aperture_transfer",
    "continued",
    "filtered_signal",
    "lubberts_fraction",
    "noise_margins",
    "optical_transfer",
]

# Four layers of 150 µm, entrance first: distance to the photodiodes in mm, and the share of the energy that an RQA5
# beam (mean 52 keV, µ of the layer 3.9 /mm) leaves in each, e^(−µ z) normalised.
_LAYER_DISTANCE = (0.525, 0.375, 0.225, 0.075)
_LAYER_SHARE = (0.492, 0.273, 0.151, 0.084)
_GLARE_AT_KV = 84.0


@dataclass(frozen=True, kw_only=True)
class Glare:
    """Veiling glare: light that travels far in the cover and the glass, a point spread ∝ exp(−r / a) / r.

    `PANEL_GLARE`, that of a `Blur`, grows with the voltage of the beam: 0.08 at 60 kV to 0.105 at 120 kV, a straight
    line through the two voltages at which it was measured (Varian OBI panel, PMC3443192).

    Attributes:
        fraction: of the light; the low-frequency drop of the MTF.
        fraction_per_kv: what the fraction grows by with the tube voltage, from its value at 84 kV.
        range_mm: a, mm. No measurement of it is at hand; 20 mm puts the drop below 0.1 /mm, where such panels show it.
    """

    fraction: float = 0.09
    range_mm: float = 20.0
    fraction_per_kv: float = 0.0

    def __post_init__(self) -> None:
        plain_fields(self)
        if not 0.0 <= self.fraction < 1.0:
            raise ValueError(f"fraction must be in [0, 1), got {self.fraction}")
        if not 0.0 < self.range_mm < math.inf:
            raise ValueError(f"range_mm must be positive and finite, got {self.range_mm}")
        if not math.isfinite(self.fraction_per_kv):
            raise ValueError(f"fraction_per_kv must be finite, got {self.fraction_per_kv}")

    def at_voltage(self, kvp: float | None) -> "Glare":
        """The glare of a beam of so many kV; itself if the voltage is unknown.

        Example:
            >>> [round(PANEL_GLARE.at_voltage(kvp).fraction, 3) for kvp in (60.0, 84.0, 120.0)]
            [0.08, 0.09, 0.105]
        """
        if kvp is None or not self.fraction_per_kv:
            return self
        fraction = min(max(self.fraction + self.fraction_per_kv * (kvp - _GLARE_AT_KV), 0.0), 0.999)
        return Glare(fraction=fraction, range_mm=self.range_mm)

    def transfer(self, frequency: Tensor) -> Tensor:
        """Transfer at frequencies in 1/mm: 1 at zero, 1 − fraction at high ones."""
        return 1 - self.fraction + self.fraction * self.halo(frequency)

    def halo(self, frequency: Tensor) -> Tensor:
        """Transfer of the light that travels far."""
        return 1 / torch.sqrt(1 + (2 * math.pi * self.range_mm * frequency) ** 2)


PANEL_GLARE = Glare(fraction=0.09, fraction_per_kv=(0.105 - 0.08) / (120.0 - 60.0))
"""The glare of a flat panel, by tube voltage."""


@dataclass(frozen=True, kw_only=True)
class Blur:
    """The blurs of a flat panel, each of which can be switched off.

    Attributes:
        aperture: average over the pixel's area. A single ray goes through its centre; this makes it a pixel. A signal
            that several rays were averaged over has the aperture already, the noise of its quanta has not.
        light_spread_mm: H of `optical_transfer`, mm; 0.15 for 0.6 to 0.7 mm of CsI; 0 for none.
        lubberts: noise of the quanta keeps the sharpness of the deep layers, see `lubberts_fraction`.
        glare: veiling glare, or None. The default grows with the tube voltage.
        rays_per_pixel: rays along each side of a pixel that the signal was averaged over before the blur; an exposure
            sets it, see `Technique`.
    """

    aperture: bool = True
    light_spread_mm: float = 0.15
    lubberts: bool = True
    glare: Glare | None = PANEL_GLARE
    rays_per_pixel: int = 1

    def __post_init__(self) -> None:
        plain_fields(self)
        if not 0.0 <= self.light_spread_mm < math.inf:
            raise ValueError(f"light_spread_mm must be finite and not negative, got {self.light_spread_mm}")
        as_count(self.rays_per_pixel, "rays_per_pixel")

    @property
    def reach_mm(self) -> float:
        """Beyond it an edge adds less than 0.1 % of its step: its tail is H / (2 π² x), from 1 − H f at low f."""
        return max(50.0 * self.light_spread_mm, 3.0 * self.glare.range_mm if self.glare else 0.0)


def optical_transfer(frequency: Tensor, light_spread_mm: float) -> Tensor:
    """MTF of a CsI scintillator, 1 / (1 + H f + H f² + H² f³), f in 1/mm (Pautasso 2024, mp.17069).

    Args:
        frequency: f [...], 1/mm, not negative.
        light_spread_mm: H; 0.15 for 0.7 mm of CsI, which gives 0.76, 0.48 and 0.29 at 1, 2 and 3 per mm.

    Returns:
        [...], 1 at zero.
    """
    h, f = light_spread_mm, frequency
    return 1 / (1 + h * f * (1 + f * (1 + h * f)))


def lubberts_fraction(frequency: Tensor, light_spread_mm: float) -> Tensor:
    """MTF² over the noise power of the quanta, for light that spreads in proportion to its way to the photodiodes.

    Four layers i with shares p of the light and transfer functions T_i: R = (Σ p T)² / Σ p T².

    Args:
        frequency: f [...], 1/mm.
        light_spread_mm: H of the layer's mean.

    Returns:
        [...], 1 at zero, falling.
    """
    mean_distance = sum(p * d for p, d in zip(_LAYER_SHARE, _LAYER_DISTANCE, strict=True))
    first, second = torch.zeros_like(frequency), torch.zeros_like(frequency)
    for share, distance in zip(_LAYER_SHARE, _LAYER_DISTANCE, strict=True):
        transfer = optical_transfer(frequency, light_spread_mm * distance / mean_distance)
        first, second = first + share * transfer, second + share * transfer**2
    return first**2 / second


def aperture_transfer(frequency_rows: Tensor, frequency_columns: Tensor, pixel_mm: tuple[float, float]) -> Tensor:
    """Transfer of a square pixel without gaps, sinc · sinc; frequencies in 1/mm."""
    rows, columns = pixel_mm
    return torch.sinc(frequency_rows * rows) * torch.sinc(frequency_columns * columns)


def filtered_signal(mean: Tensor, noise: Tensor | None, blur: Blur, pixel_mm: tuple[float, float]) -> Tensor:
    """Mean and quantum noise of an image, each blurred with its own transfer function, then added.

    Args:
        mean: [..., H, W], any unit; differentiable.
        noise: deviation of the drawn signal from the mean, white, [..., H + 2a, W + 2b] with a and b pixels beyond the
            border on each side, where quanta leave light in the image too, see `noise_margins`; None for no noise.
        blur: what blurs.
        pixel_mm: distance between rows and between columns, mm.

    Returns:
        [..., H, W], of the type of `mean`. An even image stays as it is.
    """
    height, width = mean.shape[-2:]
    margins = tuple(
        max(math.ceil(blur.reach_mm / pitch), beyond)
        for pitch, beyond in zip(pixel_mm, noise_margins(blur, pixel_mm), strict=True)
    )
    shape = (_fast_length(height + 2 * margins[0]), _fast_length(width + 2 * margins[1]))
    of_mean, of_noise = (t.to(mean.device) for t in _transfers(shape, blur, pixel_mm, noise is not None))
    planes = mean.reshape(-1, height, width)
    noises = [None] * len(planes) if noise is None else noise.reshape(-1, *noise.shape[-2:])
    blurred = []
    for plane, deviation in zip(planes, noises, strict=True):
        frequencies = _scaled(torch.fft.rfft2(_extended(plane, margins, shape)), of_mean)
        if deviation is not None:
            of_quanta = torch.fft.rfft2(_framed(deviation, margins, (height, width), shape))
            frequencies = frequencies + _scaled(of_quanta, of_noise)
        whole = torch.fft.irfft2(frequencies, s=shape)
        blurred.append(whole[margins[0] : margins[0] + height, margins[1] : margins[1] + width].to(mean.dtype))
    return torch.stack(blurred).reshape(mean.shape)


def _scaled(frequencies: Tensor, transfer: Tensor) -> Tensor:
    """Complex numbers times real ones, which torch would make complex first; in place it is ten times as fast."""
    if frequencies.device.type not in ("cpu", "cuda"):  # not every other device has such views
        return frequencies * transfer
    torch.view_as_real(frequencies).mul_(transfer[..., None])
    return frequencies


def noise_margins(blur: Blur, pixel_mm: tuple[float, float]) -> tuple[int, int]:
    """Pixels beyond the border, of rows and of columns, whose quanta count for the noise of the image.

    Farther ones leave less than 1e-4 of a pixel's variance: the noise's point spread falls within some H, and glare,
    which reaches farther, adds up to next to no noise.
    """
    rows, columns = (math.ceil(3.0 * blur.light_spread_mm / pitch) + 1 for pitch in pixel_mm)
    return rows, columns


def continued(image: Tensor, margins: tuple[int, int]) -> Tensor:
    """An image [..., H, W] with so many rows and columns more on each side, equal to its border."""
    rows, columns = margins
    planes = image.reshape(-1, 1, *image.shape[-2:])
    wider = pad(planes, (columns, columns, rows, rows), mode="replicate")
    return wider.reshape(*image.shape[:-2], *wider.shape[-2:])


def _extended(plane: Tensor, margins: tuple[int, ...], shape: tuple[int, int]) -> Tensor:
    """In float64 (behind bone there is 1e-5 of the open field, near float32's rounding) with its border continued."""
    (top, left), (height, width) = margins, plane.shape
    edges = (left, shape[1] - width - left, top, shape[0] - height - top)
    return pad(plane.double()[None, None], edges, mode="replicate")[0, 0]


def _framed(noise: Tensor, margins: tuple[int, ...], size: tuple[int, int], shape: tuple[int, int]) -> Tensor:
    """Noise that reaches beyond an image of a size, in its place in the frame of that shape, in float64."""
    beyond = tuple((whole - part) // 2 for whole, part in zip(noise.shape, size, strict=True))
    top, left = (margin - more for margin, more in zip(margins, beyond, strict=True))
    edges = (left, shape[1] - noise.shape[1] - left, top, shape[0] - noise.shape[0] - top)
    return pad(noise.double(), edges)


@lru_cache(maxsize=2)
@lasting()
def _transfers(shape: tuple[int, int], blur: Blur, pixel_mm: tuple[float, float], noisy: bool) -> tuple[Tensor, Tensor]:
    """Factors on the spectra [H, W // 2 + 1] of the mean and of the quanta's noise, if there is noise.

    What does not change with the tube voltage is kept apart, so that another voltage costs a multiplication.
    """
    of_point = blur.aperture and blur.rays_per_pixel == 1
    of_mean = _mean_transfer(shape, blur.light_spread_mm, of_point, pixel_mm)
    of_noise = _noise_transfer(shape, replace(blur, glare=None, rays_per_pixel=1), pixel_mm) if noisy else of_mean
    if blur.glare is None:
        return of_mean, of_noise
    glare = 1 + blur.glare.fraction * (_halo(shape, blur.glare.range_mm, pixel_mm) - 1)
    return of_mean * glare, of_noise * glare if noisy else of_mean


@lru_cache(maxsize=2)
@lasting()
def _mean_transfer(
    shape: tuple[int, int], light_spread_mm: float, aperture: bool, pixel_mm: tuple[float, float]
) -> Tensor:
    """Factor on the mean's spectrum without glare, [H, W // 2 + 1]."""
    rows, columns = _frequencies(shape, pixel_mm)
    transfer = optical_transfer(torch.hypot(rows, columns), light_spread_mm)
    if aperture:
        transfer = transfer * aperture_transfer(rows, columns, pixel_mm)
    return _mirrored(transfer, shape[0])


@lru_cache(maxsize=2)
@lasting()
def _halo(shape: tuple[int, int], range_mm: float, pixel_mm: tuple[float, float]) -> Tensor:
    """Transfer of the light that travels far, [H, W // 2 + 1]."""
    halo = Glare(fraction=0.0, range_mm=range_mm).halo(torch.hypot(*_frequencies(shape, pixel_mm)))
    return _mirrored(halo, shape[0])


@lru_cache(maxsize=2)
@lasting()
def _noise_transfer(shape: tuple[int, int], blur: Blur, pixel_mm: tuple[float, float]) -> Tensor:
    """Factor on the spectrum of the quanta's noise without glare, [H, W // 2 + 1]."""
    rows, columns = _frequencies(shape, pixel_mm)
    return _mirrored(torch.sqrt(_sampled_noise_power(rows, columns, blur, pixel_mm)), shape[0])


def _frequencies(shape: tuple[int, int], pixel_mm: tuple[float, float]) -> tuple[Tensor, Tensor]:
    """Those from zero to Nyquist along rows [H // 2 + 1, 1] and columns [1, W // 2 + 1], 1/mm."""
    rows, columns = (torch.arange(n // 2 + 1).double() / (n * p) for n, p in zip(shape, pixel_mm, strict=True))
    return rows[:, None], columns[None, :]


def _mirrored(transfer: Tensor, rows: int) -> Tensor:
    """With the negative frequencies of the rows, which are transferred alike."""
    row = torch.arange(rows)
    return transfer[torch.minimum(row, rows - row)]


def _sampled_noise_power(rows: Tensor, columns: Tensor, blur: Blur, pixel_mm: tuple[float, float]) -> Tensor:
    """Power of the quanta's noise in the sampled image, relative to white, without glare."""
    table, step = _noise_power_table(blur, 3.0 / min(pixel_mm))
    if not blur.aperture:
        return _looked_up(table, torch.hypot(rows, columns) / step)
    power: Tensor | float = 0.0
    left: Tensor | float = 1.0
    for i in (-1, 0, 1):
        for j in (-1, 0, 1):
            folded = (rows + i / pixel_mm[0], columns + j / pixel_mm[1])
            weight = aperture_transfer(*folded, pixel_mm) ** 2
            power, left = power + weight * _looked_up(table, torch.hypot(*folded) / step), left - weight
    # The weights of all aliases sum to 1: what is left lies further out, at two sampling frequencies or so.
    return power + torch.clamp(torch.as_tensor(left), min=0.0) * table[len(table) * 2 // 3]


def _noise_power_table(blur: Blur, highest: float) -> tuple[Tensor, float]:
    """T² / R at evenly spaced frequencies, and their step in 1/mm."""
    frequency = torch.linspace(0.0, highest, 6000, dtype=torch.float64)
    power = optical_transfer(frequency, blur.light_spread_mm) ** 2
    power = power / lubberts_fraction(frequency, blur.light_spread_mm) if blur.lubberts else power
    return power, float(frequency[1])


def _looked_up(table: Tensor, position: Tensor) -> Tensor:
    """Linear interpolation at positions counted in steps."""
    below = position.long().clamp(max=len(table) - 2)
    return torch.lerp(table[below], table[below + 1], position - below)


def _fast_length(least: int) -> int:
    """The least even number of small factors from `least` on."""
    length = least + least % 2
    while True:
        rest = length
        for factor in (2, 3, 5):
            while rest % factor == 0:
                rest //= factor
        if rest == 1:
            return length
        length += 2
