"""Make data/spectra/tungsten_*deg.csv and ct_beams.csv from SpekPy: run once, the results are committed.

    pip install numpy spekpy             # 'deepdrr[tables]'
    python scripts/make_spectra.py data/spectra

One file per anode angle. Tungsten target, SpekPy's casim model, 1 keV bins, *no* filtration (neither inherent nor
air; the attenuation in the target itself is part of the spectrum), on the central ray at 1 m: photons per mm² per mAs
in each bin. Bremsstrahlung (``continuum``) and fluorescence lines (``lines``) stand in two columns because they
depend on kVp in different ways.

References: Bujila, Omar, Poludniowski 2020 (doi 10.1016/j.ejmp.2020.04.026); Poludniowski et al. 2021 (doi
    10.1002/mp.14945).
"""

import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import spekpy
from numpy.typing import NDArray

Array = NDArray[np.float64]

ANGLES_DEG = tuple(range(6, 21, 2))
KVPS = tuple(range(40, 151, 2))
CT_KVPS = tuple(range(70, 151, 10))
MM2_PER_CM2 = 100.0


def part(kvp: int, angle_deg: float, **switch: bool) -> tuple[Array, Array]:
    """Bin centres (keV) and photons per mm² per mAs at 1 m of one part of the spectrum."""
    spek = spekpy.Spek(kvp=kvp, th=angle_deg, dk=1.0, physics="casim", targ="W", z=100, **switch)
    energies, photons = spek.get_spectrum(edges=False, diff=False)
    return energies, photons / MM2_PER_CM2


def tungsten_rows(angle_deg: float) -> list[str]:
    """One line per tube voltage and bin."""
    rows = []
    for kvp in KVPS:
        energies, continuum = part(kvp, angle_deg, char=False)
        _, lines = part(kvp, angle_deg, brem=False)
        rows += [f"{kvp},{e:g},{c:.5g},{k:.5g}" for e, c, k in zip(energies, continuum, lines, strict=True)]
    return rows


def ct_beam(kvp: int) -> tuple[Array, Array]:
    """Energy-weighted spectrum behind 6 mm aluminium and 20 cm water, normalised: what a CT detector sees."""
    spek = spekpy.Spek(kvp=kvp, th=10, dk=1.0, physics="casim", targ="W", z=100)
    spek.filter("Al", 6.0).filter("Water, Liquid", 200.0)
    energies, photons = spek.get_spectrum(edges=False, diff=False)
    weight = energies * photons
    return energies, weight / weight.sum()


def ct_rows() -> list[str]:
    """One line per tube voltage and bin; bins below 1e-6 are left out."""
    rows = []
    for kvp in CT_KVPS:
        rows += [f"{kvp},{e:g},{w:.5g}" for e, w in zip(*ct_beam(kvp), strict=True) if w > 1e-6]
    return rows


def write(path: Path, comments: list[str], rows: list[str]) -> None:
    """Write one table with its origin on top."""
    origin = f"# Made by scripts/make_spectra.py with SpekPy {version('spekpy')} (MIT), physics casim, tungsten target."
    path.write_text("\n".join([origin, *comments, *rows]) + "\n", encoding="utf-8")
    print(f"{path}: {len(rows)} rows, {path.stat().st_size / 1024:.0f} KiB", flush=True)


def main(folder: Path) -> None:
    """Write all tables."""
    folder.mkdir(parents=True, exist_ok=True)
    comments = [
        "# CT beams: 10 degree anode, 6 mm aluminium, 20 cm water; weight = energy times photons, sum 1.",
        "kvp,energy_kev,weight",
    ]
    write(folder / "ct_beams.csv", comments, ct_rows())
    for angle in ANGLES_DEG:
        comments = [
            f"# Anode angle {angle} degrees, central ray, no filtration, no air; photons/mm2/mAs at 1 m in 1 keV bins.",
            "kvp,energy_kev,continuum,lines",
        ]
        write(folder / f"tungsten_{angle:02d}deg.csv", comments, tungsten_rows(angle))


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "data/spectra"))
