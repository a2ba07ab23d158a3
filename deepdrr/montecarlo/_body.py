"""`PhotonBody`: the densities that photons fly through."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deepdrr._kernels import load_kernels
from deepdrr._memory import check_fits
from deepdrr.materials import Material
from deepdrr.montecarlo._tables import PhotonTables, photon_tables

__all__ = ["BLOCK", "PhotonBody"]

BLOCK = 6  # voxels along the edge of a block; measured best of 3, 4, 6, 8 in the bundled pelvis
_MOST_REGIONS = 256
_MOST_UNITS = 65535


@dataclass(frozen=True, eq=False, kw_only=True)
class PhotonBody:
    """Densities of M materials in the voxels of a box; outside it is vacuum.

    Attributes:
        densities: [M, I, J, K], g/cm³, not negative.
        materials: the M materials, up to 16.
        voxel_mm: size of a voxel along I, J and K, mm.
        box_from_world: transform [4, 4] from the room to mm from the box's corner; rigid, or with a reflection.
        regions: number of the region of each voxel [I, J, K], 0 to 255, in which absorbed energy is summed; or None.

    Raises:
        ValueError: if shapes do not fit, a density is negative or not finite, or the transform changes lengths.

    Example:
        >>> from deepdrr.materials import material
        >>> water = PhotonBody(
        ...     densities=torch.ones(1, 30, 30, 20), materials=(material("water"),), voxel_mm=(10.0, 10.0, 10.0)
        ... )
        >>> water.size_mm
        (300.0, 300.0, 200.0)
    """

    densities: Tensor
    materials: tuple[Material, ...]
    voxel_mm: tuple[float, float, float]
    box_from_world: Tensor = field(default_factory=lambda: torch.eye(4, dtype=torch.float64))
    regions: Tensor | None = None

    def __post_init__(self) -> None:
        shape = tuple(self.densities.shape)
        if len(shape) != 4 or shape[0] != len(self.materials) or 0 in shape:
            raise ValueError(f"densities must be [{len(self.materials)}, I, J, K], one per material, got {shape}")
        check_fits("a copy of the densities", (*shape[1:], 4 if shape[0] <= 4 else 16), dtype=torch.int16)
        if not bool((torch.isfinite(self.densities) & (self.densities >= 0)).all()):
            raise ValueError(f"densities must be finite and not negative, got {float(self.densities.min()):g} g/cm³")
        if len(self.voxel_mm) != 3 or not all(0.0 < edge < 1e5 for edge in self.voxel_mm):
            raise ValueError(f"voxel_mm must be three positive sizes, got {self.voxel_mm}")
        turn = self.box_from_world[:3, :3].double()
        if not torch.allclose(turn @ turn.T, torch.eye(3, dtype=torch.float64), atol=1e-5):
            raise ValueError(f"box_from_world must keep lengths, got {turn.tolist()}")
        if self.regions is not None:
            _check_regions(self.regions, shape[1:])

    @property
    def size_mm(self) -> tuple[float, float, float]:
        """Edges of the box, mm."""
        i, j, k = (n * edge for n, edge in zip(self.densities.shape[1:], self.voxel_mm, strict=True))
        return i, j, k

    @property
    def mass_g(self) -> Tensor:
        """Mass of each region [256], g; of all voxels in the first, if there are no regions."""
        volume_cm3 = float(np.prod(self.voxel_mm)) / 1000.0
        per_voxel = self.densities.double().sum(dim=0).reshape(-1) * volume_cm3
        numbers = torch.zeros_like(per_voxel, dtype=torch.long) if self.regions is None else self.regions.reshape(-1)
        return torch.zeros(_MOST_REGIONS, dtype=torch.float64).index_add_(0, numbers.long(), per_voxel)

    @cached_property
    def tables(self) -> PhotonTables:
        """The tables of its materials."""
        return photon_tables(self.materials)

    @cached_property
    def units(self) -> Tensor:
        """The units [M], g/cm³, in which the compiled kernels have the densities: whole numbers up to 65535."""
        greatest = self.densities.detach().flatten(1).amax(dim=1).double()
        return torch.where(greatest > 0, greatest, 1.0) / _MOST_UNITS

    @cached_property
    def for_kernel(self) -> Any:
        """The compiled kernels' copy of the body."""
        count, shape = self.tables.angle.shape[-1], self.densities.shape[1:]
        whole = np.zeros((*shape, count), dtype=np.uint16)
        for s, (density, unit) in enumerate(zip(self.densities.detach(), self.units.tolist(), strict=True)):
            whole[..., s] = (density / unit + 0.5).numpy()
        units = np.zeros(count, dtype=np.float32)
        units[: len(self.materials)] = self.units.float()
        regions = torch.zeros(0, dtype=torch.uint8) if self.regions is None else self.regions.to(torch.uint8)
        voxel_mm = tuple(map(float, self.voxel_mm))
        most = _block_maxima(whole, units)
        return load_kernels().PhotonBody(whole, most, units, regions.contiguous().numpy(), voxel_mm, BLOCK)

    @cached_property
    def tables_for_kernel(self) -> Any:
        """The compiled kernels' copy of the tables, per unit of density."""
        units = np.zeros(self.tables.angle.shape[-1], dtype=np.float32)
        units[: len(self.materials)] = self.units.float()
        return load_kernels().PhotonTables(self.tables.energy * units, self.tables.angle, self.tables.coherent)


def _block_maxima(whole: NDArray[np.uint16], units: NDArray[np.float32]) -> NDArray[np.float32]:
    """The greatest density of each material in each block, and of all together in g/cm³ [BI, BJ, BK, S + 1]."""
    blocks = [-(-n // BLOCK) for n in whole.shape[:3]]
    found = np.zeros((*blocks, len(units) + 1), dtype=np.float32)
    for i, j, k in np.ndindex(BLOCK, BLOCK, BLOCK):
        part = whole[i::BLOCK, j::BLOCK, k::BLOCK]
        own = found[: part.shape[0], : part.shape[1], : part.shape[2]]
        np.maximum(own[..., :-1], part, out=own[..., :-1])
        np.maximum(own[..., -1], part @ units, out=own[..., -1])
    return found


def _check_regions(regions: Tensor, shape: Sequence[int]) -> None:
    if tuple(regions.shape) != tuple(shape) or regions.is_floating_point():
        raise ValueError(f"regions must be integers {tuple(shape)}, got {regions.dtype} {tuple(regions.shape)}")
    if int(regions.min()) < 0 or int(regions.max()) >= _MOST_REGIONS:
        raise ValueError(f"regions must be 0 to {_MOST_REGIONS - 1}, got {int(regions.min())} to {int(regions.max())}")
