"""Make data/tissue_basis.csv: what every tissue of the HU table is made of in the three basis materials.

    python scripts/make_tissue_basis.py data

Run it again after a change of the tissues, the basis or the cross-sections; a test compares the file with the fit.
"""

import sys
from pathlib import Path

from deepdrr.materials._basis import basis_materials, fit_basis
from deepdrr.materials._schneider import HU_NODES, rows

HEADER = """# Non-negative coefficients of tissues in basis materials, by non-negative least squares (20 to 150 keV).
# Written by scripts/make_tissue_basis.py.
"""


def table() -> str:
    """One row per tissue: its HU, then its coefficients, in full precision."""
    names = ",".join(part.name for part in basis_materials())
    lines = [
        f"{hu:g}," + ",".join(map(repr, fit_basis(tissue, basis_materials()).tolist()))
        for hu, tissue in zip(HU_NODES, rows(), strict=True)
    ]
    return f"{HEADER}hu,{names}\n" + "\n".join(lines) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1], "tissue_basis.csv").write_text(table(), encoding="utf-8")
