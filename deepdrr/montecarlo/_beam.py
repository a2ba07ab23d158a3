"""`PhotonBeam`: where photons start, which way, and with which energy."""

import math
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from deepdrr._kernels import load_kernels
from deepdrr.camera import Camera, ray_slopes
from deepdrr.materials import attenuation_matrix
from deepdrr.montecarlo._panel import Panel, panel_of
from deepdrr.spectrum import HEEL_MATERIALS, Spectrum, XRaySource, heel_layers

__all__ = ["PhotonBeam", "beam_of", "even_beam"]

_CELLS = 64  # along the longer side of the field
_ENERGY_RANGE_KEV = (1.0, 200.0)


@dataclass(frozen=True, eq=False, kw_only=True)
class PhotonBeam:
    """Photons from a point through a panel of cells.

    Attributes:
        field: the cells through which they go, evenly within each.
        photons: [rows, columns], photons through each cell.
        spectra: [rows · columns, E] photons of each energy through each cell, or [1, E] for all; of any scale.
        energies_kev: [E], keV.

    Raises:
        ValueError: if shapes do not fit, there are no photons, or an energy is out of the tables.
    """

    field: Panel
    photons: Tensor
    spectra: Tensor
    energies_kev: Tensor

    def __post_init__(self) -> None:
        cells = (self.field.rows, self.field.columns)
        if tuple(self.photons.shape) != cells:
            raise ValueError(f"photons must be {list(cells)}, one per cell, got {tuple(self.photons.shape)}")
        if tuple(self.spectra.shape) not in ((1, len(self.energies_kev)), (math.prod(cells), len(self.energies_kev))):
            raise ValueError(
                f"spectra must be [1, E] or [{math.prod(cells)}, E] for {len(self.energies_kev)} energies, "
                f"got {tuple(self.spectra.shape)}"
            )
        for name, values in (("photons", self.photons), ("spectra", self.spectra)):
            if not bool((torch.isfinite(values) & (values >= 0)).all()) or not float(values.sum()) > 0.0:
                raise ValueError(f"{name} of a beam must be finite, not negative and not all 0")
        low, high = _ENERGY_RANGE_KEV
        if not bool(((self.energies_kev >= low) & (self.energies_kev <= high)).all()):
            outside = self.energies_kev[(self.energies_kev < low) | ~(self.energies_kev <= high)][0]
            raise ValueError(f"energies_kev must be {low:g} to {high:g} keV for photon transport, got {outside:g} keV")

    @property
    def total_photons(self) -> float:
        """Photons through all cells."""
        return float(self.photons.double().sum())

    @property
    def mean_kev(self) -> float:
        """Mean energy of the photons, keV."""
        shares = self.photons.double().reshape(-1, 1) / self.photons.double().sum()
        spectra = self.spectra.double() / self.spectra.double().sum(dim=1, keepdim=True).clamp(min=1e-300)
        return float((shares * spectra * self.energies_kev.double()).sum())

    def for_kernel(self, box_from_world: Tensor) -> Any:
        """The compiled kernels' copy, in a body's box."""
        turn, shift = box_from_world[:3, :3].double(), box_from_world[:3, 3].double()
        sides, normal = self.field.for_kernel(box_from_world)
        cells = _cumulative(self.photons.reshape(1, -1)).reshape(self.photons.shape)
        return load_kernels().PhotonSource(
            (turn @ self.field.source + shift).tolist(),
            sides,
            normal,
            cells.contiguous().numpy(),
            _cumulative(self.spectra).contiguous().numpy(),
            self.energies_kev.float().contiguous().numpy(),
        )


def beam_of(source: XRaySource, camera: Camera, fluence: Tensor) -> PhotonBeam:
    """The photons of a source through a camera's detector, with its heel effect; from a point.

    Args:
        source: spectrum and heel. Air between source and detector filters the spectrum, if there is an air path.
        camera: an unbatched perspective camera.
        fluence: factor from the spectrum's photons to photons per pixel [H, W], behind the shutters.
    """
    height, width = fluence.shape
    scale = min(1.0, _CELLS / max(height, width))
    rows, columns = max(1, round(height * scale)), max(1, round(width * scale))
    per_cell = F.interpolate(fluence.detach().double().cpu()[None, None], size=(rows, columns), mode="area")[0, 0]
    per_cell = per_cell * (height * width / (rows * columns))  # pixels in a cell
    spectrum = source.arriving(float(camera.sdd_mm)) if source.air_path else source.spectrum
    lit = spectrum.photons.detach() > 0
    energies, photons = spectrum.energies_kev[lit].double(), spectrum.photons.detach()[lit].double()
    spectra = photons[None]
    if source.heel is not None:
        layers = heel_layers(camera.resized(rows, columns), spectrum.kvp or 0.0, source.heel).detach().cpu()
        depths = torch.einsum("lhw,le->hwe", layers, attenuation_matrix(HEEL_MATERIALS, energies))
        spectra = (photons * torch.exp(-depths)).reshape(rows * columns, -1)
    counts = per_cell * spectra.sum(dim=1).reshape(-1, 1 if len(spectra) == 1 else columns)
    return PhotonBeam(field=panel_of(camera, rows, columns), photons=counts, spectra=spectra, energies_kev=energies)


def even_beam(spectrum: Spectrum, camera: Camera, *, per: Literal["direction", "area"] = "direction") -> PhotonBeam:
    """Photons that a point sends through a camera's detector: one history is one photon.

    Args:
        spectrum: their energies.
        camera: the point and the field, an unbatched perspective camera.
        per: what is even: `"direction"`, as many in every solid angle; `"area"`, as many on every part of the detector.
    """
    factor = torch.ones(_CELLS, _CELLS, dtype=torch.float64)
    if per == "direction":
        x, y = (slope.detach().cpu().double() for slope in ray_slopes(camera.resized(_CELLS, _CELLS)))
        factor = ((1.0 + x**2 + y**2) ** -1.5).expand(_CELLS, _CELLS)  # cos³: inverse square, and tilt of the detector
    lit = spectrum.photons.detach() > 0
    return PhotonBeam(
        field=panel_of(camera, _CELLS, _CELLS),
        photons=factor / factor.sum(),
        spectra=spectrum.photons.detach()[lit][None],
        energies_kev=spectrum.energies_kev[lit],
    )


def _cumulative(shares: Tensor) -> Tensor:
    """Cumulative shares of each row, ending in 1; of a row of zeros, all 1."""
    sums = shares.double().cumsum(dim=1)
    total = sums[:, -1:]
    return torch.where(total > 0, sums / total.clamp(min=1e-300), 1.0).float()
