"""Cost of a spectrum and a detector in `deepdrr.drr.render`, relative to an image for one energy.

    python benchmarks/polychromatic.py --threads 1 --out out/polychromatic.csv

The bundled pelvis with exact integrals: forward; with the gradient with respect to the pose; and with respect to
voltage and filter thickness too. Processor time of all threads, because other programs may run; best of `--repeat`
alternating rounds.
"""

import argparse
import csv
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from deepdrr import Volume
from deepdrr.camera import make_k_inv, make_rt_inv
from deepdrr.data import Subject
from deepdrr.detector import FlatPanel
from deepdrr.drr import Physics, render
from deepdrr.resources import resource_path
from deepdrr.spectrum import tungsten_spectrum

WAYS = ("one energy", "spectrum", "spectrum and flat panel", "tube, filter and flat panel")


def physics(way: str) -> tuple[Physics, list[Tensor]]:
    """The keywords of a way, and those of them that require a gradient."""
    if way == WAYS[0]:
        return {}, []
    if way == WAYS[1]:
        return {"spectrum": tungsten_spectrum(80.0)}, []
    if way == WAYS[2]:
        return {"spectrum": tungsten_spectrum(80.0), "detector": FlatPanel()}, []
    kvp, copper = (torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in (80.0, 0.1))
    beam = tungsten_spectrum(kvp, filters=[("aluminium", 3.0), ("copper", copper)])
    return {"spectrum": beam, "detector": FlatPanel()}, [kvp, copper]


def runs(size: int) -> dict[tuple[str, str], Callable[[], object]]:
    """The timed calls, by way and direction."""
    subject = Subject.from_volume(Volume.from_nifti(resource_path("data/ct/pelvis.nii.gz")))
    k_inv = make_k_inv(1020.0, 300.0 / size, 300.0 / size, 0.0, 0.0, size, size)
    turn, shift = torch.tensor([[20.0, 5.0, 0.0]]), torch.tensor([[0.0, 600.0, 0.0]])
    pose = make_rt_inv(turn, shift, orientation="AP", isocenter=subject.isocenter)

    def image(way: str, place: Tensor) -> tuple[Tensor, list[Tensor]]:
        keywords, asked = physics(way)
        return render(subject, k_inv, place, 1020.0, size, size, None, **keywords), asked

    def forward(way: str) -> object:
        with torch.no_grad():
            return image(way, pose)

    def backward(way: str) -> object:
        place = pose.clone().requires_grad_()
        found, asked = image(way, place)
        return torch.autograd.grad(found.square().sum(), [place, *asked])

    ways: dict[tuple[str, str], Callable[[], object]] = {}
    for way in WAYS:
        ways[way, "forward"] = lambda way=way: forward(way)  # type: ignore[misc]
        ways[way, "forward and gradients"] = lambda way=way: backward(way)  # type: ignore[misc]
    return ways


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=200)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeat", type=int, default=7)
    parser.add_argument("--out", type=Path, default=None)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    ways = runs(given.size)
    spent: dict[tuple[str, str], float] = {}
    for turn in range(given.repeat + 1):
        for name, run in ways.items():
            begun = time.process_time()
            run()
            took = time.process_time() - begun
            spent[name] = min(spent.get(name, took), took) if turn else float("inf")  # the first fills caches
    rows = [
        {"way": way, "what": what, "size": given.size, "threads": given.threads, "processor_ms": 1e3 * took}
        | {"by_one_energy": took / spent[WAYS[0], what]}
        for (way, what), took in spent.items()
    ]
    for row in rows:
        print(f"{row['way']:30} {row['what']:22} {row['processor_ms']:8.1f} ms  {row['by_one_energy']:.2f}")
    if given.out:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        with given.out.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, rows[0].keys())
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
