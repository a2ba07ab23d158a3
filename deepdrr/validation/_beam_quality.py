"""Half-value layers, air kerma and photons per air kerma of tube spectra."""

import math

from deepdrr.spectrum import (
    STANDARD_QUALITIES,
    air_kerma_ugy,
    half_value_layer,
    mean_energy,
    standard_quality,
    tungsten_spectrum,
)
from deepdrr.validation._check import Check, Curve, Figure, Group
from deepdrr.validation._references import Row, reference_rows

__all__ = ["beam_quality_group", "tube_checks"]

_RQR = tuple(name for name in STANDARD_QUALITIES if name.startswith("RQR"))
_SPEKPY = "SpekPy 2.5.4 (casim)"


def beam_quality_group(short: bool) -> Group:
    """Check every row of the two reference tables."""
    checks = [check for row in reference_rows("beams") for check in tube_checks(row)]
    return Group(
        title="Beam quality",
        text=(
            "Half-value layers HVL1 and HVL2, homogeneity HVL1 / HVL2, mean energy, air kerma per mAs at 1 m and "
            "photons per mm² and µGy of the tube behind aluminium, 12° anode, without air. Then the standard beams: "
            "RQR, brought to their HVL1 by aluminium as the standard asks, with the homogeneity that follows, and "
            "photons per mm² and µGy of RQA 3 to 9. The edition of 2015 goes with the beams of IEC 61267:2005, which "
            "are ours; that of 2003 with those of 1994, whose RQA 3 is another beam (21759, 6 % more, no row here). "
            "No copy of the standards was at hand: their numbers are quoted from memory."
        ),
        checks=(*checks, *map(_homogeneity_check, _RQR), *map(_fluence_check, reference_rows("iec_fluence"))),
        figures=(_figure(),),
    )


def tube_checks(row: Row) -> list[Check]:
    """Half-value layers, homogeneity, mean energy and, where the table has them, kerma and photons of one beam."""
    kvp, aluminum = float(row["kvp"]), float(row["aluminium_mm"])
    beam = tungsten_spectrum(kvp, anode_angle_deg=12.0, filters=[("aluminium", aluminum)])
    first, second = half_value_layer(beam), half_value_layer(beam, order=2)
    kerma, photons = float(air_kerma_ugy(beam)), float(beam.photons.sum())
    hvl1, hvl2 = float(row["hvl1_mm"]), float(row["hvl2_mm"])
    at = f"{kvp:g} kVp, {aluminum:g} mm Al"

    def check(name: str, value: float, reference: float, unit: str, limit: float) -> Check:
        return Check(name=f"{name}, {at}", value=value, reference=reference, unit=unit, source=_SPEKPY, limit=limit)

    checks = [
        check("HVL1", first, hvl1, "mm Al", 0.01),
        check("HVL2", second, hvl2, "mm Al", 0.01),
        Check(
            name=f"homogeneity, {at}",
            value=first / second,
            reference=hvl1 / hvl2,
            source=_SPEKPY,
            limit=0.01,
            kind="absolute",
        ),
        check("mean energy", float(mean_energy(beam)), float(row["mean_kev"]), "keV", 0.01),
    ]
    if not math.isnan(float(row["kerma_ugy_mas"])):
        checks.append(check("air kerma", kerma, float(row["kerma_ugy_mas"]), "µGy/mAs", 0.02))
        checks.append(check("photons per air kerma", photons / kerma, float(row["photons_mm2_ugy"]), "1/mm²/µGy", 0.03))
    return checks


def _homogeneity_check(name: str) -> Check:
    beam = standard_quality(name)
    return Check(
        name=f"homogeneity, {name}",
        value=half_value_layer(beam) / half_value_layer(beam, order=2),
        reference=STANDARD_QUALITIES[name].homogeneity,
        source="IEC 61267, from memory",
        limit=0.01,
        kind="absolute",
    )


def _fluence_check(row: Row) -> Check:
    beam = standard_quality(row["quality"])
    return Check(
        name=f"photons per air kerma, {row['quality']}, {row['edition'][-4:]}",
        value=float(beam.photons.sum() / air_kerma_ugy(beam)),
        reference=float(row["photons_mm2_ugy"]),
        unit="1/mm²/µGy",
        source=f"IEC {row['edition']}, from memory",
        limit=0.03,
    )


def _figure() -> Figure:
    curves = []
    for kvp in (60, 80, 100, 120):
        beam = tungsten_spectrum(kvp, anode_angle_deg=12.0, filters=[("aluminium", 2.5)])
        curves.append(Curve(f"{kvp} kVp", tuple(beam.energies_kev.tolist()), tuple(beam.photons.tolist())))
    return Figure(
        title="Spectra behind 2.5 mm of aluminium",
        x_label="photon energy, keV",
        y_label="photons per keV, mm² and mAs at 1 m",
        curves=tuple(curves),
    )
