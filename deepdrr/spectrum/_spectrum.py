"""What a spectrum is: photons per energy bin."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from deepdrr._door import read_text, shown
from deepdrr._numbers import as_number, plain_fields
from deepdrr.materials._cross_sections import ENERGY_RANGE_KEV

__all__ = ["Spectrum", "monochromatic"]


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Photon fluence of a beam by energy.

    Attributes:
        energies_kev: [E] bin centres in keV, rising, 1 to 200 keV where photons are.
        photons: [E] photons in each bin, float64. Spectra of this package: per mm² per mAs at 1 m from the focal
            spot, without air.
        kvp: tube voltage in kV, None if there is no tube.
        description: what it is, for reports.
        voltage: `kvp` as the scalar tensor that it was given as, with its gradient; None for a number.

    Raises:
        ValueError: if the arrays do not match, an energy or a photon count is negative or NaN, or no photons are left.
    """

    energies_kev: Tensor
    photons: Tensor
    kvp: float | None = None
    description: str = "user"
    voltage: Tensor | None = None

    def __post_init__(self) -> None:
        plain_fields(self)
        energies = torch.as_tensor(self.energies_kev, dtype=torch.float64)
        photons = torch.as_tensor(self.photons, dtype=torch.float64)
        object.__setattr__(self, "energies_kev", energies)
        object.__setattr__(self, "photons", photons)
        _check(energies.detach(), photons.detach())

    @classmethod
    def from_arrays(
        cls,
        energies_kev: Tensor | Sequence[float],
        photons: Tensor | Sequence[float],
        *,
        kvp: float | None = None,
        description: str = "user",
    ) -> "Spectrum":
        """A spectrum of your own.

        Args:
            energies_kev: [E] bin centres in keV, rising.
            photons: [E] photons in each bin (not per keV: multiply a density by its bin width).
            kvp: tube voltage in kV, if there is one.
            description: what it is.

        Raises:
            ValueError: if the arrays do not match, values are negative or NaN, or the energies are not in keV.

        Example:
            >>> Spectrum.from_arrays([40.0, 50.0, 60.0], [1e4, 2e4, 1e4]).photons.sum().item()
            40000.0
        """
        energies = torch.as_tensor(energies_kev, dtype=torch.float64)
        return cls(energies, torch.as_tensor(photons, dtype=torch.float64), kvp, description)

    @classmethod
    def from_csv(cls, path: str | Path, *, kvp: float | None = None) -> "Spectrum":
        """Read a spectrum from a text file with two columns: energy in keV and photons per bin.

        Commas, semicolons, tabs or blanks separate; lines that start with `#` and one header line are passed over.

        Args:
            path: the file.
            kvp: tube voltage in kV, if there is one.

        Raises:
            FileNotFoundError: if there is no such file.
            ValueError: if a line does not hold two numbers, or the numbers make no spectrum.
        """
        file = Path(path)
        rows = _two_columns(file, read_text(path))
        return cls.from_arrays([e for e, _ in rows], [n for _, n in rows], kvp=kvp, description=file.name)

    def __repr__(self) -> str:
        tube = f"{self.kvp:g} kVp, " if self.kvp is not None else ""
        photons = self.photons.detach()
        mean = float((self.energies_kev * photons).sum() / photons.sum())
        return f"Spectrum({self.description}: {tube}mean {mean:.4g} keV)"


def monochromatic(energy_kev: float, photons: float = 1.0) -> Spectrum:
    """A beam of a single energy.

    Args:
        energy_kev: photon energy in keV, 1 to 200.
        photons: how many, e.g. per mm².

    Raises:
        ValueError: if the energy is outside the cross-section table or the number is not positive.

    Example:
        >>> monochromatic(60.0)
        Spectrum(monochromatic: mean 60 keV)
    """
    energies = torch.tensor([as_number(energy_kev, "energy_kev")], dtype=torch.float64)
    return Spectrum(energies, torch.tensor([as_number(photons, "photons")], dtype=torch.float64), None, "monochromatic")


def _check(energies: Tensor, photons: Tensor) -> None:
    if energies.ndim != 1 or energies.shape != photons.shape:
        shapes = f"{tuple(energies.shape)} and {tuple(photons.shape)}"
        raise ValueError(f"energies_kev and photons must both be [E], one value per bin, got the shapes {shapes}")
    bad = photons[~(torch.isfinite(photons) & (photons >= 0))]
    if len(bad):
        raise ValueError(f"photons must be finite and not negative in every bin, got {float(bad[0])}")
    if not bool(torch.isfinite(energies).all()) or bool((energies.diff() <= 0).any()):
        raise ValueError("energies_kev must be finite and rise from bin to bin")
    lit = energies[photons > 0]
    if not len(lit):
        raise ValueError("photons must not be zero in every bin: a spectrum holds photons")
    low, high = ENERGY_RANGE_KEV
    if float(lit[-1]) < low:
        raise ValueError(f"energies_kev must be in keV, not MeV, got energies up to {float(lit[-1]):g}")
    if float(lit[-1]) > high or float(lit[0]) < low:
        span = f"{float(lit[0]):g} to {float(lit[-1]):g}"
        raise ValueError(f"energies_kev with photons must be from {low:g} to {high:g} keV (not eV), got {span}")


def _two_columns(file: Path, text: str) -> list[tuple[float, float]]:
    rows: list[tuple[float, float]] = []
    skipped_header = False
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.replace(",", " ").replace(";", " ").split()
        if not words or words[0].startswith("#"):
            continue
        try:
            energy, photons = map(float, words)
        except ValueError:
            if rows or skipped_header:
                raise ValueError(
                    f"line {number} of '{file}' must be an energy in keV and photons per bin, got {shown(line)}"
                ) from None
            skipped_header = True
            continue
        if not (math.isfinite(energy) and math.isfinite(photons)):
            raise ValueError(f"line {number} of '{file}' must be two finite numbers, got {shown(line)}")
        rows.append((energy, photons))
    if not rows:
        raise ValueError(f"'{file}' must hold rows of an energy in keV and photons per bin, got none")
    return rows
