"""Contrast medium in labelled vessels, as much as their HU show."""

from dataclasses import dataclass

import torch
from torch import Tensor

from deepdrr.materials._contrast import IOHEXOL
from deepdrr.materials._ct_beam import effective_mass_attenuation, hu_from_density
from deepdrr.materials._material import Material
from deepdrr.materials._registry import as_material

__all__ = ["IodineAbove", "iodine_densities"]


@dataclass(frozen=True)
class IodineAbove:
    """A labelled vessel: where a voxel is above the HU of blood, blood with so much iodine that it has the voxel's HU.

    Without a rule such voxels count as bone, whose attenuation falls with the energy in another way. Voxels at or below
    blood follow the method.

    Attributes:
        base: what the medium is diluted in.

    Example:
        >>> from deepdrr.materials import MaterialModel
        >>> MaterialModel(by_label={7: IodineAbove()}).by_label[7].base
        'blood'
    """

    base: Material | str = "blood"


def iodine_densities(rule: IodineAbove, hu: Tensor, ct_kvp: float) -> tuple[Tensor, Tensor, Tensor]:
    """Densities of the base and of iohexol that have given HU in the CT's beam.

    With the solute's density g in a voxel, the base fills the rest (see `with_contrast`), and

        (1 + HU/1000) µ_water = (1 − g/ρ_solute) ρ_base (µ/ρ)_base + g (µ/ρ)_solute.

    Args:
        rule: the base.
        hu: any shape.
        ct_kvp: tube voltage of the CT scan, kV.

    Returns:
        Where the rule holds, above the HU of the base; and there the densities of base and solute, g/cm³.

    Raises:
        ValueError: if a voxel has more HU than the pure solute.
    """
    base = as_material(rule.base)
    water, plain, solute = (effective_mass_attenuation(m, ct_kvp) for m in ("water", base, IOHEXOL))
    above = hu > hu_from_density(base, base.density_g_cm3, ct_kvp=ct_kvp)
    pure = plain * base.density_g_cm3
    grams = ((1 + hu[above] / 1000) * water - pure) / (solute - pure / IOHEXOL.density_g_cm3)
    if grams.numel() and float(grams.detach().max()) >= IOHEXOL.density_g_cm3:
        raise ValueError(
            f"a vessel with iodine must be below the HU of the pure medium, got {float(hu[above].max()):g} HU: "
            "give metal in it a label of its own"
        )
    return above, base.density_g_cm3 * (1 - grams / IOHEXOL.density_g_cm3), torch.as_tensor(grams)
