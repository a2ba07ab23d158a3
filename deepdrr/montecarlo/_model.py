"""`MonteCarlo`: photon transport as a model of scatter, the exact and slow one."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from deepdrr._numbers import as_count, as_number, plain_fields
from deepdrr.camera import Camera
from deepdrr.montecarlo._beam import beam_of
from deepdrr.montecarlo._body import PhotonBody
from deepdrr.montecarlo._panel import panel_of
from deepdrr.montecarlo._smooth import smoothed
from deepdrr.montecarlo._tally import PhotonTally
from deepdrr.montecarlo._transport import Run, transport
from deepdrr.montecarlo._voxels import body_of
from deepdrr.scatter import ScatteredFluence, ScatterInput
from deepdrr.spectrum import mean_energy

__all__ = ["MonteCarlo"]


@dataclass(frozen=True, kw_only=True)
class MonteCarlo:
    """Scatter by photon transport with forced detection, on a coarse grid of the detector.

    It is exact up to its statistical error: no electrons, no Doppler broadening, no fluorescence, vacuum around the
    scene. It has no gradient.

    Attributes:
        histories: the most photons that are followed in each view; a million takes seconds.
        seed: of the random numbers. Each view of a batch has the same.
        error: stop when 95 % of the cells, before they are smoothed, and all of them together have this relative
            standard error; None to follow all histories.
        cells: number of cells along the longer side of the detector. Scatter is smooth: 32 to 64 carry it.
        voxel_mm: voxels of a CT that are finer are averaged up to about this size, mm.
        group_kev: width of the groups of energies, keV.
        smooth_mm: the map is smoothed over this standard deviation on the detector, mm, see `smoothed`: what would
            show of the statistical error are blots. 0 for none.
        progress: whether a bar is shown on a terminal.

    Raises:
        ValueError, TypeError: if one of them is out of range or of another type.

    Example:
        >>> from deepdrr import Projector, Volume
        >>> grid = torch.diag(torch.tensor([10.0, 10.0, 10.0, 1.0]))
        >>> water = Volume.from_array(torch.zeros(20, 20, 20), grid, check_hu="off")
        >>> middle = (95.0, 95.0, 95.0)
        >>> camera = Camera.carm(sdd_mm=1000, sid_mm=700, height=16, width=16, pixel_mm=15.0, isocenter=middle)
        >>> projector = Projector(water, carm=camera, scatter=MonteCarlo(histories=2000, cells=4))
        >>> shot = projector.project("scatter", "primary")
        >>> bool((shot["scatter"] > 0).all())
        True
    """

    histories: int = 2_000_000
    seed: int = 0
    error: float | None = None
    cells: int = 48
    voxel_mm: float = 3.0
    group_kev: float = 4.0
    smooth_mm: float = 10.0
    progress: bool = False

    def __post_init__(self) -> None:
        plain_fields(self)
        as_count(self.cells, "cells")
        if not as_number(self.voxel_mm, "voxel_mm") > 0.0:
            raise ValueError(f"voxel_mm must be positive, got {self.voxel_mm}")
        if not as_number(self.smooth_mm, "smooth_mm") >= 0.0:
            raise ValueError(f"smooth_mm must not be negative, got {self.smooth_mm}")
        _ = self._run

    @property
    def _run(self) -> Run:
        return Run(
            histories=self.histories,
            seed=self.seed,
            error=self.error,
            group_kev=self.group_kev,
            progress=self.progress,
        )

    def estimate(self, seen: ScatterInput) -> ScatteredFluence:
        """The scattered photons that arrive at the detector.

        Args:
            seen: the scene, the camera and the beam.

        Raises:
            TypeError: if the scene is not a `deepdrr.projector.Scene`.
            ValueError: if it holds no matter, the camera is orthographic or an energy is out of the tables.
        """
        if not hasattr(seen.scene, "single_grid"):
            raise TypeError(f"scatter=MonteCarlo(…) takes one Scene, got {type(seen.scene).__name__}")
        body = body_of(seen.scene, voxel_mm=self.voxel_mm)  # type: ignore[arg-type]
        batch, camera = seen.camera.batch_shape, seen.camera
        fluence = seen.fluence.expand(*batch, *seen.fluence.shape[-2:])
        views = list(_views(camera, fluence))
        found = [self._view(seen, body, *view) for view in views]
        photons = torch.stack(
            [self._map(tally, view) * emitted for (tally, emitted), (view, _) in zip(found, views, strict=True)]
        )
        energies = _mean_energies(found)
        lit = energies > 0
        if not bool(lit.any()):  # nothing is in the beam, or nothing leaves it
            lit[0], energies[0] = True, mean_energy(seen.source.spectrum).detach()
        like = seen.area_densities
        maps = photons[:, lit].reshape(*batch, int(lit.sum()), *photons.shape[-2:])
        return ScatteredFluence(maps.to(like.device, like.dtype), energies[lit].to(like.device))

    def _view(self, seen: ScatterInput, body: PhotonBody, camera: Camera, fluence: Tensor) -> tuple[PhotonTally, float]:
        """What one view scores, and the photons that its beam has."""
        beam = beam_of(seen.source, camera, fluence)
        return transport(body, beam, panel_of(camera, *self._shape(camera)), self._run), beam.total_photons

    def _shape(self, camera: Camera) -> tuple[int, int]:
        """Rows and columns of cells."""
        scale = self.cells / max(camera.height, camera.width)
        return max(1, round(camera.height * scale)), max(1, round(camera.width * scale))

    def _map(self, tally: PhotonTally, camera: Camera) -> Tensor:
        """Scattered photons per mm² and photon of the beam [K, h, w], smoothed."""
        down_mm, across_mm = (float(edge) for edge in camera.resized(*self._shape(camera)).pixel_spacing_mm)
        return smoothed(tally.scatter_photons, (self.smooth_mm / down_mm, self.smooth_mm / across_mm))


def _views(camera: Camera, fluence: Tensor) -> Iterator[tuple[Camera, Tensor]]:
    """The views of a batch, in order, each with its field."""
    if not len(camera.batch_shape):
        yield camera, fluence
        return
    for index in range(camera.batch_shape[0]):
        yield from _views(camera[index], fluence[index])


def _mean_energies(found: list[tuple[PhotonTally, float]]) -> Tensor:
    """Mean energy of the photons of each group over all views [K], keV; 0 where there are none."""
    energy = torch.stack([tally.group_energy * (emitted / tally.histories) for tally, emitted in found]).sum(dim=0)
    counts = [tally.photons[1:].sum(dim=(0, 2, 3)) * (emitted / tally.histories) for tally, emitted in found]
    count = torch.stack(counts).sum(dim=0)
    return torch.where(count > 0, energy / count.clamp(min=1e-300), 0.0)
