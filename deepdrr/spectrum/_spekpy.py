"""SpekPy as a live source, for settings and models the shipped table does not have."""

from typing import Any

import torch

from deepdrr._extras import require
from deepdrr.spectrum._quality import filtered
from deepdrr.spectrum._spectrum import Spectrum
from deepdrr.spectrum._tungsten import C_ARM_FILTERS, Filters

__all__ = ["spekpy_spectrum"]

_MM2_PER_CM2 = 100.0


def spekpy_spectrum(
    kvp: float, *, anode_angle_deg: float = 10.0, filters: Filters = C_ARM_FILTERS, **settings: Any
) -> Spectrum:
    """A spectrum calculated by SpekPy (Poludniowski et al. 2021, doi 10.1002/mp.14945) instead of read from the table.

    Only the bare anode is SpekPy's; the filters are this package's.

    Args:
        kvp: tube voltage, kV.
        anode_angle_deg: degrees.
        filters: (material, thickness in mm) in the beam.
        settings: handed to `spekpy.Spek`, such as `physics="kqp"`, `targ="Mo"`, `dk=0.5` (bin width, keV).

    Returns:
        Photons per mm² per mAs at 1 m, without air.

    Raises:
        ImportError: if SpekPy is not installed: `pip install 'deepdrr[spekpy]'`.
    """
    spekpy = require("spekpy", "spekpy", "spekpy_spectrum")
    tube = spekpy.Spek(**{"kvp": kvp, "th": anode_angle_deg, "dk": 1.0, "physics": "casim", "z": 100, **settings})
    energies, photons = tube.get_spectrum(edges=False, diff=False)
    photons = torch.from_numpy(photons / _MM2_PER_CM2)
    spectrum = Spectrum(torch.from_numpy(energies.copy()), photons, float(kvp), f"SpekPy {anode_angle_deg:g}°")
    for material, thickness_mm in filters:
        spectrum = filtered(spectrum, material, thickness_mm)
    return spectrum
