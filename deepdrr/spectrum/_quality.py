"""Filtration and beam quality: mean energy, air kerma, half-value layers."""

import math
from dataclasses import replace
from numbers import Real

import torch
from torch import Tensor

from deepdrr._numbers import plain
from deepdrr.materials import (
    UGY_PER_KEV_MM2_CM2_G,
    Material,
    as_material,
    linear_attenuation,
    mass_energy_absorption,
)
from deepdrr.spectrum._spectrum import Spectrum

__all__ = ["air_kerma_ugy", "filtered", "half_value_layer", "homogeneity", "mean_energy", "photons_per_mm2"]

TABLE_DISTANCE_MM = 1000.0


def filtered(spectrum: Spectrum, material: Material | str, thickness_mm: float | Tensor) -> Spectrum:
    """The spectrum behind a sheet of material (narrow beam: scatter is lost).

    Args:
        spectrum: the beam.
        material: the sheet, at its own density.
        thickness_mm: thickness in mm, zero or more; a scalar tensor may ask for a gradient.

    Raises:
        ValueError: if the thickness is negative or not finite, or the material unknown.

    Example:
        >>> from deepdrr.spectrum import tungsten_spectrum
        >>> hard = filtered(tungsten_spectrum(80.0), "copper", 0.2)
    """
    sheet = as_material(material)
    thickness_mm = plain(thickness_mm)
    if isinstance(thickness_mm, bool) or not isinstance(thickness_mm, Tensor | Real):
        raise TypeError(f"thickness_mm of {sheet.name!r} must be a number or a scalar tensor, got {thickness_mm!r}")
    thickness = torch.as_tensor(thickness_mm, dtype=torch.float64)
    given = float(thickness.detach())
    if not (math.isfinite(given) and given >= 0):
        raise ValueError(f"thickness_mm of {sheet.name!r} must be finite and not negative, got {given:g}")
    transmission = torch.exp(-linear_attenuation(sheet, spectrum.energies_kev) * thickness)
    description = f"{spectrum.description}, {given:g} mm {sheet.name}"
    return replace(spectrum, photons=spectrum.photons * transmission, description=description)


def mean_energy(spectrum: Spectrum) -> Tensor:
    """Mean photon energy, a scalar in keV, each photon counted once.

    Example:
        >>> from deepdrr.spectrum import monochromatic
        >>> float(mean_energy(monochromatic(60.0)))
        60.0
    """
    return (spectrum.energies_kev * spectrum.photons).sum() / spectrum.photons.sum()


def air_kerma_ugy(
    spectrum: Spectrum, *, mas: float | Tensor = 1.0, distance_mm: float | Tensor = TABLE_DISTANCE_MM
) -> Tensor:
    """Air kerma on the central ray, µGy, by the inverse-square law.

    Args:
        spectrum: the beam, photons per mm² per mAs at 1 m, as a tube's spectrum is. The air on the way is not part of
            it: filter by `("air", distance)` where it matters (4 % per metre at 80 kV behind 2.5 mm aluminium).
        mas: tube load, mAs.
        distance_mm: from the focal spot, mm.

    Returns:
        A scalar (or the shape of `mas` and `distance_mm`); differentiable.

    Raises:
        ValueError: if a load is negative or a distance not positive.

    Example:
        >>> from deepdrr.spectrum import tungsten_spectrum
        >>> beam = tungsten_spectrum(80.0, anode_angle_deg=12.0, filters=[("aluminium", 2.5)])
        >>> f"{air_kerma_ugy(beam):.0f}, at half the distance {air_kerma_ugy(beam, distance_mm=500.0):.0f}"
        '83, at half the distance 331'
    """
    per_mas = (UGY_PER_KEV_MM2_CM2_G * _kerma_weights(spectrum) * spectrum.photons).sum()
    return per_mas * _at(mas, distance_mm)


def photons_per_mm2(
    spectrum: Spectrum, *, mas: float | Tensor = 1.0, distance_mm: float | Tensor = TABLE_DISTANCE_MM
) -> Tensor:
    """Photon fluence on the central ray, per mm², by the inverse-square law.

    Args:
        spectrum: the beam, photons per mm² per mAs at 1 m.
        mas: tube load, mAs.
        distance_mm: from the focal spot, mm.

    Returns:
        A scalar (or the shape of `mas` and `distance_mm`); differentiable.

    Raises:
        ValueError: if a load is negative or a distance not positive.
    """
    return spectrum.photons.sum() * _at(mas, distance_mm)


def homogeneity(spectrum: Spectrum, material: Material | str = "aluminium") -> float:
    """First over second half-value layer: 1 for photons of one energy, less the wider the spectrum.

    Example:
        >>> from deepdrr.spectrum import tungsten_spectrum
        >>> f"{homogeneity(tungsten_spectrum(70.0, filters=[('aluminium', 2.9)])):.2f}"
        '0.71'
    """
    return half_value_layer(spectrum, material) / half_value_layer(spectrum, material, order=2)


def half_value_layer(spectrum: Spectrum, material: Material | str = "aluminium", *, order: int = 1) -> float:
    """Thickness that halves the air kerma (narrow beam).

    Args:
        spectrum: the beam.
        material: of the absorber; aluminium is the usual one.
        order: 1 for the first half-value layer; 2 for the second, the further thickness to a quarter.

    Returns:
        Thickness in mm.

    Raises:
        ValueError: if the order is not 1 or 2 or the material is unknown.

    Example:
        >>> from deepdrr.spectrum import tungsten_spectrum
        >>> beam = tungsten_spectrum(80.0, anode_angle_deg=12.0, filters=[("aluminium", 2.5)])
        >>> f"{half_value_layer(beam):.2f}"
        '2.72'
    """
    if order not in (1, 2):
        raise ValueError(f"order must be 1 or 2 for the first or second half-value layer, got {order}")
    kerma = (_kerma_weights(spectrum) * spectrum.photons).detach()
    attenuation = linear_attenuation(material, spectrum.energies_kev)
    first = _thickness_at(0.5, kerma, attenuation)
    return first if order == 1 else _thickness_at(0.25, kerma, attenuation) - first


def _at(mas: float | Tensor, distance_mm: float | Tensor) -> Tensor:
    """mAs over the square of the distance in metres."""
    load = torch.as_tensor(mas, dtype=torch.float64)
    distance = torch.as_tensor(distance_mm, dtype=torch.float64)
    if not bool((torch.isfinite(load) & (load >= 0)).all()):
        raise ValueError(f"mas must be finite and zero or more, got {load.detach().tolist()}")
    if not bool((torch.isfinite(distance) & (distance > 0)).all()):
        raise ValueError(f"distance_mm must be finite and positive, got {distance.detach().tolist()}")
    return load * (TABLE_DISTANCE_MM / distance) ** 2


def _kerma_weights(spectrum: Spectrum) -> Tensor:
    return spectrum.energies_kev * mass_energy_absorption("air", spectrum.energies_kev)


def _thickness_at(fraction: float, kerma: Tensor, attenuation: Tensor) -> float:
    """Newton on log transmission, which is convex and falling: from zero it climbs to the root without overshooting."""
    thickness = 0.0
    for _ in range(100):
        transmitted = kerma * torch.exp(-attenuation * thickness)
        ratio = float(transmitted.sum() / kerma.sum())
        slope = float((transmitted * attenuation).sum() / transmitted.sum())
        step = math.log(ratio / fraction) / slope
        thickness += step
        if abs(step) <= 1e-10 * thickness:
            break
    return thickness
