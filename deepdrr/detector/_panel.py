"""Energy-integrating detectors: the ideal one and the CsI flat panel."""

import math
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from deepdrr._numbers import plain_fields
from deepdrr.detector._blur import Blur, continued, filtered_signal, noise_margins
from deepdrr.detector._grid import Grid
from deepdrr.detector._noise import electronic_noise, quantum_noise
from deepdrr.detector._pattern import FixedPattern, with_pattern
from deepdrr.detector._readout import Readout, digitize
from deepdrr.detector._response import QuantumSignal, Response
from deepdrr.detector._scintillator import absorbed_moments

__all__ = ["PANELS", "EnergyIntegratingDetector", "FlatPanel", "Scintillator"]


@dataclass(frozen=True, kw_only=True)
class _EnergyIntegrating:
    """What energy-integrating panels share: quanta, and a readout with noise of its own."""

    quantum_noise: bool = True
    electronic_noise_electrons: float = 1500.0
    gain_electrons_per_kev: float = 33.0
    grid: Grid | None = None

    def __post_init__(self) -> None:
        plain_fields(self)
        _check_noise(self.electronic_noise_electrons, self.gain_electrons_per_kev)

    @property
    def electronic_noise_kev(self) -> float:
        """Noise of the readout as absorbed energy, keV rms."""
        return self.electronic_noise_electrons / self.gain_electrons_per_kev

    @property
    def draws(self) -> bool:
        """Whether an image of this detector has any noise."""
        return self.quantum_noise or self.electronic_noise_electrons > 0.0


@dataclass(frozen=True, kw_only=True)
class EnergyIntegratingDetector(_EnergyIntegrating):
    """An ideal panel: its signal is the energy of all photons that reach the pixel, and nothing blurs it.

    Attributes:
        quantum_noise: draw the photons' number and energies; else their mean.
        electronic_noise_electrons: rms noise of the readout per pixel, electrons; 0 for none. The default is that of
            an amorphous-silicon panel, a CMOS panel has 300 to 500 (ratio after Sheth 2018, PMC6300145).
        gain_electrons_per_kev: electrons read out per keV absorbed: 55.6 optical photons per keV × 0.59 coupling
            in CsI (Cao 2018, PMC5774240).
        grid: the anti-scatter grid in front, or None.
    """

    @property
    def unit(self) -> str:
        """`"keV"` per pixel."""
        return "keV"

    def response(self, energies_kev: Tensor) -> Response:
        """All energy of every photon."""
        return Response(energies_kev, energies_kev**2)

    def expected(self, signal: QuantumSignal, pixel_mm: tuple[float, float] | None = None) -> Tensor:
        """The mean, keV per pixel."""
        return signal.mean

    def image(
        self, signal: QuantumSignal, pixel_mm: tuple[float, float] | None, generator: torch.Generator | None
    ) -> Tensor:
        """The mean with noise, keV per pixel."""
        image = _with_quanta(signal, self.quantum_noise, generator)
        return _with_electrons(image, self.electronic_noise_kev, generator)


@dataclass(frozen=True, kw_only=True)
class Scintillator:
    """The CsI:Tl layer.

    Attributes:
        areal_density_g_cm2: mass per area; 0.203 is 600 µm at a packing of 0.75.
        optical_swank: noise of the light yield, the Swank factor of its distribution; 0.9 is usual.
    """

    areal_density_g_cm2: float = 0.203
    optical_swank: float = 0.9

    def __post_init__(self) -> None:
        plain_fields(self)
        if not 0.0 < self.areal_density_g_cm2 < math.inf:
            raise ValueError(f"areal_density_g_cm2 must be positive and finite, got {self.areal_density_g_cm2}")
        if not 0.0 < self.optical_swank <= 1.0:
            raise ValueError(f"optical_swank must be in (0, 1], got {self.optical_swank}")

    def response(self, energies_kev: Tensor) -> Response:
        """Energy that stays in the layer per photon, and its mean square with the noise of the light, [E] each."""
        found = absorbed_moments(energies_kev, self.areal_density_g_cm2)
        moments = (found.mean_kev, found.square_kev2 / self.optical_swank)
        return Response(*(moment.to(energies_kev.device) for moment in moments))


@dataclass(frozen=True, kw_only=True)
class FlatPanel(_EnergyIntegrating):
    """A flat panel of CsI on photodiodes, the detector of today's C-arms.

    The stages: energy absorbed (K escape, Swank noise), quanta drawn, blur of signal and noise, fixed pattern,
    electronic noise, readout. Each can be switched off.

    Attributes:
        scintillator: the absorbing layer.
        blur: aperture, light spread, glare; None for no blur at all. It needs the camera's pixel size.
        quantum_noise: draw the quanta; else their mean.
        electronic_noise_electrons: rms noise of the readout per pixel of the panel, electrons; 0 for none.
        gain_electrons_per_kev: electrons per keV absorbed: 55.6 optical photons per keV × 0.59 coupling (Cao 2018,
            PMC5774240).
        grid: the anti-scatter grid in front, or None.
        pitch_mm: of the panel's own pixels. A larger pixel of the image is the sum of those that it covers, each read
            with noise of its own: n × n of them have n times the noise. (A panel that joins their charge before the
            readout has less, down to that of one.)
        pattern: gain, offset and defects of the panel's own pixels, or None for a corrected panel.
        readout: the converter to ADU; None leaves keV.
    """

    scintillator: Scintillator = field(default_factory=Scintillator)
    blur: Blur | None = field(default_factory=Blur)
    pitch_mm: float = 0.194
    pattern: FixedPattern | None = None
    readout: Readout | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0.0 < self.pitch_mm < math.inf:
            raise ValueError(f"pitch_mm must be positive and finite, got {self.pitch_mm}")

    @property
    def unit(self) -> str:
        """`"keV"` absorbed per pixel, or `"ADU"` where there is a readout."""
        return "keV" if self.readout is None else "ADU"

    def response(self, energies_kev: Tensor) -> Response:
        """Energy absorbed in the scintillator per photon."""
        return self.scintillator.response(energies_kev)

    def expected(self, signal: QuantumSignal, pixel_mm: tuple[float, float] | None) -> Tensor:
        """The mean image, keV per pixel, or ADU before rounding."""
        mean = self._blurred(signal.mean, None, pixel_mm)
        mean = mean if self.pattern is None else with_pattern(mean, self.pattern)
        return mean if self.readout is None else digitize(mean, self.readout, rounded=False)

    def image(
        self, signal: QuantumSignal, pixel_mm: tuple[float, float] | None, generator: torch.Generator | None
    ) -> Tensor:
        """One frame, keV per pixel, or whole ADU."""
        noise = self._quanta_around(signal, pixel_mm, generator) if self.quantum_noise else None
        image = self._blurred(signal.mean, noise, pixel_mm)
        image = image if self.pattern is None else with_pattern(image, self.pattern)
        image = _with_electrons(image, self.readout_noise_kev(pixel_mm), generator)
        return image if self.readout is None else digitize(image, self.readout)

    def readout_noise_kev(self, pixel_mm: tuple[float, float] | None) -> float:
        """Electronic noise of a pixel of the image as absorbed energy, keV rms.

        Args:
            pixel_mm: distance between rows and between columns of the image, mm; None for the panel's own pixels.

        Example:
            >>> panel = FlatPanel()
            >>> round(panel.readout_noise_kev((0.388, 0.388)) / panel.electronic_noise_kev, 6)  # 2 × 2 of them
            2.0
        """
        covered = 1.0 if pixel_mm is None else pixel_mm[0] * pixel_mm[1] / self.pitch_mm**2
        return self.electronic_noise_kev * math.sqrt(max(covered, 1.0))

    def adapted(self, *, kvp: float | None, rays_per_pixel: int) -> "FlatPanel":
        """The panel in a beam of a tube voltage, with a signal averaged over n × n rays in each pixel."""
        if self.blur is None:
            return self
        glare = None if self.blur.glare is None else self.blur.glare.at_voltage(kvp)
        return replace(self, blur=replace(self.blur, glare=glare, rays_per_pixel=rays_per_pixel))

    def _quanta_around(
        self, signal: QuantumSignal, pixel_mm: tuple[float, float] | None, generator: torch.Generator | None
    ) -> Tensor:
        """Deviation from the mean of the quanta in the pixels, and in those beyond the border whose light arrives."""
        margins = (0, 0) if self.blur is None or pixel_mm is None else noise_margins(self.blur, pixel_mm)
        mean, variance = (continued(moment.detach(), margins) for moment in (signal.mean, signal.variance))
        return quantum_noise(mean, variance, generator=needed(generator)) - mean

    def _blurred(self, mean: Tensor, noise: Tensor | None, pixel_mm: tuple[float, float] | None) -> Tensor:
        if self.blur is None:
            return mean if noise is None else mean + noise
        if pixel_mm is None:
            raise ValueError("pixel_mm must be the (row, column) spacing in mm for a detector with blur, got None")
        return filtered_signal(mean, noise, self.blur, pixel_mm)


def _with_quanta(signal: QuantumSignal, wanted: bool, generator: torch.Generator | None) -> Tensor:
    if not wanted:
        return signal.mean
    return quantum_noise(signal.mean, signal.variance, generator=needed(generator))


def _with_electrons(image: Tensor, rms_kev: float, generator: torch.Generator | None) -> Tensor:
    return electronic_noise(image, rms_kev, generator=needed(generator)) if rms_kev > 0.0 else image


def needed(generator: torch.Generator | None) -> torch.Generator:
    """The generator; an error if it is None."""
    if generator is None:
        raise TypeError("generator must be a torch.Generator for a detector with noise, got None")
    return generator


def _check_noise(electrons: float, electrons_per_kev: float) -> None:
    for name, value in (("electronic_noise_electrons", electrons), ("gain_electrons_per_kev", electrons_per_kev)):
        if not 0.0 <= value < math.inf:
            raise ValueError(f"{name} must be finite and not negative, got {value}")
    if electrons_per_kev == 0.0:
        raise ValueError("gain_electrons_per_kev must be positive, got 0.0")


# Pitches: 0.194 mm for amorphous silicon, 0.151 mm for CMOS (Sheth 2018, PMC6300145); they belong to the camera,
# `CArmGeometry(pixel_mm=…)`. A CMOS panel has a quarter of the electronic noise.
PANELS = {"amorphous silicon": FlatPanel(), "CMOS": FlatPanel(electronic_noise_electrons=400.0, pitch_mm=0.151)}
