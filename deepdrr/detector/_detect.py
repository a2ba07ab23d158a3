"""`detect`: from what the quanta leave in each pixel to the raw image."""

import torch
from torch import Tensor

from deepdrr.detector._panel import FlatPanel
from deepdrr.detector._response import Detector, QuantumSignal

__all__ = ["behind_grid", "detect", "expected_signal"]


def behind_grid(primary: QuantumSignal, detector: Detector, scatter: QuantumSignal | None = None) -> QuantumSignal:
    """Primary beam and scatter, each as the detector's grid lets it pass, added.

    Args:
        primary: signal of the unscattered photons, as `absorb` gives it.
        detector: whose grid it is.
        scatter: signal of the scattered photons, of the same shape; None for no scatter.

    Returns:
        The sum.
    """
    if detector.grid is not None:
        primary = primary.scaled(detector.grid.primary)
        scatter = None if scatter is None else scatter.scaled(detector.grid.scatter)
    return primary if scatter is None else primary + scatter


def expected_signal(
    primary: QuantumSignal,
    detector: Detector | None = None,
    *,
    scatter: QuantumSignal | None = None,
    pixel_mm: tuple[float, float] | None = None,
) -> Tensor:
    """Mean of the raw image.

    Args:
        primary: signal of the unscattered photons [..., H, W], as `absorb` gives it.
        detector: default `FlatPanel()`.
        scatter: signal of the scattered photons, before the grid; None for no scatter.
        pixel_mm: distance between rows and between columns, mm; a detector with blur needs it.

    Returns:
        [..., H, W], in the detector's unit; differentiable.
    """
    detector = detector or FlatPanel()
    return detector.expected(behind_grid(primary, detector, scatter), pixel_mm)


def detect(
    primary: QuantumSignal,
    detector: Detector | None = None,
    *,
    scatter: QuantumSignal | None = None,
    pixel_mm: tuple[float, float] | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """The raw image: what each pixel absorbed or counted in one frame, with the detector's blur and noise.

    Args:
        primary: signal of the unscattered photons [..., H, W], as `absorb` gives it.
        detector: default `FlatPanel()`.
        scatter: signal of the scattered photons, before the grid; None for no scatter.
        pixel_mm: distance between rows and between columns, mm; a detector with blur needs it.
        generator: source of the noise; needed unless the detector has no noise.

    Returns:
        [..., H, W], in the detector's unit, with the gradient of `expected_signal`. Without a readout nothing is
        clipped: electronic noise makes some dark pixels negative, as a panel does after subtraction of its offset.

    Raises:
        TypeError: if the detector draws noise and `generator` is None.
        ValueError: if the signal is negative or not finite.
    """
    detector = detector or FlatPanel()
    if detector.draws and generator is None:
        raise TypeError("generator must be a torch.Generator for a detector with noise, got None")
    return detector.image(behind_grid(primary, detector, scatter), pixel_mm, generator)
