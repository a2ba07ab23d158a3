"""X-ray spectra: tubes, filters, beam quality, and polychromatic attenuation."""

from deepdrr.spectrum._attenuate import PrimaryBeam, attenuate, open_beam
from deepdrr.spectrum._quadrature import SpectralQuadrature, fit_quadrature, photon_moments
from deepdrr.spectrum._quality import (
    air_kerma_ugy,
    filtered,
    half_value_layer,
    homogeneity,
    mean_energy,
    photons_per_mm2,
)
from deepdrr.spectrum._spectrum import Spectrum, monochromatic
from deepdrr.spectrum._spekpy import spekpy_spectrum
from deepdrr.spectrum._standard import STANDARD_QUALITIES, StandardQuality, standard_quality
from deepdrr.spectrum._tungsten import C_ARM_FILTERS, tungsten_spectrum
from deepdrr.spectrum.sums._operator import spectral_sums
from deepdrr.spectrum.sums._weighted_sums import weighted_sums
from deepdrr.spectrum.tube._focal_spot import FocalSpot, focal_spot_blur, focal_spot_transfer, sampled_sources
from deepdrr.spectrum.tube._heel import HEEL_MATERIALS, HeelEffect, heel_area_density, heel_layers
from deepdrr.spectrum.tube._shutters import Shutters, shutter_transmission
from deepdrr.spectrum.tube._source import SOURCES, XRaySource, xray_source

__all__ = [
    "C_ARM_FILTERS",
    "HEEL_MATERIALS",
    "SOURCES",
    "STANDARD_QUALITIES",
    "FocalSpot",
    "HeelEffect",
    "PrimaryBeam",
    "Shutters",
    "SpectralQuadrature",
    "Spectrum",
    "StandardQuality",
    "XRaySource",
    "air_kerma_ugy",
    "attenuate",
    "filtered",
    "fit_quadrature",
    "focal_spot_blur",
    "focal_spot_transfer",
    "half_value_layer",
    "heel_area_density",
    "heel_layers",
    "homogeneity",
    "mean_energy",
    "monochromatic",
    "open_beam",
    "photon_moments",
    "photons_per_mm2",
    "sampled_sources",
    "shutter_transmission",
    "spectral_sums",
    "spekpy_spectrum",
    "standard_quality",
    "tungsten_spectrum",
    "weighted_sums",
    "xray_source",
]
