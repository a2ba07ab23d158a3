"""Automatic exposure control: the tube load that brings a wanted level behind the patient."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from deepdrr._numbers import as_count
from deepdrr.materials import NGY_PER_KEV_MM2_CM2_G, Material, mass_energy_absorption
from deepdrr.spectrum import Spectrum, weighted_sums

__all__ = ["air_kerma_map", "central_field", "controlled_mas"]


def air_kerma_map(
    area_densities: Tensor,
    spectrum: Spectrum,
    materials: Sequence[Material | str],
    *,
    fluence: Tensor | float,
    pixel_mm: tuple[float, float],
) -> Tensor:
    """Air kerma of the primary beam at the detector, behind the object.

    Args:
        area_densities: [..., M, H, W] in g/cm².
        spectrum: the open beam.
        materials: the M materials.
        fluence: factor from the spectrum's photons to photons through an area of a pixel that faces them [..., H, W]:
            `fluence_scale` over `incidence_cosine`, because kerma is stated for a chamber and not for a tilted plane.
        pixel_mm: distance between rows and between columns, mm.

    Returns:
        [..., H, W], nGy; differentiable. Without scatter, which a real chamber sees too.
    """
    energies = spectrum.energies_kev
    absorbed_kev = energies * mass_energy_absorption("air", energies.clamp(min=1.0))
    per_photon = NGY_PER_KEV_MM2_CM2_G * absorbed_kev / (pixel_mm[0] * pixel_mm[1])
    kerma = weighted_sums(area_densities, spectrum, materials, per_photon[None]).squeeze(-3)
    return kerma * fluence


def central_field(height: int, width: int, fraction: float = 0.5) -> Tensor:
    """The usual dominant: a disk in the middle of the image.

    Args:
        height, width: of the image.
        fraction: diameter over the shorter side, (0, 1].

    Returns:
        bool [H, W].

    Raises:
        ValueError: if the fraction is not in (0, 1].
    """
    if not 0.0 < fraction <= 1.0:
        raise ValueError(f"fraction must be in (0, 1], got {fraction}")
    height, width = as_count(height, "height"), as_count(width, "width")
    rows, columns = (torch.arange(n, dtype=torch.float64) - (n - 1) / 2 for n in (height, width))
    inside: Tensor = torch.hypot(rows[:, None], columns[None, :]) <= max(0.5 * fraction * min(height, width), 0.75)
    return inside


def controlled_mas(level: Tensor, mas: float, target: float, dominant: Tensor | None = None) -> float:
    """The tube load at which the mean over the dominant reaches a target.

    Args:
        level: [H, W], what was measured at `mas`, and is proportional to it: air kerma in nGy, or a mean signal in keV.
        mas: tube load of that image, mAs.
        target: wanted mean, in the unit of `level`.
        dominant: bool [H, W], where it is measured; None for the middle, `central_field`.

    Returns:
        mAs.

    Raises:
        TypeError: if the dominant is not a tensor.
        ValueError: if the target or the measured mean is not positive, or the dominant is empty or of another size.

    Example:
        >>> controlled_mas(torch.full((8, 8), 20.0), mas=2.0, target=50.0)
        5.0
    """
    for name, value in (("mas", mas), ("target", target)):
        if not 0.0 < value < math.inf:
            raise ValueError(f"{name} must be positive and finite, got {value}")
    if level.ndim != 2:
        raise ValueError(f"level must be one image [H, W], got {tuple(level.shape)}")
    region = central_field(*level.shape) if dominant is None else dominant
    if not isinstance(region, Tensor):
        raise TypeError(f"dominant must be a bool tensor {tuple(level.shape)} or None, got {region!r}")
    if region.shape != level.shape or region.dtype != torch.bool or not bool(region.any()):
        raise ValueError(f"dominant must be bool {tuple(level.shape)} with a pixel in it, got {tuple(region.shape)}")
    mean = float(level.detach()[region.to(level.device)].double().mean())
    if not 0.0 < mean < math.inf:
        raise ValueError(f"level must have a positive mean over the dominant, got {mean:g}")
    return mas * target / mean
