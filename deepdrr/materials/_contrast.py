"""Contrast media at a given concentration."""

from deepdrr._numbers import plain
from deepdrr.materials._material import Material, compound, mixture
from deepdrr.materials._registry import as_material

__all__ = ["BARIUM_SULFATE", "IOHEXOL", "barium_contrast", "iodine_contrast"]

# Iohexol C19H26I3N3O9. The solute takes 0.461 cm³/g: from the labelled densities of its solutions, 300 mg iodine (647
# mg iohexol) per ml at 1.349 g/ml and 350 mg (755 mg) at 1.406 g/ml.
IOHEXOL = compound("C19H26I3N3O9", 1 / 0.461, "iohexol")
BARIUM_SULFATE = compound("BaSO4", 4.50, "barium sulfate")


def iodine_contrast(iodine_mg_per_ml: float, *, base: Material | str = "water") -> Material:
    """Iodinated contrast (iohexol) dissolved in water, or diluted in blood.

    Args:
        iodine_mg_per_ml: mg of iodine per ml of the mixture; injected media have 240 to 400, filled vessels 5 to 100.
        base: the liquid it is mixed into.

    Returns:
        The mixture; its density follows from the volumes of its parts.

    Raises:
        ValueError: if the concentration is negative or exceeds what the volume of the solute allows.

    Example:
        >>> round(iodine_contrast(300).density_g_cm3, 2)
        1.35
    """
    iodine_mg_per_ml = plain(iodine_mg_per_ml)
    solute_g_per_ml = iodine_mg_per_ml / 1000 / IOHEXOL.composition["I"]
    return _suspended("iodine", iodine_mg_per_ml, solute_g_per_ml, IOHEXOL, as_material(base))


def barium_contrast(barium_sulfate_mg_per_ml: float, *, base: Material | str = "water") -> Material:
    """Barium sulfate suspended in water.

    Args:
        barium_sulfate_mg_per_ml: mg of BaSO4 per ml of the suspension; 1000 is "100 % w/v".
        base: the liquid it is suspended in.

    Returns:
        The mixture; its density follows from the volumes of its parts.

    Raises:
        ValueError: if the concentration is negative or exceeds what the volume of the solid allows.

    Example:
        >>> round(barium_contrast(1000).density_g_cm3, 2)
        1.78
    """
    barium_sulfate_mg_per_ml = plain(barium_sulfate_mg_per_ml)
    return _suspended(
        "barium", barium_sulfate_mg_per_ml, barium_sulfate_mg_per_ml / 1000, BARIUM_SULFATE, as_material(base)
    )


def _suspended(
    agent: str, given_mg_per_ml: float, solute_g_per_ml: float, solute: Material, base: Material
) -> Material:
    volume = solute_g_per_ml / solute.density_g_cm3
    if not 0 <= volume < 1:
        raise ValueError(f"{agent} concentration must be from 0 to what one ml can hold, got {given_mg_per_ml} mg/ml")
    base_g_per_ml = (1 - volume) * base.density_g_cm3
    name = f"{given_mg_per_ml:g} mg/ml {agent} in {base.name}"
    parts = {solute: solute_g_per_ml, base: base_g_per_ml}
    return mixture(parts, solute_g_per_ml + base_g_per_ml, name, f"{solute.name} in {base.name}, volumes added")
