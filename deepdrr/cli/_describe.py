"""Sentences about a geometry and a beam, for logs."""

from deepdrr.camera import Camera
from deepdrr.detector import Exposure, equivalent_mas
from deepdrr.spectrum import Spectrum, XRaySource, air_kerma_ugy, half_value_layer

__all__ = ["describe_beam", "describe_camera", "describe_exposure"]


def describe_camera(camera: Camera) -> str:
    """Distance and pixels of an unbatched camera."""
    rows, columns = (float(spacing) for spacing in camera.pixel_spacing_mm)
    size = f"{rows:.4g} mm" if abs(rows - columns) < 1e-6 * rows else f"{rows:.4g} × {columns:.4g} mm"
    return f"source to detector {float(camera.sdd_mm):g} mm, {camera.height}×{camera.width} pixels of {size}"


def describe_beam(spectrum: Spectrum) -> str:
    """Voltage, filters and half-value layer."""
    hvl = float(half_value_layer(spectrum))
    return f"{spectrum.kvp:g} kV, {spectrum.description}, half-value layer {hvl:.2f} mm Al"


def describe_exposure(exposure: Exposure, source: XRaySource, camera: Camera) -> str:
    """Tube load, and the photons and air kerma that it brings to the middle of the detector in the open field."""
    mas = float(equivalent_mas(exposure, source, camera))
    spectrum = source.arriving(float(camera.sdd_mm))
    at_detector = mas * (1000.0 / float(camera.sdd_mm)) ** 2
    between_rows, between_columns = (float(spacing) for spacing in camera.pixel_spacing_mm)
    photons = at_detector * float(spectrum.photons.sum()) * between_rows * between_columns
    kerma_ugy = at_detector * float(air_kerma_ugy(spectrum))
    kerma = f"{kerma_ugy:,.0f}" if kerma_ugy >= 100 else f"{kerma_ugy:.3g}"
    return f"{mas:.3g} mAs: {photons:,.0f} photons per pixel and {kerma} µGy at the detector, open field"
