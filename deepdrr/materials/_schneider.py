"""Tissue composition as a function of HU: Schneider, Bortfeld and Schlegel 2000 (doi 10.1088/0031-9155/45/2/314).

Only the *composition* is taken from the paper. The density follows from the HU (see `_hu_table`), because the paper's
densities make bone about 10 % too high for a 120 kVp beam.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from deepdrr.materials._material import Material

__all__ = ["HU_NODES", "composition_weights", "rows"]

_ELEMENTS = ("H", "C", "N", "O", "Na", "Mg", "P", "S", "Cl", "Ar", "K", "Ca")

# (HU at which this composition holds, weight % of H C N O Na Mg P S Cl Ar K Ca). The paper gives HU bins; each
# composition is placed at the middle of its bin, and interpolated in between. Air and lung hold over a range: they are
# placed at both of its ends.
_ROWS = (
    (-1000, "0 0 75.5 23.2 0 0 0 0 0 1.3 0 0"),
    (-950, "10.3 10.5 3.1 74.9 .2 0 .2 .3 .3 0 .2 0"),
    (-200, "10.3 10.5 3.1 74.9 .2 0 .2 .3 .3 0 .2 0"),
    (-101, "11.6 68.1 .2 19.8 .1 0 0 .1 .1 0 0 0"),
    (-67, "11.3 56.7 .9 30.8 .1 0 0 .1 .1 0 0 0"),
    (-37, "11.0 45.8 1.5 41.1 .1 0 .1 .2 .2 0 0 0"),
    (-7, "10.8 35.6 2.2 50.9 0 0 .1 .2 .2 0 0 0"),
    (13, "10.6 28.4 2.6 57.8 0 0 .1 .2 .2 0 .1 0"),
    (49, "10.3 13.4 3.0 72.3 .2 0 .2 .2 .2 0 .2 0"),
    (100, "9.4 20.7 6.2 62.2 .6 0 0 .6 .3 0 0 0"),
    (160, "9.5 45.5 2.5 35.5 .1 0 2.1 .1 .1 0 .1 4.5"),
    (250, "8.9 42.3 2.7 36.3 .1 0 3.0 .1 .1 0 .1 6.4"),
    (350, "8.2 39.1 2.9 37.2 .1 0 3.9 .1 .1 0 .1 8.3"),
    (450, "7.6 36.1 3.0 38.0 .1 .1 4.7 .2 0 0 0 10.1"),
    (550, "7.1 33.5 3.2 38.7 .1 .1 5.4 .2 0 0 0 11.7"),
    (650, "6.6 31.0 3.3 39.4 .1 .1 6.1 .2 0 0 0 13.2"),
    (750, "6.1 28.7 3.5 40.0 .1 .1 6.7 .2 0 0 0 14.6"),
    (850, "5.6 26.5 3.6 40.5 .1 .2 7.3 .3 0 0 0 15.9"),
    (950, "5.2 24.6 3.7 41.1 .1 .2 7.8 .3 0 0 0 17.0"),
    (1050, "4.9 22.7 3.8 41.6 .1 .2 8.3 .3 0 0 0 18.1"),
    (1150, "4.5 21.0 3.9 42.0 .1 .2 8.8 .3 0 0 0 19.2"),
    (1250, "4.2 19.4 4.0 42.5 .1 .2 9.2 .3 0 0 0 20.1"),
    (1350, "3.9 17.9 4.1 42.9 .1 .2 9.6 .3 0 0 0 21.0"),
    (1450, "3.6 16.5 4.2 43.2 .1 .2 10.0 .3 0 0 0 21.9"),
    (1550, "3.4 15.5 4.2 43.5 .1 .2 10.3 .3 0 0 0 22.5"),
)

HU_NODES: NDArray[np.float64] = np.array([hu for hu, _ in _ROWS], dtype=np.float64)


@cache
def rows() -> tuple[Material, ...]:
    """The tissues at `HU_NODES`; their density is unused and set to 1 g/cm³."""
    tissues = []
    for hu, percent in _ROWS:
        fractions = {s: float(w) / 100 for s, w in zip(_ELEMENTS, percent.split(), strict=True) if float(w) > 0}
        tissues.append(Material(f"Schneider tissue at {hu} HU", fractions, 1.0, "Schneider 2000"))
    return tuple(tissues)


def composition_weights(hu: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weight of each tissue of `rows` at each HU [N, R]: linear between nodes, constant beyond the ends."""
    return np.stack([np.interp(hu, HU_NODES, unit) for unit in np.eye(len(HU_NODES))], axis=1)
