"""Scattered photons at the detector: the protocol of scatter models, with its input and output."""

from deepdrr.scatter._model import InBeam, ScatteredFluence, ScatterInput, ScatterModel
from deepdrr.scatter._signal import scatter_signal

__all__ = ["InBeam", "ScatterInput", "ScatterModel", "ScatteredFluence", "scatter_signal"]
