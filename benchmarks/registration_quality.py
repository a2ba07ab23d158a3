"""What tells good registrations from bad ones: the agreement of `Quality`, and the errors that `Certainty` expects.

    python benchmarks/registration_quality.py

X-rays of each CT are registered from random starts, as they are, as pictures, with borders, markers, noise and scatter,
and in ways that must fail: mirrored, of another patient, with reversed grey or a border that is not looked for, with a
wrong distance of the source. A CSV holds every run, with its errors across the beam and in depth; a table in Markdown
has a line per kind, and the agreement that separates registrations that ended within 5 mm from those that did not.
"""

import argparse
import csv
import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from _report import machine
from registration import DETECTOR_MM, SDD_MM, Scene, motions
from torch import Tensor

from deepdrr.camera import make_k_inv, make_rt_inv
from deepdrr.data import fetch_sample
from deepdrr.metrics import rotation_angle
from deepdrr.registration import Registration, RegistrationResult, register

VIEWS_DEG = {"AP": (0.0, 0.0, 0.0), "oblique": (35.0, 10.0, 0.0)}
RIGHT_MM = 5.0  # mean target registration error of a registration that ended in the right place
Change = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Kind:
    """A way to treat an X-ray.

    Attributes:
        change: what is done to the line integrals.
        settings: of `register`.
        sdd_factor: by which the assumed source-to-detector distance is wrong.
        is_hopeless: there is no right pose.
    """

    change: Change = lambda image: image
    settings: tuple[tuple[str, Any], ...] = ()
    sdd_factor: float = 1.0
    is_hopeless: bool = False


def picture(image: Tensor) -> Tensor:
    """As 8 bits on a grey scale that is no longer linear, clipped at both ends."""
    low, high = torch.quantile(image, torch.tensor([0.02, 0.98]))
    return (255 * ((image - low) / (high - low)).clamp(0, 1) ** 0.7).round() / 255


def bordered(grey: str, shape: str) -> Change:
    """A border in the darkest or brightest grey, inside of which is a rectangle, turned or not, or a disc."""

    def change(image: Tensor) -> Tensor:
        side = image.shape[-1]
        v, u = torch.meshgrid(*[torch.linspace(-1, 1, side)] * 2, indexing="ij")
        turn = 0.3 if shape == "turned" else 0.0
        across, down = u * math.cos(turn) + v * math.sin(turn), v * math.cos(turn) - u * math.sin(turn)
        outside = u**2 + v**2 > 0.9 if shape == "disc" else (across.abs() > 0.75) | (down.abs() > 0.8)
        return torch.where(outside, image.min() if grey == "black" else image.max(), image)

    return change


def marked(image: Tensor) -> Tensor:
    """A bright plate and a dark bar near a corner each."""
    side, result = image.shape[-1], image.clone()
    result[..., side // 16 : side // 5, 3 * side // 4 : 7 * side // 8] = image.max()
    result[..., 7 * side // 8 : 15 * side // 16, side // 10 : side // 3] = image.min()
    return result


def another_day(image: Tensor) -> Tensor:
    """Bowel and muscles that have changed: a smooth random field of a sixth of the image's contrast."""
    coarse = torch.randn(1, 1, 8, 8, generator=torch.Generator().manual_seed(4))
    smooth = torch.nn.functional.interpolate(coarse, image.shape[-2:], mode="bicubic")
    return image + image.std() / 6 * smooth


def noisy(image: Tensor) -> Tensor:
    """Noise of a seventh of the image's contrast in each pixel."""
    noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(5))
    return image + image.std() / 7 * noise


def scattered(image: Tensor) -> Tensor:
    """Half as much scatter as primary radiation in the mean, evenly over the detector."""
    signal = torch.exp(-image)
    return -torch.log(signal + 0.5 * signal.mean())


KINDS = {
    "as recorded": Kind(),
    "8-bit picture": Kind(picture),
    "reversed picture": Kind(lambda image: 1 - picture(image)),
    "black border": Kind(bordered("black", "rectangle")),
    "white border, turned": Kind(bordered("white", "turned")),
    "round field": Kind(bordered("black", "disc")),
    "markers": Kind(marked),
    "noise": Kind(noisy),
    "scatter": Kind(scattered),
    "another day": Kind(another_day),
    "reversed, taken as given": Kind(lambda image: -image, (("polarity", "as_given"),)),
    "black border, not masked": Kind(bordered("black", "rectangle"), (("mask", None),)),
    "round field, not masked": Kind(bordered("black", "disc"), (("mask", None),)),
    "mirrored": Kind(lambda image: image.flip(-1), is_hopeless=True),
    "noise alone": Kind(lambda image: torch.randn_like(image), is_hopeless=True),
    "sdd 15 % short": Kind(sdd_factor=0.85),
    "another patient": Kind(is_hopeless=True),
}


class Pose:
    """A camera, its X-ray, and the errors of poses."""

    def __init__(self, scene: Scene, view: str) -> None:
        self.scene = scene
        away = torch.tensor([[0.0, 700.0, 0.0]])
        self.truth = make_rt_inv(torch.tensor([VIEWS_DEG[view]]), away, "AP", scene.subject.isocenter)
        scene.truth = self.truth
        self.xray = scene.xrays(1)

    def registration(self, motion: Tensor, sdd_mm: float) -> Registration:
        """The camera, moved away from the truth, at a distance that may be wrong."""
        pixels = self.scene.pixels
        k_inv = make_k_inv(sdd_mm, *(DETECTOR_MM / pixels,) * 2, 0.0, 0.0, pixels, pixels)
        sdd = torch.tensor([sdd_mm])
        at_truth = Registration(self.scene.subject, self.truth, k_inv, sdd, pixels, pixels)
        at_truth.set_motion_(motion)
        return Registration(self.scene.subject, at_truth.pose.detach(), k_inv, sdd, pixels, pixels)

    def errors(self, result: RegistrationResult) -> dict[str, float]:
        """Mean target registration error, and the isocenter's shift across the beam and along it, and the turn."""
        self.scene.truth = self.truth
        pose, truth = result.pose[0].double(), self.truth[0].double()
        center = torch.cat([self.scene.subject.isocenter.double(), torch.ones(1, dtype=torch.float64)])
        shift = ((torch.linalg.inv(pose) - torch.linalg.inv(truth)) @ center)[:3]
        return {
            "mtre_mm": self.scene.error_mm(result.pose),
            "across_mm": float(shift[:2].norm()),
            "depth_mm": float(shift[2].abs()),
            "turn_deg": float(torch.rad2deg(rotation_angle(pose[:3, :3], truth[:3, :3]))),
        }


def run(pose: Pose, kind: Kind, motion: Tensor, xray: Tensor) -> dict[str, Any]:
    """One registration: errors, agreement, and what was expected of the errors."""
    registration = pose.registration(motion, SDD_MM * kind.sdd_factor)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = register(registration, kind.change(xray), **dict(kind.settings))
    errors = pose.errors(result)
    certainty = result.certainty
    return {
        **errors,
        "is_right": not kind.is_hopeless and errors["mtre_mm"] < RIGHT_MM,
        "agreement": result.quality.least,
        "hint": result.quality.hint,
        "expected_across_mm": certainty.in_plane_mm,
        "expected_depth_mm": certainty.depth_mm,
        "expected_turn_deg": math.hypot(certainty.in_plane_deg, certainty.out_of_plane_deg),
        "left_out": sum(part.share for part in result.left_out),
    }


def summary(rows: list[dict[str, Any]]) -> str:
    """A line per kind, what separates right from wrong, and the errors against those expected."""
    lines = ["| X-ray | runs | within 5 mm | agreement |", "|---|---|---|---|"]
    for kind in dict.fromkeys(row["kind"] for row in rows):
        mine = [row for row in rows if row["kind"] == kind]
        found = sorted(float(row["agreement"]) for row in mine)
        right = sum(row["is_right"] for row in mine)
        lines.append(f"| {kind} | {len(mine)} | {right} | {found[0]:.2f} to {found[-1]:.2f} |")
    good = [row for row in rows if row["is_right"]]
    wrong = [row for row in rows if not row["is_right"]]
    lines += ["", f"Right: {len(good)}, agreement {min(row['agreement'] for row in good):.3f} and more."]
    lines += [f"Wrong: {len(wrong)}, agreement {max(row['agreement'] for row in wrong):.3f} and less.", ""]
    lines += ["| | error, median | expected, median | within 2 expected |", "|---|---|---|---|"]
    for name, unit in (("across", "mm"), ("depth", "mm"), ("turn", "deg")):
        error, expected = (
            torch.tensor([row[f"{prefix}{name}_{unit}"] for row in good], dtype=torch.float64)
            for prefix in ("", "expected_")
        )
        share = (error < 2 * expected).double().mean()
        lines.append(f"| {name}, {unit} | {error.median():.3g} | {expected.median():.3g} | {100 * share:.0f} % |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ct", action="append", help="NAME=FILE; default the samples pelvis and chest")
    parser.add_argument("--pixels", type=int, default=96, help="along each side of the 300 mm detector")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("out/benchmarks"))
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    files = dict(pair.split("=", 1) for pair in chosen.ct or ())
    files = files or {name: str(fetch_sample(name).image) for name in ("pelvis", "chest")}
    chosen.out.mkdir(parents=True, exist_ok=True)
    scenes = {name: Scene(Path(file), chosen.pixels) for name, file in files.items()}
    poses = {(name, view): Pose(scene, view) for name, scene in scenes.items() for view in VIEWS_DEG}
    starts = motions(len(poses) * len(KINDS), chosen.seed)
    rows: list[dict[str, Any]] = []
    with (chosen.out / "registration_quality.csv").open("w", newline="", encoding="utf-8") as file:
        for number, (name, view) in enumerate(poses):
            for which, (label, kind) in enumerate(KINDS.items()):
                others = [xray.xray for (other, at), xray in poses.items() if other != name and at == view]
                seen = others[which % len(others)] if label == "another patient" else poses[name, view].xray
                torch.manual_seed(number)
                found = run(poses[name, view], kind, starts[number * len(KINDS) + which], seen)
                rows.append({"ct": name, "view": view, "kind": label, **found, "pixels": chosen.pixels, **machine()})
                if len(rows) == 1:
                    writer = csv.DictWriter(file, list(rows[0]))
                    writer.writeheader()
                writer.writerow({k: f"{v:.5g}" if isinstance(v, float) else v for k, v in rows[-1].items()})
                file.flush()
                print(f"{name} {view}, {label}: {found['mtre_mm']:.2f} mm, {found['agreement']:.3f}", flush=True)
    table = summary(rows)
    (chosen.out / "registration_quality.md").write_text(table, encoding="utf-8")
    print(table)


if __name__ == "__main__":
    main()
