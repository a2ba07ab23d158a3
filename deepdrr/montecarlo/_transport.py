"""`transport`: histories of photons from a beam through a body to a detector."""

import hashlib
import math
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from deepdrr._atomic import check_target
from deepdrr._kernels import load_kernels
from deepdrr._memory import check_fits
from deepdrr._numbers import as_count, as_number
from deepdrr._progress import progress_bar
from deepdrr.montecarlo._beam import PhotonBeam
from deepdrr.montecarlo._body import BLOCK, PhotonBody
from deepdrr.montecarlo._panel import Panel
from deepdrr.montecarlo._tally import KINDS, PhotonTally

__all__ = ["Estimator", "Run", "transport"]

Estimator = Literal["analog", "forced"]

_CHUNK = 1 << 18  # histories of a call: sums of whole numbers hold them, and Ctrl-C waits for one
_PILOT, _PILOTS = 1 << 12, 1 << 62  # histories that find what a ray is meant to bring, and the first one's number
_RAYS_PER_HISTORY = 4.0  # more lower the error of a cell, but share the chances of their history
_LOWEST_KEV = 8.0  # softer photons do not leave a body; the first group holds them
_UNITS = {"photons": 2.0**36, "energy": 2.0**30, "square": 2.0**20}  # of the kernels' whole numbers, see scores.h


@dataclass(frozen=True, kw_only=True)
class Run:
    """How many histories are followed, and how they score.

    Attributes:
        histories: the most that are followed.
        seed: of the random numbers: history n is a function of the seed and n alone.
        estimator: `"forced"`: every interaction sends what it is expected to send to a random point of the detector;
            no primary photons are scored. `"analog"`: photons that cross the detector are counted.
        error: stop when 95 % of the cells, and all of them together, have this relative standard error of their
            scatter; None for no such stop.
        group_kev: width of the groups of energies, keV.
        dose: whether the energy absorbed in each voxel is kept.
        checkpoint: a file in which sums are kept after every 262 144 histories and from which they are continued; None
            for none.
        progress: whether a bar is shown on a terminal.

    Raises:
        ValueError, TypeError: if one of them is out of range or of another type.
    """

    histories: int = 1_000_000
    seed: int = 0
    estimator: Estimator = "forced"
    error: float | None = None
    group_kev: float = 4.0
    dose: bool = False
    checkpoint: str | os.PathLike[str] | None = None
    progress: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "histories", as_count(self.histories, "histories"))
        object.__setattr__(self, "seed", as_count(self.seed, "seed", least=0))
        if self.seed >= 2**63:
            raise ValueError(f"seed must be below 2^63, got {self.seed}")
        if self.estimator not in get_args(Estimator):
            raise ValueError(f"estimator must be one of {', '.join(get_args(Estimator))}, got {self.estimator!r}")
        if self.error is not None and not 0.0 < as_number(self.error, "error") < 1.0:
            raise ValueError(f"error must be a share above 0 and below 1, or None, got {self.error}")
        if not 0.1 <= as_number(self.group_kev, "group_kev") <= 200.0:
            raise ValueError(f"group_kev must be 0.1 to 200 keV, got {self.group_kev}")


def transport(body: PhotonBody, beam: PhotonBeam, detector: Panel, run: Run | None = None) -> PhotonTally:
    """Follow photons from a beam through a body to a detector.

    Photoelectric absorption, Compton scattering (Klein-Nishina with the incoherent scattering function) and Rayleigh
    scattering (with form factors), 1 to 200 keV, without electrons, Doppler broadening and fluorescence: what an
    interaction leaves is absorbed where it happens. Nothing comes back from behind the detector's plane. The result is
    the same on any number of threads.

    Args:
        body: the densities.
        beam: the photons.
        detector: the cells in which photons are scored.
        run: how many histories, and how they score; default `Run()`.

    Returns:
        The sums over all histories.

    Raises:
        ValueError: if a checkpoint is of another computation.
        MemoryError: if the sums do not fit into memory.
        KeyboardInterrupt: on Ctrl-C, after the current histories; a checkpoint holds what was scored.

    Example:
        >>> from deepdrr.camera import Camera
        >>> from deepdrr.materials import material
        >>> from deepdrr.montecarlo import PhotonBody, even_beam, panel_of
        >>> from deepdrr.spectrum import monochromatic
        >>> place = torch.eye(4, dtype=torch.float64)
        >>> place[:3, 3] = 100.0  # the room's origin is the middle of the body
        >>> water = PhotonBody(densities=torch.ones(1, 20, 20, 20), materials=(material("water"),),
        ...                    voxel_mm=(10.0, 10.0, 10.0), box_from_world=place)
        >>> camera = Camera.carm(sdd_mm=1000, sid_mm=700, height=8, width=8, pixel_mm=40.0)
        >>> beam, run = even_beam(monochromatic(60.0), camera), Run(histories=2000)
        >>> found = transport(water, beam, panel_of(camera, 8, 8), run)
        >>> 0.8 < float(found.scatter_energy.sum()) < 1.2  # keV of the 60 of a photon
        True
    """
    run = Run() if run is None else run
    found: PhotonTally | None = None
    key = "" if run.checkpoint is None else _key(body, beam, detector, run)
    if run.checkpoint is not None:
        check_target(Path(run.checkpoint), "checkpoint")
        found = PhotonTally.load(run.checkpoint, key) if Path(run.checkpoint).exists() else None
    with progress_bar("photons", run.histories, shown=run.progress) as report:
        rays = _rays(body, beam, detector, run)
        while not _is_enough(found, run):
            first = 0 if found is None else found.histories
            part = _followed(body, beam, detector, run, _Part(first, min(run.histories - first, _CHUNK)), rays)
            found = part if found is None else found + part
            if run.checkpoint is not None:
                found.save(run.checkpoint, key)
            report(found.histories)
    assert found is not None  # there is a history
    return found


class _Part(NamedTuple):
    """Some of the histories."""

    first: int
    histories: int


class _Rays(NamedTuple):
    """What decides the number of rays to the detector: importance of each block of voxels, and photons per ray."""

    importance: NDArray[np.float32]
    per_ray: float


def _is_enough(found: PhotonTally | None, run: Run) -> bool:
    if found is None:
        return False
    precise = run.error is not None and max(found.error_of_most(), found.total_error) <= run.error
    return found.histories >= run.histories or precise


def _rays(body: PhotonBody, beam: PhotonBeam, detector: Panel, run: Run) -> _Rays:
    """The importance of each block, and what a ray is meant to bring: a share of what other histories bring."""
    if run.estimator == "analog":
        return _Rays(np.zeros((0, 0, 0), dtype=np.float32), 1.0)
    importance = np.zeros([-(-n // BLOCK) for n in body.densities.shape[1:]], dtype=np.float32)
    sides, normal = detector.for_kernel(body.box_from_world)
    shape, threads = (detector.rows, detector.columns), torch.get_num_threads()
    load_kernels().photon_importance(
        body.tables_for_kernel, body.for_kernel, sides, normal, shape, beam.mean_kev, importance, threads
    )
    once = _Rays(importance, max(float(importance.max()), 1e-30) / 100)
    pilot = _followed(body, beam, detector, replace(run, dose=False), _Part(_PILOTS, _PILOT), once)
    return _Rays(importance, max(float(pilot.photons[1:].sum()), 1e-30) / pilot.histories / _RAYS_PER_HISTORY)


def _followed(body: PhotonBody, beam: PhotonBeam, detector: Panel, run: Run, part: _Part, rays: _Rays) -> PhotonTally:
    """What some of the histories score."""
    kernels = load_kernels()
    groups = max(1, math.ceil((float(beam.energies_kev.max()) - _LOWEST_KEV) / run.group_kev))
    sums = _empty_sums(body, detector, groups, run.dose)
    sides, normal = detector.for_kernel(body.box_from_world)
    settings = kernels.PhotonSettings(
        run.seed,
        part.first,
        part.histories,
        get_args(Estimator).index(run.estimator),
        rays.importance,
        rays.per_ray,
        torch.get_num_threads(),
    )
    kernels.photons(
        body.tables_for_kernel,
        body.for_kernel,
        beam.for_kernel(body.box_from_world),
        sides,
        normal,
        (detector.rows, detector.columns),
        settings,
        kernels.PhotonSums(*sums.values(), _LOWEST_KEV, 1.0 / run.group_kev),
    )
    scored = {name: torch.from_numpy(values / _UNITS.get(name, _UNITS["energy"])) for name, values in sums.items()}
    scored["history_square"] = scored["balance"][3:] * (_UNITS["energy"] / _UNITS["square"])
    scored["balance"] = scored["balance"][:3]
    return PhotonTally(histories=part.histories, cell_mm2=detector.cell_mm2, **scored)


def _empty_sums(body: PhotonBody, detector: Panel, groups: int, dose: bool) -> dict[str, NDArray[np.int64]]:
    """The kernels' sums, in their order."""
    kinds, cells = len(KINDS), (detector.rows, detector.columns)
    shapes = {
        "photons": (kinds, groups, *cells),
        "energy": (kinds, *cells),
        "square": (2, *cells),
        "group_energy": (groups,),
        "balance": (4,),
        "regions": (0 if body.regions is None else 256,),
        "voxels": tuple(body.densities.shape[1:]) if dose else (0,),
    }
    copies = 2 + torch.get_num_threads()
    check_fits("the sums over photons", (copies, sum(map(math.prod, shapes.values()))), dtype=torch.float64)
    return {name: np.zeros(shape, dtype=np.int64) for name, shape in shapes.items()}


def _key(body: PhotonBody, beam: PhotonBeam, detector: Panel, run: Run) -> str:
    """What is computed, in a few characters; the number of histories and the stop do not belong to it."""
    digest = hashlib.sha256()
    tensors = (body.densities, body.box_from_world, *(() if body.regions is None else (body.regions,)))
    tensors += (beam.photons, beam.spectra, beam.energies_kev)
    tensors += tuple(side for panel in (beam.field, detector) for side in (panel.corner, panel.across, panel.down))
    for tensor in tensors:
        digest.update(tensor.detach().contiguous().numpy().tobytes())
    words = [sorted(material.composition.items()) for material in body.materials]
    settings = (run.seed, run.estimator, run.group_kev, run.dose, body.voxel_mm, detector.rows, detector.columns)
    digest.update(repr((words, settings, beam.field.source.tolist())).encode())
    return digest.hexdigest()[:16]
