"""`PhotonTally`: what histories of photons left in the detector and in the body."""

import json
import math
import os
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from deepdrr._atomic import atomic_path

__all__ = ["KINDS", "PhotonTally"]

KINDS = ("primary", "single Compton", "single Rayleigh", "multiple")
_SCATTERED = slice(1, None)


@dataclass(frozen=True, eq=False, kw_only=True)
class PhotonTally:
    """Sums over histories, of h × w cells of a detector and K groups of energies. All float64.

    Attributes:
        histories: number of photons that were emitted.
        photons: [4, K, h, w], photons that crossed each cell, by kind (`KINDS`) and group.
        energy: [4, h, w], keV that they carried.
        square: [2, h, w], sum of the squares of what each arrival brought, keV²: primary, scattered.
        group_energy: [K], keV of the scattered photons of each group.
        history_square: [1], sum of the squares of the scatter that each history brought, keV².
        balance: [3], keV emitted, absorbed in the body, and escaped from it.
        regions: [256], keV absorbed in each region of the body; [0] if it has none.
        voxels: [I, J, K], keV absorbed in each voxel; empty unless it was asked for.
        cell_mm2: area of a cell, mm².
    """

    histories: int
    photons: Tensor
    energy: Tensor
    square: Tensor
    group_energy: Tensor
    history_square: Tensor
    balance: Tensor
    regions: Tensor
    voxels: Tensor
    cell_mm2: float

    def __add__(self, other: "PhotonTally") -> "PhotonTally":
        """The sums over the histories of both."""
        sums = {name: getattr(self, name) + getattr(other, name) for name in _SUMS}
        return replace(self, histories=self.histories + other.histories, **sums)

    @property
    def scatter_energy(self) -> Tensor:
        """Energy of the scattered photons per history and cell [h, w], keV."""
        return self.energy[_SCATTERED].sum(dim=0) / self.histories

    @property
    def scatter_error(self) -> Tensor:
        """Standard error of `scatter_energy` [h, w], keV: √Σ s² / n, of scores s that are rare in n histories."""
        return self.square[1].sqrt() / self.histories

    @property
    def relative_error(self) -> Tensor:
        """Standard error of the scatter of each cell, relative to it [h, w]; infinite where there is none."""
        return torch.where(self.scatter_energy > 0, self.scatter_error / self.scatter_energy, torch.inf)

    def error_of_most(self, share: float = 0.95) -> float:
        """The relative error that a share of the cells do not exceed."""
        return float(torch.quantile(self.relative_error.reshape(-1), share, interpolation="higher"))

    @property
    def total_error(self) -> float:
        """Relative standard error of all cells together; that of a cell does not hold what its neighbours share."""
        total = float(self.scatter_energy.sum())
        return math.sqrt(float(self.history_square)) / self.histories / total if total > 0 else math.inf

    @property
    def scatter_photons(self) -> Tensor:
        """Scattered photons per history and mm² of the detector, by group [K, h, w]."""
        return self.photons[_SCATTERED].sum(dim=0) / (self.histories * self.cell_mm2)

    @property
    def mean_group_kev(self) -> Tensor:
        """Mean energy of the scattered photons of each group [K], keV; 0 where there are none."""
        count = self.photons[_SCATTERED].sum(dim=(0, 2, 3))
        return torch.where(count > 0, self.group_energy / count.clamp(min=1e-300), 0.0)

    def save(self, path: str | os.PathLike[str], key: str) -> None:
        """Write the sums to a NumPy archive, whole or not at all.

        Args:
            path: the file.
            key: what was computed, in words; `load` compares it.
        """
        arrays = {name: getattr(self, name).numpy() for name in _SUMS}
        facts = json.dumps({"histories": self.histories, "cell_mm2": self.cell_mm2, "key": key})
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            np.savez(file, facts=np.array(facts), **arrays)

    @classmethod
    def load(cls, path: str | os.PathLike[str], key: str) -> "PhotonTally":
        """Read sums that `save` wrote.

        Raises:
            ValueError: if the file is of another computation, or is none.
        """
        try:
            with np.load(Path(path), allow_pickle=False) as archive:
                facts = json.loads(str(archive["facts"]))
                sums = {name: torch.from_numpy(archive[name]) for name in _SUMS}
        except (KeyError, ValueError, OSError) as error:
            raise ValueError(f"checkpoint must be a file of photon sums, got '{path}', which is not: {error}") from None
        if facts["key"] != key:
            raise ValueError(
                f"checkpoint must be of the same computation, got '{path}' of {facts['key']} for {key}; "
                "remove it or name another file"
            )
        return cls(histories=facts["histories"], cell_mm2=facts["cell_mm2"], **sums)


_SUMS = tuple(f.name for f in fields(PhotonTally) if f.name not in ("histories", "cell_mm2"))
