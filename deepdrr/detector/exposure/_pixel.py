"""The size of a camera's pixels, as detectors with blur want it."""

import torch

from deepdrr.camera import Camera

__all__ = ["pixel_size_mm"]


def pixel_size_mm(camera: Camera) -> tuple[float, float]:
    """Distance between rows and between columns on the detector, mm: one pair for all views.

    Args:
        camera: the geometry [...].

    Returns:
        Two numbers, rounded to 1e-9 mm.

    Raises:
        ValueError: if the views of a batch have pixels of different sizes.

    Example:
        >>> pixel_size_mm(Camera.carm(sdd_mm=1020, sid_mm=530, height=100, width=200, pixel_mm=0.5))
        (0.5, 0.5)
    """
    rows, columns = (p.detach().double().reshape(-1) for p in camera.pixel_spacing_mm)
    for values in (rows, columns):
        # Six digits: views of one detector differ by the rounding of their matrices, which may be float32.
        if not torch.allclose(values, values[:1], rtol=1e-6, atol=0.0):
            found = f"{float(values.min()):g} to {float(values.max()):g} mm"
            raise ValueError(f"carm must have the same pixel size in all views of a batch, got {found}")
    return round(float(rows[0]), 9), round(float(columns[0]), 9)
