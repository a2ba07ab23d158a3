"""Photons that reach the detector after scattering: what a model of them sees, and what it gives back."""

from deepdrr.scatter._model import InBeam, ScatteredFluence, ScatterInput, ScatterModel
from deepdrr.scatter._signal import scatter_signal

__all__ = ["InBeam", "ScatterInput", "ScatterModel", "ScatteredFluence", "scatter_signal"]
