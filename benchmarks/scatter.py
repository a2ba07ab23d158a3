"""Photon transport: histories per second and core, and the time to a map of 2 % error.

    python benchmarks/scatter.py --out out/benchmarks

Processor seconds, because other programs may run: histories are independent, so two cores take half of them.
"error_95" is the relative standard error that 95 % of the 64 × 64 cells do not exceed, before any smoothing,
"error_of_all" that of all cells together; the time to 2 % is that of the run times the square of the greater error
over 2 %.
"""

import time

import torch
from _report import Row, machine, options, print_table, save

from deepdrr import MobileCArm, Volume
from deepdrr.camera import Camera
from deepdrr.montecarlo import Panel, PhotonBeam, PhotonBody, Run, body_of, even_beam, panel_of, transport
from deepdrr.projector import Scene
from deepdrr.resources import resource_path
from deepdrr.spectrum import monochromatic, tungsten_spectrum
from deepdrr.validation._photon_bodies import water_slab

CELLS, WANTED = 64, 0.02
_COLUMNS = (
    "scene",
    "estimator",
    "histories",
    "histories_per_core_s",
    "error_95",
    "error_of_all",
    "processor_s_to_2_percent",
)


def pelvis() -> tuple[PhotonBody, PhotonBeam, Panel]:
    """The bundled pelvis in AP, 80 kV, on a C-arm's whole detector."""
    ct = Volume.from_nifti(resource_path("data/ct/pelvis.nii.gz"))
    ct.orient_patient(head_first=True, supine=True)
    camera: Camera = MobileCArm().camera
    return body_of(Scene(ct), voxel_mm=3.0), even_beam(tungsten_spectrum(80.0), camera), panel_of(camera, CELLS, CELLS)


def slab() -> tuple[PhotonBody, PhotonBeam, Panel]:
    """20 cm of water at 60 keV, 10 cm before the detector."""
    setup, _ = water_slab(100.0, monochromatic(60.0), cells=CELLS)
    return setup.body, setup.beam, setup.detector


def measured(name: str, scene: tuple[PhotonBody, PhotonBeam, Panel], run: Run, repetitions: int) -> Row:
    """The fastest of some runs of one estimator."""
    seconds = []
    for _ in range(repetitions):
        start = time.process_time()
        found = transport(*scene, run)
        seconds.append(time.process_time() - start)
    best = min(seconds)
    row: Row = {"scene": name, "estimator": run.estimator, "histories": run.histories, "processor_s": round(best, 2)}
    row["histories_per_core_s"] = round(run.histories / best)
    if run.estimator == "forced":
        error = max(found.error_of_most(), found.total_error)
        row |= {"error_95": round(found.error_of_most(), 4), "error_of_all": round(found.total_error, 4)}
        row["processor_s_to_2_percent"] = round(best * (error / WANTED) ** 2, 1)
    return row


def main() -> None:
    """Measure both bodies with both estimators."""
    chosen = options("Photon transport: histories per second and core, and the time to 2 % of error.")
    about, rows = machine(), []
    histories = 300_000 if chosen.short else 3_000_000
    for name, scene in (("pelvis", pelvis()), ("slab", slab())):
        transport(*scene, Run(histories=1000))  # tables and copies are made once
        for run in (Run(histories=histories, estimator="analog"), Run(histories=histories)):
            rows.append(measured(name, scene, run, 1 if chosen.short else 3))
    print_table("Photon transport", rows, _COLUMNS)
    save("scatter", rows, chosen.out, about)


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    main()
