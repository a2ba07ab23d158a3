"""The standard radiation qualities RQR and RQA of IEC 61267:2005.

The standard fixes the tube voltage and the first half-value layer; a laboratory adds aluminium until its tube has it.
So does `standard_quality` with the tungsten spectra of this package. RQA is RQR behind a block of aluminium.

Sources: half-value layers and homogeneity of RQR from table 1 of the standard as it is widely reprinted (e.g. IAEA TRS
457); voltages and half-value layers were checked here against two other public copies, the homogeneity and the added
filters of RQA were not. The anode angle is left open by the standard; 20° is usual for the tubes of calibration
laboratories (not looked up), and of 10° to 20° it comes nearest to all homogeneity coefficients.
"""

from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from deepdrr._names import unknown_name
from deepdrr.spectrum._quality import filtered, half_value_layer
from deepdrr.spectrum._spectrum import Spectrum
from deepdrr.spectrum._tungsten import tungsten_spectrum

__all__ = ["STANDARD_QUALITIES", "StandardQuality", "standard_quality"]

_ANODE_ANGLE_DEG = 20.0
_MOST_ALUMINUM_MM = 20.0


@dataclass(frozen=True)
class StandardQuality:
    """What the standard says of a quality.

    Attributes:
        name: e.g. `"RQA 5"`.
        kvp: tube voltage, kV.
        hvl_mm: first half-value layer of the RQR beam, before any added filter, mm aluminium.
        homogeneity: first over second half-value layer of the RQR beam.
        added_mm: aluminium added to the RQR beam, mm; 0 for RQR itself.
    """

    name: str
    kvp: float
    hvl_mm: float
    homogeneity: float
    added_mm: float = 0.0


# number: kV, first half-value layer in mm Al, homogeneity coefficient
_RQR = {
    2: (40.0, 1.42, 0.81),
    3: (50.0, 1.78, 0.76),
    4: (60.0, 2.19, 0.74),
    5: (70.0, 2.58, 0.71),
    6: (80.0, 3.01, 0.69),
    7: (90.0, 3.48, 0.68),
    8: (100.0, 3.97, 0.68),
    9: (120.0, 5.00, 0.68),
    10: (150.0, 6.57, 0.72),
}
_RQA_ADDED_MM = {3: 10.0, 5: 21.0, 7: 30.0, 9: 40.0}

STANDARD_QUALITIES: MappingProxyType[str, StandardQuality] = MappingProxyType(
    {f"RQR {n}": StandardQuality(f"RQR {n}", *row) for n, row in _RQR.items()}
    | {f"RQA {n}": StandardQuality(f"RQA {n}", *_RQR[n], added) for n, added in _RQA_ADDED_MM.items()}
)


def standard_quality(name: str) -> Spectrum:
    """The spectrum of a standard radiation quality.

    Args:
        name: `"RQR 2"` to `"RQR 10"`, `"RQA 3"`, `"RQA 5"`, `"RQA 7"` or `"RQA 9"`; with or without the blank.

    Returns:
        Photons per mm² per mAs at 1 m, without air.

    Raises:
        ValueError: if there is no such quality.

    Example:
        >>> standard_quality("RQA5")
        Spectrum(RQA 5: 70 kVp, mean 52.18 keV)
    """
    key = " ".join(str(name).upper().replace("-", " ").split()).replace("RQR", "RQR ").replace("RQA", "RQA ")
    quality = STANDARD_QUALITIES.get(" ".join(key.split()))
    if quality is None:
        raise unknown_name("standard quality", name, STANDARD_QUALITIES)
    bare = tungsten_spectrum(quality.kvp, anode_angle_deg=_ANODE_ANGLE_DEG, filters=())
    found = filtered(bare, "aluminium", inherent_aluminum_mm(quality) + quality.added_mm)
    return Spectrum(found.energies_kev, found.photons, quality.kvp, quality.name)


@cache
def inherent_aluminum_mm(quality: StandardQuality) -> float:
    """Aluminium that brings the tube to the half-value layer of its RQR quality, mm, by bisection."""
    bare = tungsten_spectrum(quality.kvp, anode_angle_deg=_ANODE_ANGLE_DEG, filters=())
    low, high = 0.0, _MOST_ALUMINUM_MM
    while high - low > 1e-4:  # 1e-4 mm of filter change the layer by less than that
        middle = (low + high) / 2
        if half_value_layer(filtered(bare, "aluminium", middle)) < quality.hvl_mm:
            low = middle
        else:
            high = middle
    return (low + high) / 2
