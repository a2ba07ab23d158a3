"""Make data/cross_sections.csv from xraylib: run once, the result is committed.

    pip install numpy xraylib            # 'deepdrr[tables]'
    python scripts/make_cross_sections.py data/cross_sections.csv

Per element Z = 1..92, from 1 to 200 keV, cm²/g: photoelectric, Compton (incoherent) and Rayleigh (coherent) mass
attenuation, and mass energy transfer. The grid is logarithmic; every absorption edge is in it twice (just below, just
above), so that log-log interpolation between neighbours never runs across an edge. Only ``CS_Photo``, ``CS_Compt``
and ``CS_Rayl`` are used: xraylib's ``*_Kissel`` and ``CS_Energy`` are wrong for light elements (its issues 176, 222,
227, 255).

Mass energy transfer = photo × (1 − mean fluorescence energy / E) + Compton × (mean energy of the recoil electron /
E), with K and L fluorescence from xraylib's jump factors, yields and line energies and the free-electron
Klein-Nishina mean weighted with the incoherent scattering function. For E ≤ 150 keV and light elements it equals
NIST's mu_en to about 0.1 %.
"""

import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import xraylib as xrl
from numpy.typing import NDArray

Array = NDArray[np.float64]

LOW_KEV, HIGH_KEV, POINTS = 1.0, 200.0, 101
# NIST's energies are nodes of the grid too, because xraylib's own interpolation ripples by 0.5 % near L edges.
TABULATED_KEV = (10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 80.0, 100.0, 150.0)
SMALLEST_JUMP = (
    0.01  # the M edges of heavy elements rise by 4 %; the interpolation inside xraylib ripples by less than this
)
ELECTRON_MASS_KEV = 510.99895
KEV_ANGSTROM = 12.398419843
K_LINES = (xrl.KA_LINE, xrl.KB_LINE)
L_SHELLS = (xrl.L1_SHELL, xrl.L2_SHELL, xrl.L3_SHELL)


def edges_kev(z: int) -> list[tuple[float, float]]:
    """(just below, just above) for each absorption edge of element z that lies inside the table."""
    found = []
    for shell in range(31):
        try:
            nominal = xrl.EdgeEnergy(z, shell)
        except ValueError:
            continue
        window = np.linspace(0.992 * nominal, 1.008 * nominal, 400)
        window = window[(window > LOW_KEV) & (window < HIGH_KEV)]
        photo = [xrl.CS_Photo(z, float(energy)) for energy in window]
        for i in np.flatnonzero(np.diff(np.log(photo)) > SMALLEST_JUMP):
            found.append(_bisect_edge(z, float(window[i]), float(window[i + 1])))
    return sorted({round(below, 4): (below, above) for below, above in found}.values())


def _bisect_edge(z: int, below: float, above: float) -> tuple[float, float]:
    """Close in on a jump: keep the half in which the photoelectric cross section rises more."""
    while above - below > 2e-7 * below:
        middle = 0.5 * (below + above)
        low, mid, high = (xrl.CS_Photo(z, energy) for energy in (below, middle, above))
        below, above = (below, middle) if mid / low > high / mid else (middle, above)
    return below, above


def fluorescence_kev(z: int, energy: float) -> float:
    """Mean energy that leaves as K and L fluorescence after one photoelectric absorption, keV."""
    remaining, emitted = 1.0, 0.0
    if energy > _or_zero(xrl.EdgeEnergy, z, xrl.K_SHELL) > 0:
        share = 1 - 1 / (_or_zero(xrl.JumpFactor, z, xrl.K_SHELL) or 1.0)
        line = sum(_or_zero(xrl.RadRate, z, k) * _or_zero(xrl.LineEnergy, z, k) for k in K_LINES)
        emitted += share * _or_zero(xrl.FluorYield, z, xrl.K_SHELL) * line
        emitted += share * _l_after_k_kev(z)
        remaining -= share
    for shell in L_SHELLS:
        if energy > _or_zero(xrl.EdgeEnergy, z, shell) > 0:
            share = remaining * (1 - 1 / (_or_zero(xrl.JumpFactor, z, shell) or 1.0))
            emitted += share * _l_emission_kev(z, shell)
            remaining -= share
    return min(emitted, energy)


def _l_emission_kev(z: int, shell: int) -> float:
    """Fluorescence energy per L vacancy: yield times a line energy close to the M4,5 → L transition."""
    return _or_zero(xrl.FluorYield, z, shell) * (_or_zero(xrl.LineEnergy, z, xrl.LA_LINE) or 0.0)


def _l_after_k_kev(z: int) -> float:
    """L fluorescence that follows a K vacancy (K alpha and KLL Auger leave about 1.3 L vacancies), keV."""
    return 1.3 * _l_emission_kev(z, xrl.L3_SHELL)


def _or_zero(function, *args):  # type: ignore[no-untyped-def]
    """0 where xraylib raises because it has no such line, shell or yield."""
    try:
        return function(*args)
    except ValueError:
        return 0.0


def compton_transfer_fraction(z: int, energy: float) -> float:
    """Mean fraction of the photon's energy given to the electron in incoherent scattering."""
    cosine, weight = np.polynomial.legendre.leggauss(48)
    q = np.sqrt((1 - cosine) / 2) * energy / KEV_ANGSTROM
    bound = np.array([xrl.SF_Compt(z, float(value)) for value in q])
    ratio = 1 / (1 + energy / ELECTRON_MASS_KEV * (1 - cosine))
    klein_nishina = ratio**2 * (ratio + 1 / ratio - 1 + cosine**2)
    return float(np.sum(weight * klein_nishina * bound * (1 - ratio)) / np.sum(weight * klein_nishina * bound))


def element_rows(z: int) -> list[str]:
    """The table's rows of one element."""
    edges = edges_kev(z)
    grid = np.geomspace(LOW_KEV, HIGH_KEV, POINTS)
    at = [(float(energy), float(energy)) for energy in np.union1d(grid, TABULATED_KEV)]
    for below, above in edges:
        at += [(below, below), (above, below)]
    rows = []
    for energy, printed in sorted(at):
        photo, compton, rayleigh = xrl.CS_Photo(z, energy), xrl.CS_Compt(z, energy), xrl.CS_Rayl(z, energy)
        transfer = photo * (1 - fluorescence_kev(z, energy) / energy)
        transfer += compton * compton_transfer_fraction(z, energy)
        rows.append(f"{z},{printed:.7g},{photo:.5g},{compton:.5g},{rayleigh:.5g},{transfer:.5g}")
    return rows


def main(path: Path) -> None:
    """Write the table."""
    header = [
        f"# Made by scripts/make_cross_sections.py from xraylib {version('xraylib')}: CS_Photo, CS_Compt, CS_Rayl.",
        "# Log-log interpolation between neighbours; an absorption edge is listed twice, below and above.",
        "# Columns: atomic number, energy in keV, then in cm2/g: photoelectric, Compton, Rayleigh, energy transfer.",
        "z,energy_kev,photo,compton,rayleigh,transfer",
    ]
    rows = [row for z in range(1, 93) for row in element_rows(z)]
    path.write_text("\n".join(header + rows) + "\n", encoding="utf-8")
    print(f"{path}: {len(rows)} rows, {path.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "data/cross_sections.csv"))
