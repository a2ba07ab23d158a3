"""X-ray spectra: tubes, filters, beam quality, and polychromatic attenuation."""

from deepdrr.spectrum._attenuate import PrimaryBeam, attenuate, open_beam
from deepdrr.spectrum._quadrature import SpectralQuadrature, fit_quadrature, photon_moments
from deepdrr.spectrum._quality import air_kerma_ugy, filtered, half_value_layer, mean_energy
from deepdrr.spectrum._spectral_sums import spectral_sums
from deepdrr.spectrum._spectrum import Spectrum, monochromatic
from deepdrr.spectrum._tungsten import C_ARM_FILTERS, tungsten_spectrum
from deepdrr.spectrum._weighted_sums import weighted_sums

__all__ = [
    "C_ARM_FILTERS",
    "PrimaryBeam",
    "SpectralQuadrature",
    "Spectrum",
    "air_kerma_ugy",
    "attenuate",
    "filtered",
    "fit_quadrature",
    "half_value_layer",
    "mean_energy",
    "monochromatic",
    "open_beam",
    "photon_moments",
    "spectral_sums",
    "tungsten_spectrum",
    "weighted_sums",
]
