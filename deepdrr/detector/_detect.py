"""`detect`: the raw image of an energy-integrating detector."""

import math
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from deepdrr.detector._noise import electronic_noise, quantum_noise
from deepdrr.spectrum import PrimaryBeam

__all__ = ["EnergyIntegratingDetector", "detect", "expected_signal"]


@dataclass(frozen=True, kw_only=True)
class EnergyIntegratingDetector:
    """A detector whose signal is the energy of all photons that reach the pixel (an absorption of 1).

    Attributes:
        quantum_noise: draw the photons' number and energies; else their mean.
        electronic_noise_electrons: rms noise of the readout per pixel, electrons; 0 for none. The default is that of
            an amorphous-silicon panel, a CMOS panel has 300 to 500 (ratio after Sheth 2018, PMC6300145).
        gain_electrons_per_kev: electrons read out per keV absorbed: 55.6 optical photons per keV × 0.59 coupling
            in CsI (Cao 2018, PMC5774240).
    """

    quantum_noise: bool = True
    electronic_noise_electrons: float = 1500.0
    gain_electrons_per_kev: float = 33.0

    def __post_init__(self) -> None:
        for name in (f.name for f in fields(self)):
            value = getattr(self, name)
            if not 0.0 <= value < math.inf:
                raise ValueError(f"{name} must be finite and not negative, got {value}")
        if self.gain_electrons_per_kev == 0.0:
            raise ValueError("gain_electrons_per_kev must be positive, got 0.0")

    @property
    def electronic_noise_kev(self) -> float:
        """Noise of the readout as energy, keV rms."""
        return self.electronic_noise_electrons / self.gain_electrons_per_kev

    @property
    def draws(self) -> bool:
        """Whether an image of this detector has any noise."""
        return self.quantum_noise or self.electronic_noise_electrons > 0.0


def expected_signal(beam: PrimaryBeam) -> Tensor:
    """Mean of the raw signal: all energy that reaches the pixel.

    Args:
        beam: moments of the beam at the detector [..., H, W].

    Returns:
        [..., H, W], keV per pixel; differentiable.
    """
    return beam.energy_kev


def detect(
    beam: PrimaryBeam,
    detector: EnergyIntegratingDetector | None = None,
    *,
    generator: torch.Generator | None = None,
) -> Tensor:
    """The raw image: the energy absorbed in each pixel, with the detector's noise.

    Args:
        beam: moments of the beam at the detector [..., H, W], photons per pixel.
        detector: the detector; the default has quantum noise and the electronic noise of an a-Si panel.
        generator: source of the noise; needed unless the detector has none.

    Returns:
        [..., H, W], keV per pixel, with the gradient of `expected_signal`. Not clipped: electronic noise makes some
        dark pixels negative, as a panel does after subtraction of its offset.

    Raises:
        TypeError: if the detector draws noise and `generator` is none.
        ValueError: if the beam has negative or non-finite moments.
    """
    detector = detector or EnergyIntegratingDetector()
    signal = expected_signal(beam)
    if not detector.draws:
        return signal
    if generator is None:
        raise TypeError("generator must be a torch.Generator for a detector with noise, got None")
    if detector.quantum_noise:
        signal = quantum_noise(signal, beam.energy_sq_kev2, generator=generator)
    if detector.electronic_noise_electrons > 0.0:
        signal = electronic_noise(signal, detector.electronic_noise_kev, generator=generator)
    return signal
