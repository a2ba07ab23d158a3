"""Factors between the units of this package: mm, keV, g/cm³, g/cm²."""

__all__ = ["G_CM2_PER_MM", "NGY_PER_KEV_MM2_CM2_G", "UGY_PER_KEV_MM2_CM2_G"]

G_CM2_PER_MM = 0.1
"""Area density of 1 mm at 1 g/cm³: from a line integral of density over mm to g/cm²."""

UGY_PER_KEV_MM2_CM2_G = 1.602176634e-5
"""Kerma, in µGy, of 1 keV/mm² where µ_en/ρ is 1 cm²/g: 1.602176634e-16 J (the keV of the SI, exact since 2019) times
100 mm²/cm² times 1000 g/kg times 10⁶ µGy/Gy."""

NGY_PER_KEV_MM2_CM2_G = 1e3 * UGY_PER_KEV_MM2_CM2_G
"""The same in nGy."""
