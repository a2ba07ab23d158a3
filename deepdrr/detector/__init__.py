"""From the beam behind the patient to the detector's raw image.

An exposure says how many photons the open beam brings to each pixel, `absorb` what they leave in a detector of some
energy response, and `detect` makes the raw image of it: grid, blur, quantum and electronic noise, readout. Every effect
is a function of its own and can be switched off; those that draw take a generator.
"""

from deepdrr._renamed import moved
from deepdrr.detector._blur import (
    PANEL_GLARE,
    Blur,
    Glare,
    aperture_transfer,
    filtered_signal,
    lubberts_fraction,
    optical_transfer,
)
from deepdrr.detector._counting import IdealCounter, PhotonCounter
from deepdrr.detector._detect import behind_grid, detect, expected_signal
from deepdrr.detector._grid import GRIDS, Grid
from deepdrr.detector._lag import AMORPHOUS_SILICON_LAG, CMOS_LAG, Lag, apply_lag
from deepdrr.detector._noise import electronic_noise, quantum_noise
from deepdrr.detector._panel import PANELS, EnergyIntegratingDetector, FlatPanel, Scintillator
from deepdrr.detector._pattern import (
    FixedPattern,
    flat_field_corrected,
    interpolated_defects,
    random_pattern,
    with_pattern,
)
from deepdrr.detector._readout import Readout, digitize
from deepdrr.detector._response import Detector, QuantumSignal, Response, absorb
from deepdrr.detector._scintillator import AbsorbedMoments, absorbed_moments
from deepdrr.detector.exposure._control import air_kerma_map, central_field, controlled_mas
from deepdrr.detector.exposure._exposure import (
    Exposure,
    equivalent_mas,
    fluence_scale,
    incidence_cosine,
    obliquity_factor,
)
from deepdrr.detector.exposure._pixel import pixel_size_mm

__all__ = [
    "AMORPHOUS_SILICON_LAG",
    "CMOS_LAG",
    "GRIDS",
    "PANELS",
    "PANEL_GLARE",
    "AbsorbedMoments",
    "Blur",
    "Detector",
    "EnergyIntegratingDetector",
    "Exposure",
    "FixedPattern",
    "FlatPanel",
    "Glare",
    "Grid",
    "IdealCounter",
    "Lag",
    "PhotonCounter",
    "QuantumSignal",
    "Readout",
    "Response",
    "Scintillator",
    "absorb",
    "absorbed_moments",
    "air_kerma_map",
    "aperture_transfer",
    "apply_lag",
    "behind_grid",
    "central_field",
    "controlled_mas",
    "detect",
    "digitize",
    "electronic_noise",
    "equivalent_mas",
    "expected_signal",
    "filtered_signal",
    "flat_field_corrected",
    "fluence_scale",
    "incidence_cosine",
    "interpolated_defects",
    "lubberts_fraction",
    "obliquity_factor",
    "optical_transfer",
    "pixel_size_mm",
    "quantum_noise",
    "random_pattern",
    "with_pattern",
]

_NOW = {"digitised": "digitize", "lagged": "apply_lag"}
__getattr__ = moved(__name__, {old: f"{__name__}.{new}" for old, new in _NOW.items()})
