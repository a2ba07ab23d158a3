"""The sum over a spectrum: by torch, by the compiled kernel, and by a few energies; time, nodes and error.

    python benchmarks/spectral_quadrature.py --project --out out/spectral_quadrature.csv

All compute the same operator on the same area densities of three materials. Times are the best of `--repeat` rounds,
and every round runs all ways; wall time and, because other programs may run, processor time of all threads.
`--project` also times the projection of the bundled CT's three materials onto the same detector, and uses its area
densities; otherwise they come from a smooth body.
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
from deepdrr.raycast import Field, project, with_kernel_layout
from deepdrr.resources import resource_path
from deepdrr.spectrum import fit_quadrature, photon_moments, spectral_sums, tungsten_spectrum
from deepdrr.spectrum.sums._torch import sums_by_torch

MATERIALS = ("adipose 3", "soft tissue", "cortical bone")
HIGHEST_G_CM2 = (40.0, 40.0, 15.0)
_LIT = 1e-10


def best(runs: dict[str, Callable[[], object]], repeat: int) -> dict[str, tuple[float, float]]:
    """Wall and processor seconds of the fastest run of each, run alternately."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
    for _ in range(repeat):
        for name, run in runs.items():
            wall, processor = time.perf_counter(), time.process_time()
            run()
            times[name].append((time.perf_counter() - wall, time.process_time() - processor))
    return {name: (min(t[0] for t in of), min(t[1] for t in of)) for name, of in times.items()}


def smooth_field(size: int) -> Tensor:
    """[3, size, size] g/cm², from nothing at the rim to a thick body in the middle."""
    v, u = torch.meshgrid(*[torch.linspace(-1, 1, size)] * 2, indexing="ij")
    body = (1 - u**2 - v**2).clamp(min=0).sqrt()
    shares = [body * 10, body * 28, body * 8 * (0.5 + 0.5 * torch.sin(9 * u) * torch.sin(7 * v))]
    return torch.stack(shares)


def projected_field(size: int) -> tuple[Tensor, Callable[[], object]]:
    """[3, size, size] g/cm² of the bundled CT, and its projection, to be timed."""
    ct = Volume.from_nifti(resource_path("data/ct/pelvis.nii.gz"))
    ct.orient_patient(head_first=True, supine=True)
    field = with_kernel_layout(Field(decompose(ct.hu).values, ct.world_from_ijk.inverse()))
    camera = MobileCArm().camera.resized(size, size)
    return project(field, camera) * 0.1, lambda: project(field, camera)


def measure(kvp: float, areas: Tensor, repeat: int, projection: Callable[[], object] | None) -> dict[str, float | int]:
    """One row of the table."""
    beam = tungsten_spectrum(kvp)
    begun = time.perf_counter()
    few = fit_quadrature(beam, MATERIALS, HIGHEST_G_CM2)
    fit_s = time.perf_counter() - begun
    lit = beam.photons / beam.photons.sum() > _LIT
    mu, weights = attenuation_matrix(MATERIALS, beam.energies_kev[lit]), photon_moments(beam)[:, lit]
    flat = areas.flatten(1)[None]
    runs: dict[str, Callable[[], object]] = {
        "torch_full": lambda: sums_by_torch(flat, mu, weights),
        "torch_quadrature": lambda: sums_by_torch(flat, few.mu, few.weights),
        "full": lambda: spectral_sums(areas, mu, weights),
        "quadrature": lambda: spectral_sums(areas, few.mu, few.weights),
    }
    if projection is not None:
        runs["projection"] = projection
    spent = best(runs, repeat)
    strip = areas[:, ::16]
    exact = spectral_sums(strip.double(), mu, weights)
    errors = {
        "full_error": spectral_sums(strip, mu, weights) / exact - 1,
        "quadrature_error": spectral_sums(strip, few.mu, few.weights) / exact - 1,
    }
    row: dict[str, float | int] = {"kvp": kvp, "bins": int(lit.sum()), "nodes": len(few), "fit_s": fit_s}
    row["stated_error"] = few.max_relative_error
    row |= {name: float(error.abs().max()) for name, error in errors.items()}
    row |= {f"{name}_wall_s": wall for name, (wall, _) in spent.items()}
    row |= {f"{name}_processor_s": processor for name, (_, processor) in spent.items()}
    quick = spent["quadrature"][1]
    row["torch_full_by_full"] = spent["torch_full"][1] / spent["full"][1]
    row["torch_full_by_quadrature"] = spent["torch_full"][1] / quick
    row["full_by_quadrature"] = spent["full"][1] / quick
    return row


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
    areas, projection = projected_field(given.size) if given.project else (smooth_field(given.size), None)
    machine = {"processor": platform.processor() or platform.machine(), "threads": given.threads, "size": given.size}
    machine["torch"] = torch.__version__
    print(", ".join(f"{key} {value}" for key, value in machine.items()))
    rows = []
    for kvp in (60.0, 80.0, 100.0, 120.0):
        rows.append(measure(kvp, areas, given.repeat, projection))
        print("  ".join(f"{key} {value:.3g}" for key, value in rows[-1].items()), flush=True)
    if given.out:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        with given.out.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, [*rows[0], *machine])
            writer.writeheader()
            writer.writerows({**row, **machine} for row in rows)


if __name__ == "__main__":
    main()
