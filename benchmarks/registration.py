"""Accuracy of registration: simulated X-rays of real CT, 50 random starts, one view and two.

    python benchmarks/registration.py

The target is polychromatic, with the blur, quantum and electronic noise of a flat panel; the moving images are
monoenergetic (`render`). Starts are uniform within ±10° and ±30 mm of the truth, along each axis of the first camera.
The mean target registration error (mTRE) is taken over 500 points of bone within 90 mm of the isocenter. A CSV holds
every start, and an interrupted run continues where it stopped; a table in Markdown summarises them.

`--speed` times one iteration of the usual loop (render, NCC, gradient, Adam's step) beside that of nanodrr.
"""

import argparse
import csv
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from _report import machine
from _timing import compare
from torch import Tensor

from deepdrr.camera import Camera, make_k_inv, make_rt_inv
from deepdrr.data import Subject, Volume, fetch_sample
from deepdrr.detector import Exposure
from deepdrr.geometry import convert, invert_rigid
from deepdrr.io import line_integrals_of
from deepdrr.metrics import NormalizedCrossCorrelation2d, mean_target_registration_error
from deepdrr.projector import Projector
from deepdrr.registration import Registration, register
from deepdrr.spectrum import tungsten_spectrum

SDD_MM, SID_MM, DETECTOR_MM = 1020.0, 700.0, 300.0
KVP, EXPOSURE = 90.0, Exposure(mas=25.0)
VIEWS_DEG = ((0.0, 0.0, 0.0), (90.0, 0.0, 0.0))  # AP and lateral
REACH_DEG, REACH_MM = 10.0, 30.0
LIMITS = {1: ("85 % < 2 mm, median < 1 mm"), 2: ("95 % < 1 mm, median < 0.3 mm")}


class Scene:
    """A patient, X-rays of the patient, and the error of a pose."""

    def __init__(self, file: Path, pixels: int) -> None:
        self.volume = Volume.from_file(file)
        self.subject = Subject.from_volume(self.volume)
        self.pixels = pixels
        self.k_inv = make_k_inv(SDD_MM, *(DETECTOR_MM / pixels,) * 2, 0.0, 0.0, pixels, pixels)
        away = torch.tensor([[0.0, SID_MM, 0.0]]).expand(len(VIEWS_DEG), 3)
        self.truth = make_rt_inv(torch.tensor(VIEWS_DEG), away, "AP", self.subject.isocenter)
        self.targets = self._bones(count=500, within_mm=90.0)

    def xrays(self, views: int) -> Tensor:
        """The recorded images on the scale of line integrals [V, 1, H, W]."""
        return torch.stack([self._xray(self.truth[view], seed=view) for view in range(views)])

    def registration(self, views: int, motion: Tensor) -> Registration:
        """The first cameras, moved away from the truth by a motion about the isocenter."""
        sdd = torch.tensor([SDD_MM])
        true = Registration(self.subject, self.truth[:views], self.k_inv, sdd, self.pixels, self.pixels)
        true.set_motion_(motion)
        return Registration(self.subject, true.pose.detach(), self.k_inv, sdd, self.pixels, self.pixels)

    def error_mm(self, pose: Tensor) -> float:
        """mTRE of the first camera, mm."""
        return float(mean_target_registration_error(pose[:1], self.truth[:1], self.targets))

    def _xray(self, pose: Tensor, seed: int) -> Tensor:
        sdd_mm = torch.tensor(SDD_MM, dtype=torch.float64)
        intrinsics = torch.linalg.inv(self.k_inv[0].double())
        camera = Camera(intrinsics, invert_rigid(pose.double()), sdd_mm, self.pixels, self.pixels)
        beam = tungsten_spectrum(KVP)
        with Projector(self.volume, carm=camera, spectrum=beam, exposure=EXPOSURE) as projector:
            taken = projector.project("image", "open_field", generator=torch.Generator().manual_seed(seed))
        return line_integrals_of(taken["image"], taken["open_field"])[None].float()

    def _bones(self, count: int, within_mm: float) -> Tensor:
        voxels = (self.volume.hu > 250).nonzero().double()
        matrix = self.volume.world_from_ijk
        points = voxels @ matrix[:3, :3].T + matrix[:3, 3]
        near = points[(points - self.volume.center_in_world).abs().amax(dim=1) < within_mm]
        order = torch.randperm(len(near), generator=torch.Generator().manual_seed(0))
        return near[order[:count]].float()


def motions(count: int, seed: int) -> Tensor:
    """Rotations (vector of three angles) and shifts [N, 4, 4], uniform in the box."""
    generator = torch.Generator().manual_seed(seed)
    even = 2.0 * torch.rand(count, 6, generator=generator, dtype=torch.float64) - 1.0
    return convert(torch.deg2rad(REACH_DEG * even[:, :3]), REACH_MM * even[:, 3:], "so3_log")


def measure(scene: Scene, name: str, views: int, chosen: argparse.Namespace, log: "Log") -> None:
    """Register from every start that is not yet in the log."""
    target = scene.xrays(views)
    for number, motion in enumerate(motions(chosen.starts, chosen.seed)):
        if (name, str(views), str(number)) in log.done:
            continue
        registration = scene.registration(views, motion)
        start_mm = scene.error_mm(registration.pose.detach())
        cpu = time.process_time()
        result = register(registration, target)
        row = {
            "scene": name,
            "views": views,
            "start": number,
            "start_mtre_mm": start_mm,
            "mtre_mm": scene.error_mm(result.pose),
            "loss": result.loss,
            "iterations": result.iterations,
            "stopped": result.stopped[-1],
            "cpu_s": time.process_time() - cpu,
            "pixels": scene.pixels,
            "seed": chosen.seed,
        }
        log.add(row)
        print(f"{name}, {views} view(s), start {number}: {start_mm:.1f} → {row['mtre_mm']:.3f} mm", flush=True)


class Log:
    """A CSV that grows row by row."""

    def __init__(self, path: Path) -> None:
        self.path, self.about = path, machine()
        path.parent.mkdir(parents=True, exist_ok=True)
        self.rows: list[dict[str, Any]] = []
        if path.exists():
            with path.open(newline="", encoding="utf-8") as file:
                self.rows = list(csv.DictReader(file))
        self.done = {(row["scene"], row["views"], row["start"]) for row in self.rows}

    def add(self, row: dict[str, Any]) -> None:
        """Append a row and write it to the file immediately."""
        whole = {k: f"{v:.5g}" if isinstance(v, float) else str(v) for k, v in {**row, **self.about}.items()}
        is_first = not self.path.exists()
        with self.path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(whole))
            if is_first:
                writer.writeheader()
            writer.writerow(whole)
        self.rows.append(whole)


def summary(rows: list[dict[str, Any]]) -> str:
    """A table in Markdown, with one line per scene and number of views."""
    lines = [
        "| CT | views | starts | start, median | < 2 mm | < 1 mm | median | 95 % | CPU time, median | wanted |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, views in dict.fromkeys((row["scene"], int(row["views"])) for row in rows):
        mine = [row for row in rows if (row["scene"], int(row["views"])) == (name, views)]
        ends, begins, cpu = (
            torch.tensor([float(row[key]) for row in mine], dtype=torch.float64)
            for key in ("mtre_mm", "start_mtre_mm", "cpu_s")
        )
        lines.append(
            f"| {name} | {views} | {len(mine)} | {begins.median():.0f} mm | {100 * (ends < 2).double().mean():.0f} % "
            f"| {100 * (ends < 1).double().mean():.0f} % | {ends.median():.2f} mm | {ends.quantile(0.95):.2f} mm "
            f"| {cpu.median():.1f} s | {LIMITS[views]} |"
        )
    return "\n".join(lines) + "\n"


def speed(scene: Scene, name: str, out: Path) -> None:
    """Time per iteration of the same loop as users of nanodrr write it, and the difference of both results."""
    import torchio
    from nanodrr.data import Subject as TheirSubject
    from nanodrr.metrics import NormalizedCrossCorrelation2d as TheirNcc
    from nanodrr.registration import Registration as TheirRegistration

    target = scene.xrays(1)
    start = scene.registration(1, motions(1, 0)[0])
    affine = scene.volume.world_from_ijk.numpy()
    mu = scene.subject.image[0, 0].permute(2, 1, 0)[None].contiguous()
    theirs = TheirSubject.from_images(torchio.ScalarImage(tensor=mu, affine=affine), None, convert_to_mu=False)
    size = (scene.pixels, scene.pixels)
    given = (start.rt_inv, scene.k_inv.clone(), torch.tensor([SDD_MM]), *size)
    other = TheirRegistration(theirs, *given)
    difference = (start(500) - other(500)).abs().max().item()
    row = {"scene": name, "pixels": scene.pixels, "n_samples": 500, "largest_difference": difference}
    ours = loop(start, NormalizedCrossCorrelation2d(), target)
    found = compare(ours, loop(other, TheirNcc(), target), repetitions=5)
    row |= found.columns()
    path = out / "registration_speed.csv"
    is_first = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [*row, *machine()])
        if is_first:
            writer.writeheader()
        writer.writerow({**row, **machine()})
    times = f"{row['ours_ms']:.0f} ms per iteration, nanodrr {row['other_ms']:.0f} ms"
    print(f"{name}: {times}, ratio {row['ratio_best']:.1f}")


def loop(registration: Any, similarity: Any, target: Tensor) -> Callable[[], None]:
    """One iteration of Adam, to be called repeatedly."""
    optimizer = torch.optim.Adam(registration.parameters(), lr=1e-6, maximize=True)

    def iterate() -> None:
        optimizer.zero_grad()
        similarity(registration(500), target).sum().backward()
        optimizer.step()

    iterate()
    return iterate


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ct", action="append", help="NAME=FILE; default the samples pelvis and chest")
    parser.add_argument("--views", type=int, nargs="+", choices=(1, 2), default=[1, 2])
    parser.add_argument("--starts", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pixels", type=int, default=200, help="along each side of the 300 mm detector")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--speed", action="store_true", help="time one iteration beside nanodrr's, and nothing else")
    parser.add_argument("--out", type=Path, default=Path("out/benchmarks"))
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    files = dict(pair.split("=", 1) for pair in chosen.ct or ())
    files = files or {name: str(fetch_sample(name).image) for name in ("pelvis", "chest")}
    chosen.out.mkdir(parents=True, exist_ok=True)
    log = Log(chosen.out / "registration.csv")
    for name, file in files.items():
        scene = Scene(Path(file), chosen.pixels)
        if chosen.speed:
            speed(scene, name, chosen.out)
            continue
        for views in chosen.views:
            measure(scene, name, views, chosen, log)
    if not chosen.speed:
        table = summary(log.rows)
        (chosen.out / "registration.md").write_text(table, encoding="utf-8")
        print(table)


if __name__ == "__main__":
    main()
