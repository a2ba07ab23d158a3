"""Photon transport against TG-195, against other codes in slabs of water, and against itself."""

from collections.abc import Iterator
from dataclasses import replace

from deepdrr.montecarlo import KINDS, PhotonTally, Run, transport
from deepdrr.spectrum import Spectrum, monochromatic, tungsten_spectrum
from deepdrr.validation._check import Check, Group
from deepdrr.validation._photon_bodies import BOX, Setup, tg195_case_2, tg195_case_4, water_slab
from deepdrr.validation._references import Row, reference_rows

__all__ = ["photon_group"]

_EV = 1000.0
_TOTAL, _PART, _SPR = 0.005, 0.015, 0.02
_KIND_LIMITS = {"single Compton": 0.05, "single Rayleigh": 0.08, "multiple": 0.05}


def photon_group(short: bool) -> Group:
    """Check totals, and in full also cubes, slices, the detector plane and all slabs."""
    million = 1_000_000
    two = _run(tg195_case_2(), Run(histories=million if short else 30 * million, estimator="analog"))
    checks = [*_case_2(two, short), *_balance(two), *_case_4(short)]
    checks += [check for beam, gap in _slabs(short) for check in _slab(beam, gap, million * (1 if short else 5))]
    checks += _estimators(million // 2 if short else 5 * million)
    return Group(
        title="Photon transport",
        text=(
            "Cases 2 and 4.1 of AAPM TG-195 (Sechopoulos et al. 2015) at 56.4 keV: energy absorbed in a box of tissue "
            "and in slices of a cylinder of PMMA, against the mean of EGSnrc, Geant4, MCNP and PENELOPE. Then scatter "
            "behind 20 cm of water, field 30 × 30 cm at 120 cm, air gap and beam in the name, against three codes; "
            "scatter over primary is energy over energy, primary by rays; ours is below theirs by 1.4 to 2.1 % in the "
            "whole field and by 0.5 % on average in its centre, and why is not known. Forced detection and counting, "
            "and counted primary photons and ray integrals, in the same slab. Photons are followed with a fixed seed; "
            "the limits hold the statistical errors, and the references' rounding, too."
        ),
        checks=tuple(checks),
    )


def _run(setup: Setup, run: Run) -> PhotonTally:
    return transport(setup.body, setup.beam, setup.detector, run)


def _rows(case: str) -> Iterator[Row]:
    return (row for row in reference_rows("photon_transport") if row["case"] == case)


def _check(row: Row, value: float, limit: float, unit: str, source: str) -> Check:
    name = f"{row['case'].replace('tg195_', 'TG-195 case ').replace('_', ', ')}, {row['quantity']}"
    limit = max(limit, float(row["spread_percent"]) / 100)
    return Check(name=name, value=value, reference=float(row["value"]), unit=unit, source=source, limit=limit)


def _case_2(found: PhotonTally, short: bool) -> Iterator[Check]:
    absorbed = found.regions * _EV / found.histories
    for row in _rows("tg195_2"):
        if row["quantity"] == "box":
            yield _check(row, float(absorbed[1 : BOX + 1].sum()), _TOTAL, "eV", "TG-195")
        elif not short:
            yield _check(row, float(absorbed[int(row["quantity"].split()[1])]), _PART, "eV", "TG-195")
    if not short:
        center = found.energy[:, 13:26, 13:26].sum(dim=(1, 2)) / found.histories
        for row in _rows("tg195_2_plane"):
            limit = _KIND_LIMITS.get(row["quantity"], _PART)
            yield _check(row, float(center[KINDS.index(row["quantity"])]), limit, "keV", "EGSnrc")


def _balance(found: PhotonTally) -> Iterator[Check]:
    emitted, absorbed, escaped = found.balance.tolist()
    yield Check(
        name="absorbed and escaped energy over emitted energy",
        value=(absorbed + escaped) / emitted,
        reference=1.0,
        source="conservation",
        limit=1e-6,
    )


def _case_4(short: bool) -> Iterator[Check]:
    found = _run(tg195_case_4(), Run(histories=1_000_000 if short else 10_000_000, estimator="analog"))
    absorbed = found.regions * _EV / found.histories
    for row in _rows("tg195_4"):
        number = int(row["quantity"].split()[1])
        yield _check(row, float(absorbed[number + 1]), _PART, "eV", "TG-195")


def _slabs(short: bool) -> list[tuple[str, int]]:
    every = [(beam, gap) for beam in ("60 keV", "80 kVp", "100 kVp") for gap in (10, 20)]
    return every[:1] if short else every


def _spectrum(name: str) -> Spectrum:
    number, unit = name.split()
    if unit == "keV":
        return monochromatic(float(number))
    return tungsten_spectrum(float(number), anode_angle_deg=12.0, filters=[("aluminium", 3.0)])


def _slab(beam: str, gap_cm: int, histories: int) -> Iterator[Check]:
    setup, primary = water_slab(10.0 * gap_cm, _spectrum(beam))
    found = _run(setup, Run(histories=histories))
    center = (slice(2, 4), slice(2, 4))
    scatter = found.scatter_energy
    values = {
        "spr centre": float(scatter[center].sum() / primary[center].sum()),
        "spr field": float(scatter.sum() / primary.sum()),
    }
    kinds = found.energy[:, 2:4, 2:4].sum(dim=(1, 2)) / found.histories
    values |= dict(zip(KINDS, kinds.tolist(), strict=True))
    for row in _rows(f"slab {gap_cm} cm {beam}"):
        quantity = row["quantity"]
        unit = "keV" if quantity in KINDS else ""
        rounding = 0.005 / float(row["value"])  # the references have two decimals
        limit = _KIND_LIMITS[quantity] if quantity in KINDS else _SPR + rounding
        yield _check(row, values[quantity], limit, unit, "three codes")


def _estimators(histories: int) -> Iterator[Check]:
    setup, primary = water_slab(200.0, monochromatic(60.0))
    run = Run(histories=histories, seed=1)
    counted, forced = _run(setup, replace(run, estimator="analog")), _run(setup, run)
    yield Check(
        name="forced detection against counting, scatter of the field",
        value=float(forced.scatter_energy.sum()),
        reference=float(counted.scatter_energy.sum()),
        unit="keV",
        source="counting",
        limit=3 * float(counted.scatter_error.square().sum().sqrt() / counted.scatter_energy.sum()) + 0.01,
    )
    errors = counted.square[0].sum().sqrt() / counted.histories
    yield Check(
        name="counted primary photons against ray integrals",
        value=float(counted.energy[0].sum()) / counted.histories,
        reference=float(primary.sum()),
        unit="keV",
        source="ray integrals",
        limit=max(0.005, 3 * float(errors / primary.sum())),
    )
