"""The full sum over a spectrum against its quadrature: time, nodes and error at several voltages.

    python benchmarks/spectral_quadrature.py --out out/spectral_quadrature.csv

Both are the same operator, `spectral_sums`, on the same area densities of a pelvis-like field of three materials;
times are the best of `--repeat` runs, wall time and, because other programs may run, processor time of all
threads. `--project` also times the projection of the bundled CT onto the same detector, from which the field then is.
"""

import argparse
import csv
import platform
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from deepdrr import MobileCArm, Volume
from deepdrr.materials import attenuation_matrix, decompose
from deepdrr.raycast import Field, arranged, project
from deepdrr.resources import resource_path
from deepdrr.spectrum import fit_quadrature, photon_moments, spectral_sums, tungsten_spectrum

MATERIALS = ("adipose 3", "soft tissue", "cortical bone")
HIGHEST_G_CM2 = (40.0, 40.0, 15.0)
_LIT = 1e-10


def best(run: Callable[[], object], repeat: int) -> tuple[float, float]:
    """Wall and processor seconds of the fastest run."""
    times = []
    for _ in range(repeat):
        wall, processor = time.perf_counter(), time.process_time()
        run()
        times.append((time.perf_counter() - wall, time.process_time() - processor))
    return min(t[0] for t in times), min(t[1] for t in times)


def smooth_field(size: int) -> Tensor:
    """[3, size, size] g/cm², from nothing at the rim to a thick body in the middle."""
    v, u = torch.meshgrid(*[torch.linspace(-1, 1, size)] * 2, indexing="ij")
    body = (1 - u**2 - v**2).clamp(min=0).sqrt()
    shares = [body * 10, body * 28, body * 8 * (0.5 + 0.5 * torch.sin(9 * u) * torch.sin(7 * v))]
    return torch.stack(shares)


def projected_field(size: int) -> tuple[Tensor, tuple[float, float]]:
    """[3, size, size] g/cm² of the bundled CT, and the seconds of its projection (the second of two)."""
    ct = Volume.from_nifti(resource_path("data/ct/pelvis.nii.gz"))
    ct.orient_patient(head_first=True, supine=True)
    field = arranged(Field(decompose(ct.hu).values, ct.world_from_ijk.inverse()))
    camera = MobileCArm().camera.resized(size, size)
    project(field, camera)
    spent = best(lambda: project(field, camera), 1)
    return project(field, camera) * 0.1, spent


def measure(kvp: float, areas: Tensor, repeat: int) -> dict[str, float | int]:
    """One row of the table."""
    beam = tungsten_spectrum(kvp)
    begun = time.perf_counter()
    few = fit_quadrature(beam, MATERIALS, HIGHEST_G_CM2)
    fit_s = time.perf_counter() - begun
    lit = beam.photons / beam.photons.sum() > _LIT
    every = attenuation_matrix(MATERIALS, beam.energies_kev[lit]), photon_moments(beam)[:, lit]
    mu, weights = (t.float() for t in every)
    node_mu, node_weights = few.mu.float(), few.weights.float()
    full = best(lambda: spectral_sums(areas, mu, weights), repeat)
    quick = best(lambda: spectral_sums(areas, node_mu, node_weights), repeat)
    strip = areas[:, ::16].double()
    exact = spectral_sums(strip, *every)
    error = float((spectral_sums(strip, few.mu, few.weights) / exact - 1).abs().max())
    return {
        "kvp": kvp,
        "bins": int(lit.sum()),
        "nodes": len(few),
        "fit_s": fit_s,
        "stated_error": few.max_relative_error,
        "error_here": error,
        "full_wall_s": full[0],
        "quadrature_wall_s": quick[0],
        "full_processor_s": full[1],
        "quadrature_processor_s": quick[1],
        "ratio_processor": full[1] / quick[1],
    }


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=1536)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--project", action="store_true")
    parser.add_argument("--out", type=Path, default=None)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    areas = smooth_field(given.size)
    if given.project:
        areas, (wall, processor) = projected_field(given.size)
        print(f"projection of 3 materials at {given.size}²: {wall:.3f} s, processor {processor:.3f} s")
    rows = [measure(kvp, areas, given.repeat) for kvp in (60.0, 80.0, 100.0, 120.0)]
    machine = {"processor": platform.processor() or platform.machine(), "threads": given.threads, "size": given.size}
    machine["torch"] = torch.__version__
    print(", ".join(f"{key} {value}" for key, value in machine.items()))
    for row in rows:
        print("  ".join(f"{key} {value:.3g}" for key, value in row.items()))
    if given.out:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        with given.out.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, [*rows[0], *machine])
            writer.writeheader()
            writer.writerows({**row, **machine} for row in rows)


if __name__ == "__main__":
    main()
