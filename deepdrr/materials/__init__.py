"""Materials: compositions, cross sections, and the decomposition of HU into densities of basis materials."""

from deepdrr.materials._contrast import barium_contrast, iodine_contrast
from deepdrr.materials._contrast_field import ContrastAgent, with_contrast
from deepdrr.materials._cross_sections import (
    attenuation_matrix,
    linear_attenuation,
    mass_attenuation,
    mass_energy_absorption,
)
from deepdrr.materials._ct_beam import CT_KVP_RANGE, density_from_hu, effective_mass_attenuation, hu_from_density
from deepdrr.materials._decompose import Densities, MatchHU, decompose
from deepdrr.materials._material import EnergyScaled, Material, compound, mixture
from deepdrr.materials._model import DensityModel, MaterialModel, Voxels, as_density_model, scaled
from deepdrr.materials._registry import as_material, material, materials
from deepdrr.materials._scattering import (
    HC_KEV_ANGSTROM,
    coherent_intensity,
    electrons_per_gram,
    incoherent_intensity,
)
from deepdrr.materials._units import G_CM2_PER_MM, NGY_PER_KEV_MM2_CM2_G, UGY_PER_KEV_MM2_CM2_G
from deepdrr.materials._vessel import IodineAbove

__all__ = [
    "CT_KVP_RANGE",
    "G_CM2_PER_MM",
    "HC_KEV_ANGSTROM",
    "NGY_PER_KEV_MM2_CM2_G",
    "UGY_PER_KEV_MM2_CM2_G",
    "ContrastAgent",
    "Densities",
    "DensityModel",
    "EnergyScaled",
    "IodineAbove",
    "MatchHU",
    "Material",
    "MaterialModel",
    "Voxels",
    "as_density_model",
    "as_material",
    "attenuation_matrix",
    "barium_contrast",
    "coherent_intensity",
    "compound",
    "decompose",
    "density_from_hu",
    "effective_mass_attenuation",
    "electrons_per_gram",
    "hu_from_density",
    "incoherent_intensity",
    "iodine_contrast",
    "linear_attenuation",
    "mass_attenuation",
    "mass_energy_absorption",
    "material",
    "materials",
    "mixture",
    "scaled",
    "with_contrast",
]
