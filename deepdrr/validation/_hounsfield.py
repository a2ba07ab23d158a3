"""HU → densities → HU: a scanner would measure the HU from which the densities were made."""

import torch

from deepdrr.materials import attenuation_matrix, decompose
from deepdrr.spectrum import tungsten_spectrum
from deepdrr.validation._check import Check, Curve, Figure, Group

__all__ = ["hounsfield_group", "scanned_hu"]

_HU = (-950.0, -741.0, -400.0, -100.0, -50.0, 0.0, 40.0, 90.0, 150.0, 350.0, 500.0, 800.0, 1550.0, 3071.0)
_BONE_FROM = 150.0
_SCANNER_FILTERS = (("aluminium", 6.0), ("water", 200.0))


def hounsfield_group(short: bool) -> Group:
    """Check all HU at the tube voltages of scanners."""
    checks = [check for kvp in ((120.0,) if short else (80.0, 100.0, 120.0, 140.0)) for check in _checks(kvp)]
    return Group(
        title="HU round trip",
        text=(
            "A voxel's HU is turned into densities, and these are scanned again: 1000 (µ̄ / µ̄ of water − 1) in the "
            "beam of a 10° anode behind 6 mm of aluminium and 20 cm of water, weighted by energy. The beam is made "
            "anew here, from this package's own tube, not the table that the densities were calibrated with."
        ),
        checks=tuple(checks),
        figures=(_figure(),),
    )


def scanned_hu(hu: torch.Tensor, ct_kvp: float, method: str = "continuous") -> torch.Tensor:
    """HU [N] of the densities that `decompose` makes of HU [N]."""
    beam = tungsten_spectrum(ct_kvp, filters=_SCANNER_FILTERS)
    weight = beam.photons * beam.energies_kev
    found = decompose(hu, ct_kvp=ct_kvp, method="three_class" if method == "three_class" else "continuous")
    mean = attenuation_matrix([*found.materials, "water"], beam.energies_kev) @ (weight / weight.sum())
    return 1000 * (mean[:-1] @ found.values.double() / mean[-1] - 1)


def _checks(kvp: float) -> list[Check]:
    checks = []
    for hu, value in zip(_HU, scanned_hu(torch.tensor(_HU), kvp).tolist(), strict=True):
        # 5 HU below bone; 2 % in bone, of the attenuation above water's.
        limit = 5.0 if hu < _BONE_FROM else max(5.0, 0.02 * hu)
        checks.append(
            Check(
                name=f"{hu:g} HU, {kvp:g} kVp",
                value=value,
                reference=hu,
                unit="HU",
                source="the voxel's HU",
                limit=limit,
                kind="absolute",
            )
        )
    return checks


def _figure() -> Figure:
    hu = torch.arange(-990.0, 1600.0, 5.0)
    curves = [
        Curve(label, tuple(hu.tolist()), tuple((scanned_hu(hu, 120.0, method) - hu).tolist()))
        for label, method in (("continuous", "continuous"), ("three classes", "three_class"))
    ]
    return Figure(
        title="HU scanned again at 120 kVp, minus the voxel's HU",
        x_label="HU of the voxel",
        y_label="difference, HU",
        curves=tuple(curves),
    )
