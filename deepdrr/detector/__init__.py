"""From the beam behind the patient to the detector's raw signal.

An exposure says how many photons the open beam brings to each pixel; `detect` turns the moments of the beam into
keV absorbed per pixel, with quantum and electronic noise. Every effect is a function of its own; those that draw
take a generator.
"""

from deepdrr.detector._detect import EnergyIntegratingDetector, detect, expected_signal
from deepdrr.detector._exposure import Exposure, equivalent_mas, fluence_scale, obliquity_factor
from deepdrr.detector._noise import electronic_noise, quantum_noise

__all__ = [
    "EnergyIntegratingDetector",
    "Exposure",
    "detect",
    "electronic_noise",
    "equivalent_mas",
    "expected_signal",
    "fluence_scale",
    "obliquity_factor",
    "quantum_noise",
]
