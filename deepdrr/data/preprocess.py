"""From Hounsfield units to linear attenuation with two straight lines, for one effective energy.

    µ = µ_water (1 + HU/1000)                        for HU ≤ 0, air being 0 and nothing less than air
    µ = µ_water + (µ_bone − µ_water) HU/HU_bone      for HU > 0

which is linear in the attenuations, µ = a w + b p, with w = 1 + clamp(HU, −1000, 0)/1000 (how much of the voxel is
water rather than air), p = max(HU, 0), a = µ_water and b = (µ_bone − µ_water)/HU_bone. For a spectrum and real
materials see `deepdrr.materials`.
"""

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["HU_BONE", "MU_BONE", "MU_WATER", "hu_basis", "hu_to_mu", "mu_weights"]

MU_WATER = 0.0192
"""Water at 70 keV, 1/mm (NIST XCOM: 0.193 cm²/g)."""

MU_BONE = 0.0573
"""Bone, 1/mm: the value nanodrr's users know. Cortical bone of 1.92 g/cm³ has it at about 62 keV (NIST XCOM)."""

HU_BONE = 1000.0
"""The Hounsfield units at which a voxel attenuates like `MU_BONE`."""

_AIR_HU = -1000.0


def hu_to_mu(
    data: Tensor,
    mu_water: float | Tensor = MU_WATER,
    mu_bone: float | Tensor = MU_BONE,
    hu_bone: float | Tensor = HU_BONE,
) -> Tensor:
    """Linear attenuation of Hounsfield units, see above; never negative.

    Args:
        data: HU of any shape; integers become float32.
        mu_water: attenuation of water, 1/mm.
        mu_bone: attenuation at `hu_bone`, 1/mm. Like the others a number, or a tensor that broadcasts against `data`,
            through which gradients flow.
        hu_bone: HU of that bone.

    Returns:
        1/mm, as `data`.

    Raises:
        ValueError: if an attenuation is negative or not finite, or `hu_bone` is not positive.

    Example:
        >>> hu_to_mu(torch.tensor([-2000.0, -1000.0, 0.0, 1000.0]))
        tensor([0.0000, 0.0000, 0.0192, 0.0573])
    """
    water, excess = hu_basis(data)
    a, b = mu_weights(mu_water, mu_bone, hu_bone)
    return (a * water + b * excess).clamp(min=0.0)


def hu_basis(data: Tensor) -> tuple[Tensor, Tensor]:
    """(w, p) of Hounsfield units: the share of water in what is lighter, and the HU above it."""
    if not isinstance(data, Tensor) or data.is_complex() or data.dtype == torch.bool:
        raise TypeError(f"data must be a tensor of Hounsfield units, got {getattr(data, 'dtype', type(data))}")
    hu = data if data.is_floating_point() else data.float()
    return hu.clamp(_AIR_HU, 0.0) / 1000.0 + 1.0, hu.clamp(min=0.0)


def mu_weights(
    mu_water: float | Tensor, mu_bone: float | Tensor, hu_bone: float | Tensor
) -> tuple[float | Tensor, float | Tensor]:
    """(a, b) of µ = a w + b p, for numbers or tensors.

    Raises:
        ValueError: if an attenuation is negative or not finite, or `hu_bone` is not positive.
    """
    for name, value in (("mu_water", mu_water), ("mu_bone", mu_bone)):
        if not _all_finite_and(value, lambda v: v >= 0):
            raise ValueError(f"{name} must be an attenuation of 0/mm or more, got {value}")
    if not _all_finite_and(hu_bone, lambda v: v > 0):
        raise ValueError(f"hu_bone must be positive Hounsfield units, got {hu_bone}")
    return mu_water, (mu_bone - mu_water) / hu_bone


def _all_finite_and(value: float | Tensor, accepted: Callable[[Tensor], Tensor]) -> bool:
    numbers = torch.as_tensor(value).detach()
    return bool((torch.isfinite(numbers) & accepted(numbers)).all())
