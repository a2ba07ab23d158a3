"""Print the errors of the HU decomposition: python scripts/report_materials.py

The first table shows the error of the projection basis, for every tissue of the HU curve in the three basis materials.
The second shows the error of inferring the composition from the HU alone, for tissues of known composition (ICRU).
"""

import torch

from deepdrr.materials import attenuation_matrix, decompose, hu_from_density, linear_attenuation, material
from deepdrr.materials._basis import basis_error, basis_materials, basis_weights
from deepdrr.materials._schneider import HU_NODES, rows

TISSUES = ("lung", "adipose", "water", "breast", "brain", "muscle", "soft tissue", "blood", "liver", "cartilage")
BONES = ("trabecular bone", "cortical bone")
ENERGIES_KEV = (30.0, 60.0, 100.0)


def basis_table() -> None:
    """Coefficients and largest error over 20 to 150 keV."""
    names = [part.name for part in basis_materials()]
    print("HU     " + "  ".join(f"{name:>13}" for name in names) + "   largest error of µ, 20-150 keV")
    for hu, tissue, weights in zip(HU_NODES, rows(), basis_weights(), strict=True):
        error = basis_error(tissue, basis_materials())
        print(f"{hu:6.0f} " + "  ".join(f"{w:13.3f}" for w in weights) + f"   {100 * error:.3f} %")


def tissue_table() -> None:
    """µ inferred from the HU against µ of the known composition."""
    energies = torch.tensor(ENERGIES_KEV, dtype=torch.float64)
    print(
        "\ntissue               HU   " + "  ".join(f"{e:g} keV" for e in ENERGIES_KEV) + "   error of µ from HU alone"
    )
    for name in (*TISSUES, *BONES):
        hu = hu_from_density(name, material(name).density_g_cm3)
        found = decompose(torch.tensor([hu], dtype=torch.float64))
        attenuation = found.values[:, 0].double() @ attenuation_matrix(found.materials, energies) / 10
        errors = 100 * (attenuation / linear_attenuation(name, energies) - 1)
        print(f"{name:17} {hu:6.0f}   " + "  ".join(f"{float(e):+5.2f} %" for e in errors))


if __name__ == "__main__":
    basis_table()
    tissue_table()
