"""Quantum noise, its spectrum, absorption in the scintillator and DQE(0)."""

import torch
from torch import Tensor

from deepdrr.detector import (
    Blur,
    FlatPanel,
    QuantumSignal,
    absorb,
    absorbed_moments,
    detect,
    filtered_signal,
    lubberts_fraction,
    optical_transfer,
)
from deepdrr.spectrum import Spectrum, air_kerma_ugy, standard_quality
from deepdrr.validation._check import Check, Curve, Figure, Group
from deepdrr.validation._references import reference_rows

__all__ = ["PIXEL_MM", "noise_group", "noise_power", "noise_power_model"]

PIXEL_MM = 0.194
_SHARP = Blur(glare=None)
_SEED = 2026
_KERMA_NGY = (5.0, 20.0, 50.0, 2500.0)
_BANDS = 6
_ROWS = 6


def noise_group(short: bool) -> Group:
    """Check the variance at four exposures, the noise-power spectrum and its integral, absorption and DQE(0)."""
    beam = standard_quality("RQA5")
    side = 512 if short else 1024
    checks = [_variance_check(beam, ngy, side) for ngy in _KERMA_NGY]
    frequency, found, model = _spectra(24 if short else 64)
    return Group(
        title="Quantum noise, scintillator and DQE",
        text=(
            "An RQA 5 beam on the flat panel (600 µm CsI, 0.194 mm pixels), no object. The variance of pixels of a "
            "drawn image, without blur, against Σ n E²; the noise-power spectrum of the blurred quanta against the "
            "model (aperture, light spread, Lubberts, aliasing), in bands; its integral, the variance of a pixel, "
            "against that of the point response; DQE(0) = mean² / (variance × photons), without electronic noise; and "
            "what a photon leaves in the scintillator, against a Monte Carlo of the same slab."
        ),
        checks=(
            *checks,
            _integral_check(beam, side),
            *_band_checks(frequency, found, model),
            _dqe_check(beam, side),
            *_absorption_checks(),
        ),
        figures=(_spectrum_figure(frequency, found, model), _absorption_figure()),
    )


def noise_power(images: Tensor) -> Tensor:
    """Power of [N, H, W] images along the columns' frequencies, [W // 2 + 1], 1 for white noise of variance 1.

    The mean of six rows of the transform on either side of the axis, much as IEC 62220-1 takes it.
    """
    images = images - images.mean(dim=(-2, -1), keepdim=True)
    power: Tensor = torch.fft.fft2(images).abs().square().mean(dim=0) / images[0].numel()
    rows = torch.cat([torch.arange(-_ROWS, 0), torch.arange(1, _ROWS + 1)])
    return power[rows].mean(dim=0)[: images.shape[-1] // 2 + 1]


def noise_power_model(frequency: Tensor, blur: Blur, pixel_mm: float) -> Tensor:
    """Power of the quanta's noise along an axis, relative to white: the alias sum of T² / R · sinc², written out."""
    shift = frequency[:, None] + torch.arange(-40, 41) / pixel_mm
    power = optical_transfer(shift.abs(), blur.light_spread_mm) ** 2 * torch.sinc(shift * pixel_mm) ** 2
    if blur.lubberts:
        power = power / lubberts_fraction(shift.abs(), blur.light_spread_mm)
    glare = blur.glare.transfer(frequency) ** 2 if blur.glare else torch.ones_like(frequency)
    return power.sum(dim=1) * glare


def _flat(beam: Spectrum, panel: FlatPanel, kerma_ngy: float, side: int) -> tuple[QuantumSignal, float]:
    """The signal of an open field, and the photons per pixel that brought it."""
    per_pixel = kerma_ngy * 1e-3 * PIXEL_MM**2 / float(air_kerma_ugy(beam))
    nothing = torch.zeros(1, side, side, dtype=torch.float64)
    return absorb(nothing, beam, ["water"], panel, fluence=per_pixel), per_pixel * float(beam.photons.sum())


def _drawn(signal: QuantumSignal, panel: FlatPanel) -> Tensor:
    generator = torch.Generator().manual_seed(_SEED)
    return detect(signal, panel, pixel_mm=(PIXEL_MM, PIXEL_MM), generator=generator).double()


def _variance_check(beam: Spectrum, kerma_ngy: float, side: int) -> Check:
    panel = FlatPanel(blur=None, electronic_noise_electrons=0.0)
    signal, photons = _flat(beam, panel, kerma_ngy, side)
    response = panel.response(beam.energies_kev)
    weights = beam.photons / beam.photons.sum() * photons
    return Check(
        name=f"variance of a pixel, {kerma_ngy:g} nGy",
        value=float(_drawn(signal, panel).var()),
        reference=float((weights * response.mean_square).sum()),
        unit="keV²",
        source="Σ n w₂(E)",
        limit=0.02,
    )


def _integral_check(beam: Spectrum, side: int) -> Check:
    panel = FlatPanel(blur=_SHARP, electronic_noise_electrons=0.0)
    signal, _ = _flat(beam, panel, 50.0, side)
    image = _drawn(signal, panel)
    power = torch.fft.fft2(image - image.mean()).abs().square() / image.numel()
    point = torch.zeros(129, 129, dtype=torch.float64)
    point[64, 64] = 1.0
    kernel = filtered_signal(torch.zeros_like(point), point, _SHARP, (PIXEL_MM, PIXEL_MM))
    return Check(
        name="integral of the noise-power spectrum, 50 nGy",
        value=float(power.mean()),
        reference=float(signal.variance[0, 0] * kernel.square().sum()),
        unit="keV²",
        source="point response",
        limit=0.01,
    )


def _spectra(frames: int) -> tuple[Tensor, Tensor, Tensor]:
    """Frequencies in 1/mm, the noise power found and that of the model, [129] each, 1 for white noise."""
    level, per_photon, side = 500.0, 50.0, 256
    signal = QuantumSignal(*(torch.full((frames, side, side), level * per_photon**k) for k in (1, 2)))
    panel = FlatPanel(blur=_SHARP, electronic_noise_electrons=0.0)
    found = noise_power(_drawn(signal, panel)) / (level * per_photon**2)
    frequency = torch.fft.rfftfreq(side, PIXEL_MM, dtype=torch.float64)
    return frequency, found, noise_power_model(frequency, _SHARP, PIXEL_MM)


def _band_checks(frequency: Tensor, found: Tensor, model: Tensor) -> list[Check]:
    # The eight lowest frequencies are left out: there the subtracted mean takes from the power.
    f, a, b = (values[8:128].reshape(_BANDS, -1) for values in (frequency, found, model))
    return [
        Check(
            name=f"noise power, {float(f[i, 0]):.2f} to {float(f[i, -1]):.2f} /mm",
            value=float(a[i].mean()),
            reference=float(b[i].mean()),
            source="model, relative to white",
            limit=0.05,
        )
        for i in range(_BANDS)
    ]


def _dqe_check(beam: Spectrum, side: int) -> Check:
    panel = FlatPanel(blur=None, electronic_noise_electrons=0.0)
    signal, photons = _flat(beam, panel, 2500.0, side)
    image = _drawn(signal, panel)
    return Check(
        name="DQE(0), RQA 5, 2500 nGy",
        value=float(image.mean() ** 2 / image.var()) / photons,
        reference=0.70,
        source="slab Monte Carlo × Swank 0.9",
        limit=0.03,
        kind="absolute",
    )


def _absorption_checks() -> list[Check]:
    rows = reference_rows("csi_absorption")
    found = absorbed_moments(torch.tensor([float(row["energy_kev"]) for row in rows], dtype=torch.float64))
    checks = []
    for i, row in enumerate(rows):
        energy = float(row["energy_kev"])
        values = {
            "interacting": (float(found.interacting[i]), 0.001),
            # The model lets K photons leave in one flight and coherent scattering pass.
            "absorbed": (float(found.mean_kev[i]) / energy, 0.02),
            "swank": (float(found.swank[i]), 0.01),
        }
        for column, (value, limit) in values.items():
            checks.append(
                Check(
                    name=f"CsI, {_CSI_NAMES[column]}, {energy:g} keV",
                    value=value,
                    reference=float(row[column]),
                    source="slab Monte Carlo",
                    limit=limit,
                    kind="absolute",
                )
            )
    return checks


_CSI_NAMES = {"interacting": "photons that interact", "absorbed": "energy that stays", "swank": "Swank factor"}


def _spectrum_figure(frequency: Tensor, found: Tensor, model: Tensor) -> Figure:
    f = tuple(frequency[1:].tolist())
    return Figure(
        title="Noise-power spectrum of the quanta: line the model, dots drawn images",
        x_label="spatial frequency, 1/mm",
        y_label="power, white noise = 1",
        curves=(Curve("model", f, tuple(model[1:].tolist())), Curve("drawn", f, tuple(found[1:].tolist()), dots=True)),
    )


def _absorption_figure() -> Figure:
    energies = torch.linspace(15.0, 130.0, 400, dtype=torch.float64)
    found = absorbed_moments(energies)
    curves = []
    lines = {"interacting": found.interacting, "absorbed": found.mean_kev / energies, "swank": found.swank}
    rows = reference_rows("csi_absorption")
    for column, values in lines.items():
        curves.append(Curve(_CSI_NAMES[column], tuple(energies.tolist()), tuple(values.tolist())))
        dots = tuple(float(row[column]) for row in rows)
        curves.append(Curve("", tuple(float(row["energy_kev"]) for row in rows), dots, dots=True))
    return Figure(
        title="CsI of 0.203 g/cm²: lines ours, dots the Monte Carlo",
        x_label="photon energy, keV",
        y_label="share",
        curves=tuple(curves),
    )
