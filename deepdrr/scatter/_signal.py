"""The signal of scattered photons in a detector."""

import torch
import torch.nn.functional as F
from torch import Tensor

from deepdrr.camera import Camera
from deepdrr.detector import Detector, QuantumSignal
from deepdrr.scatter._model import ScatteredFluence

__all__ = ["scatter_signal"]


def scatter_signal(found: ScatteredFluence, detector: Detector, camera: Camera) -> QuantumSignal:
    r"""The signal that scattered photons leave in each pixel, before grid, blur and noise.

    \( S = \sum_k \phi_k A\, w_1(E_k), \quad V = \sum_k \phi_k A\, w_2(E_k) \), with the pixel's area A and the
    detector's response \( w_1, w_2 \) per photon; \( \phi_k \) is interpolated bilinearly from the coarse cells.

    Args:
        found: the scattered photons at the detector.
        detector: the detector whose response is summed.
        camera: the geometry [*batch], with the detector's H × W pixels.

    Returns:
        Mean and variance [*batch, H, W], or [*batch, N, H, W] for a detector of N energy windows.

    Example:
        >>> from deepdrr.detector import EnergyIntegratingDetector
        >>> camera = Camera.carm(sdd_mm=1000, sid_mm=500, height=4, width=4, pixel_mm=0.5)
        >>> even = ScatteredFluence(torch.full((1, 2, 2), 8.0), torch.tensor([50.0]))
        >>> scatter_signal(even, EnergyIntegratingDetector(), camera).mean[0, 0]  # 8 · 0.25 mm² · 50 keV
        tensor(100.)
    """
    photons = _on_pixels(found.photons_per_mm2, camera.height, camera.width)
    between_rows, between_columns = camera.pixel_spacing_mm
    area_mm2 = (between_rows * between_columns).to(photons)[..., None, None, None]
    response = detector.response(found.energies_kev.double())
    weights = [torch.atleast_2d(moment).to(photons) for moment in (response.mean, response.mean_square)]
    per_pixel = photons * area_mm2
    mean, variance = (torch.einsum("nk,...khw->...nhw", moment, per_pixel) for moment in weights)
    if response.mean.ndim == 1:
        mean, variance = mean.squeeze(-3), variance.squeeze(-3)
    return QuantumSignal(mean, variance)


def _on_pixels(coarse: Tensor, height: int, width: int) -> Tensor:
    """Interpolate values of cells that cover the detector [..., h, w] at the centres of its pixels [..., H, W]."""
    planes = coarse.reshape(-1, 1, *coarse.shape[-2:])
    fine = F.interpolate(planes, size=(height, width), mode="bilinear", align_corners=False)
    return fine.reshape(*coarse.shape[:-2], height, width)
