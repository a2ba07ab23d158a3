"""The modulation transfer function, measured with a slanted edge."""

import math

import torch
from torch import Tensor

from deepdrr.detector import Blur, filtered_signal, optical_transfer
from deepdrr.validation._check import Check, Curve, Figure, Group, worst
from deepdrr.validation._noise import PIXEL_MM
from deepdrr.validation._wires import Wire, wire_mtf, wire_variation

__all__ = ["mtf_model", "sharpness_group", "slanted_edge_mtf"]

_LIMIT = 0.02
_LIMIT_BEYOND = 0.03  # its profile is sampled at a quarter of a pixel, not far below the aperture
_BLURS = {
    "flat panel without glare": Blur(glare=None),
    "light spread 0.3 mm": Blur(light_spread_mm=0.3, glare=None),
    "aperture alone": Blur(light_spread_mm=0.0, glare=None),
}
_RAYS = 4  # per side of a pixel, for what is finer than pixels
_WIRES = (
    ("guide wire of 0.36 mm, pixels of 0.194 mm", 0.18, PIXEL_MM),
    ("K-wire of 1.6 mm, pixels of 1.55 mm", 0.8, 8 * PIXEL_MM),
)
_PUBLISHED = ((1.0, 0.76), (2.0, 0.48), (3.0, 0.29))


def sharpness_group(short: bool) -> Group:
    """Check every blur up to Nyquist, and the scintillator's published values."""
    checks = [worst(_edge_checks(name, blur)) for name, blur in _BLURS.items()]
    frequencies = torch.tensor([f for f, _ in _PUBLISHED])
    checks += [
        Check(
            name=f"MTF of CsI, {f:g} /mm",
            value=value,
            reference=reference,
            source="Pautasso 2024",
            limit=_LIMIT,
            kind="absolute",
        )
        for (f, reference), value in zip(_PUBLISHED, optical_transfer(frequencies, 0.15).tolist(), strict=True)
    ]
    checks += [worst(_beyond_nyquist()), *(_wire_check(*wire) for wire in _WIRES)]
    return Group(
        title="Modulation transfer",
        text=(
            "An edge at 3° to the columns is blurred by the panel (pixels of 0.194 mm), its profile sampled at a "
            "quarter of a pixel, differentiated and transformed, as IEC 62220-1 does. Each row is the frequency up to "
            "Nyquist that is furthest from the product of aperture and light spread. With 4 × 4 rays per pixel, the "
            "shadow of a hair of a wire shows the aperture beyond Nyquist too, and steel wires cast an even shadow."
        ),
        checks=tuple(checks),
        figures=(_figure(),),
    )


def _beyond_nyquist() -> list[Check]:
    """The aperture's MTF from Nyquist to its first zero, at the sampling frequency."""
    frequency, mtf = wire_mtf(PIXEL_MM, _RAYS)
    seen = (frequency > 0.5 / PIXEL_MM) & (frequency < 1.0 / PIXEL_MM)
    model = torch.sinc(frequency * PIXEL_MM).abs()
    return [
        Check(
            name=f"MTF beyond Nyquist, aperture alone, {f:.2f} /mm",
            value=value,
            reference=reference,
            source="model",
            limit=_LIMIT_BEYOND,
            kind="absolute",
        )
        for f, value, reference in zip(*(t[seen].tolist() for t in (frequency, mtf, model)), strict=True)
    ]


def _wire_check(name: str, radius_mm: float, pixel_mm: float) -> Check:
    return Check(
        name=f"shadow of a slanted {name}, how it varies along it",
        value=wire_variation(Wire(radius_mm=radius_mm), pixel_mm, _RAYS),
        reference=0.0,
        source="an even shadow",
        limit=0.03,
        kind="absolute",
    )


def slanted_edge_mtf(blur: Blur, pixel_mm: float, size: int = 256, angle_deg: float = 3.0) -> tuple[Tensor, Tensor]:
    """MTF of the picture of a slanted edge.

    Args:
        blur: what blurs it.
        pixel_mm: size of a pixel, mm.
        size: pixels along a side of the picture.
        angle_deg: of the edge to the columns.

    Returns:
        Frequencies in 1/mm and MTF, [F] each. The derivative's and the bin's own transfer is divided out.
    """
    center = torch.arange(size, dtype=torch.float64) - size / 2 + 0.5
    angle = math.radians(angle_deg)
    distance = center[None, :] * math.cos(angle) + center[:, None] * math.sin(angle)  # in pixels
    picture = filtered_signal((distance > 0).double(), None, blur, (pixel_mm, pixel_mm))
    bins, reach = 4, 40
    index = torch.floor(distance * bins).long() + reach * bins
    inside = (index >= 0) & (index < 2 * reach * bins)
    count = torch.bincount(index[inside], minlength=2 * reach * bins)
    profile = torch.bincount(index[inside], weights=picture[inside], minlength=2 * reach * bins) / count
    spread = profile.diff()
    mtf = torch.fft.rfft(spread).abs() / spread.sum()
    frequency = torch.fft.rfftfreq(len(spread), pixel_mm / bins, dtype=torch.float64)
    return frequency, mtf / torch.sinc(frequency * pixel_mm / bins)


def mtf_model(frequency: Tensor, blur: Blur, pixel_mm: float) -> Tensor:
    """The transfer along an axis: light spread, aperture and glare."""
    glare = blur.glare.transfer(frequency) if blur.glare else torch.ones_like(frequency)
    return optical_transfer(frequency, blur.light_spread_mm) * torch.sinc(frequency * pixel_mm) * glare


def _edge_checks(name: str, blur: Blur) -> list[Check]:
    frequency, mtf = slanted_edge_mtf(blur, PIXEL_MM)
    model = mtf_model(frequency, blur, PIXEL_MM)
    checks = []
    for f, value, reference in zip(frequency.tolist(), mtf.tolist(), model.tolist(), strict=True):
        if 0.0 < f <= 0.5 / PIXEL_MM:
            where = f"MTF, {name}, {f:.2f} /mm"
            checks.append(
                Check(name=where, value=value, reference=reference, source="model", limit=_LIMIT, kind="absolute")
            )
    return checks


def _figure() -> Figure:
    curves = []
    for name, blur in _BLURS.items():
        frequency, mtf = slanted_edge_mtf(blur, PIXEL_MM)
        seen = frequency <= 0.5 / PIXEL_MM
        f = frequency[seen]
        curves.append(Curve(name, tuple(f.tolist()), tuple(mtf_model(f, blur, PIXEL_MM).tolist())))
        curves.append(Curve("", tuple(f.tolist()), tuple(mtf[seen].tolist()), dots=True))
    return Figure(
        title="MTF: lines the model, dots the slanted edge",
        x_label="spatial frequency, 1/mm",
        y_label="MTF",
        curves=tuple(curves),
    )
