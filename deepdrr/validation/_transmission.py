"""Polychromatic transmission against an independent sum over all bins; and the error of the material basis."""

from collections.abc import Iterable

import torch
from torch import Tensor

from deepdrr.materials import Material, decompose, density_from_hu, mass_attenuation, material
from deepdrr.spectrum import Spectrum, attenuate, tungsten_spectrum
from deepdrr.validation._check import Check, Curve, Figure, Group, worst

__all__ = ["direct_transmission", "transmission_group"]

_KVPS = (60.0, 80.0, 100.0, 120.0)
# material, greatest thickness in mm, unit of the figure in mm
_SLABS = (("water", 400.0), ("cortical bone", 30.0), ("copper", 2.0))
_STEPS = 41
_LIMIT = 0.005
_QUADRATURE = 1e-4

# Tissues of Schneider 2000 by weight, at the HU for which the paper gives them, and a thickness in mm.
_TISSUES = (
    (-67, "H .113 C .567 N .009 O .308 Na .001 S .001 Cl .001", 200.0),
    (49, "H .103 C .134 N .03 O .723 Na .002 P .002 S .002 Cl .002 K .002", 200.0),
    (550, "H .071 C .335 N .032 O .387 Na .001 Mg .001 P .054 S .002 Ca .117", 30.0),
    (1550, "H .034 C .155 N .042 O .435 Na .001 Mg .002 P .103 S .003 Ca .225", 30.0),
)


def transmission_group(short: bool) -> Group:
    """Check every material and voltage at its worst thickness, without and with the spectral quadrature."""
    checks = []
    for kvp in _KVPS[::3] if short else _KVPS:
        beam = tungsten_spectrum(kvp)
        for name, most in _SLABS:
            checks.append(worst(_slab_checks(beam, name, most, None)))
            checks.append(worst(_slab_checks(beam, name, most, _QUADRATURE)))
        checks += [_tissue_check(beam, *tissue) for tissue in _TISSUES]
    return Group(
        title="Polychromatic transmission",
        text=(
            "Energy that a C-arm beam (10° anode, 3 mm Al, 0.1 mm Cu) brings through 0 to 40 cm of water, 0 to 3 cm of "
            "cortical bone and 0 to 2 mm of copper: `attenuate` in float32, over all bins and by the quadrature, "
            "against the sum over the bins in float64. Each row is the worst of 41 thicknesses. Then slabs of "
            "Schneider's tissues, as the three basis materials that stand for their HU, against the tissue's own "
            "elements."
        ),
        checks=tuple(checks),
        figures=tuple(_figure(name, most) for name, most in _SLABS),
    )


def direct_transmission(beam: Spectrum, of: Material, density_g_cm3: float, thickness_mm: Tensor) -> Tensor:
    """Share of the beam's energy behind each thickness [T]: Σ n E exp(−µ x) / Σ n E, bin by bin in float64."""
    total = torch.zeros_like(thickness_mm, dtype=torch.float64)
    energy_in = 0.0
    for energy, photons in zip(beam.energies_kev.tolist(), beam.photons.tolist(), strict=True):
        mu_mm = float(mass_attenuation(of, energy)) * density_g_cm3 / 10
        total += photons * energy * torch.exp(-mu_mm * thickness_mm.double())
        energy_in += photons * energy
    return total / energy_in


def _slab_checks(beam: Spectrum, name: str, most_mm: float, tolerance: float | None) -> Iterable[Check]:
    of = material(name)
    thickness = torch.linspace(0.0, most_mm, _STEPS, dtype=torch.float64)
    expected = direct_transmission(beam, of, of.density_g_cm3, thickness).tolist()
    areas = (thickness / 10 * of.density_g_cm3).float().reshape(1, 1, -1)
    energy = attenuate(areas, beam, [of], tolerance=tolerance).energy_kev.double().reshape(-1)
    found = (energy / (beam.energies_kev * beam.photons).sum()).tolist()
    way = "all bins" if tolerance is None else "quadrature"
    for at, value, reference in zip(thickness.tolist(), found, expected, strict=True):
        yield Check(
            name=f"{name}, {at:g} mm, {beam.kvp:g} kVp, {way}",
            value=value,
            reference=reference,
            source="direct sum",
            limit=_LIMIT if tolerance is None else 2 * _QUADRATURE,  # both ends of the ratio are approximated
        )


def _tissue_check(beam: Spectrum, hu: int, composition: str, thickness_mm: float) -> Check:
    words = composition.split()
    weights = {symbol: float(share) for symbol, share in zip(words[::2], words[1::2], strict=True)}
    tissue = Material(f"tissue of {hu} HU", weights, 1.0, "Schneider 2000")
    density = float(density_from_hu(tissue, torch.tensor(float(hu), dtype=torch.float64)))
    basis = decompose(torch.tensor([float(hu)]))
    areas = (basis.values.double() * thickness_mm / 10).reshape(-1, 1, 1)
    energy = float(attenuate(areas, beam, basis.materials).energy_kev)
    thickness = torch.tensor([thickness_mm], dtype=torch.float64)
    return Check(
        name=f"{tissue.name}, {thickness_mm:g} mm, {beam.kvp:g} kVp, in the basis",
        value=energy / float((beam.energies_kev * beam.photons).sum()),
        reference=float(direct_transmission(beam, tissue, density, thickness)),
        source="direct sum",
        limit=_LIMIT,
    )


def _figure(name: str, most_mm: float) -> Figure:
    of = material(name)
    thickness = torch.linspace(0.0, most_mm, _STEPS, dtype=torch.float64)
    areas = (thickness / 10 * of.density_g_cm3).float().reshape(1, 1, -1)
    curves = []
    for kvp in _KVPS:
        beam = tungsten_spectrum(kvp)
        energy = attenuate(areas, beam, [of]).energy_kev.reshape(-1).double()
        share = energy / (beam.energies_kev * beam.photons).sum()
        expected = direct_transmission(beam, of, of.density_g_cm3, thickness[::4])
        curves.append(Curve(f"{kvp:g} kVp", tuple(thickness.tolist()), tuple(share.tolist())))
        curves.append(Curve("", tuple(thickness[::4].tolist()), tuple(expected.tolist()), dots=True))
    return Figure(
        title=f"Transmission of energy through {name}: lines ours, dots the direct sum",
        x_label="thickness, mm",
        y_label="transmission",
        curves=tuple(curves),
        log_y=True,
    )
