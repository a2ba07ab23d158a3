"""Make data/scattering_functions.csv from xraylib: run once, the result is committed.

    pip install numpy xraylib            # 'deepdrr[tables]'
    python scripts/make_scatter_tables.py data/scattering_functions.csv

Per element Z = 1..92, over x = sin(θ/2) / λ in 1/Å: the atomic form factor F (`FF_Rayl`) and the incoherent scattering
function S (`SF_Compt`), which give the angles of Rayleigh and Compton scattering. How often a photon is scattered is in
data/cross_sections.csv. One row per x, the columns F of the 92 elements, then S: a photon of 200 keV that is turned
back has x = 16.13.

Below x = 0.001 xraylib has no S; F is Z there within 0.01 %, and S falls as x².
"""

import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import xraylib as xrl

LOW, HIGH, POINTS = 0.002, 16.5, 128
ELEMENTS = range(1, 93)


def row(x: float) -> str:
    """The table's row at x."""
    form = [xrl.FF_Rayl(z, x) for z in ELEMENTS]
    incoherent = [xrl.SF_Compt(z, x) for z in ELEMENTS]
    return ",".join([f"{x:.7g}", *(f"{value:.4g}" for value in form), *(f"{value:.4g}" for value in incoherent)])


def main(path: Path) -> None:
    """Write the table."""
    names = ["x", *(f"f{z}" for z in ELEMENTS), *(f"s{z}" for z in ELEMENTS)]
    header = [
        f"# Made by scripts/make_scatter_tables.py from xraylib {version('xraylib')}: FF_Rayl and SF_Compt.",
        "# x = sin(theta / 2) / wavelength in 1/Angstrom; atomic form factors f, incoherent scattering functions s.",
        "# Log-log interpolation between neighbours; below the first row f is constant and s falls as the square of x.",
        ",".join(names),
    ]
    rows = [row(float(x)) for x in np.geomspace(LOW, HIGH, POINTS)]
    path.write_text("\n".join(header + rows) + "\n", encoding="utf-8")
    print(f"{path}: {len(rows)} rows, {path.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "data/scattering_functions.csv"))
