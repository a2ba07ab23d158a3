"""X-ray spectra: tubes, filters, beam quality, and polychromatic attenuation."""

from deepdrr.spectrum._attenuate import PrimaryBeam, attenuate, open_beam, spectral_sums
from deepdrr.spectrum._quality import air_kerma_ugy, filtered, half_value_layer, mean_energy
from deepdrr.spectrum._spectrum import Spectrum, monochromatic
from deepdrr.spectrum._tungsten import C_ARM_FILTERS, tungsten_spectrum

__all__ = [
    "C_ARM_FILTERS",
    "PrimaryBeam",
    "Spectrum",
    "air_kerma_ugy",
    "attenuate",
    "filtered",
    "half_value_layer",
    "mean_energy",
    "monochromatic",
    "open_beam",
    "spectral_sums",
    "tungsten_spectrum",
]
