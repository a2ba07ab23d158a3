"""`render` beside nanodrr's, call for call, and beside the bare operator: the cost of the interface itself.

    python benchmarks/render.py [--short] [--ct FILE]

Both get the same file, pose and number of samples. Every pair is compared before it is timed. The rows:

    forward            a picture of 200×200 pixels
    pose gradient      with the gradient with respect to the pose
    hard, soft labels  four classes
    batch of 4         four poses in one call
    contrast           a picture after `mu_bone` has changed and changed back: for a number both programs make a new
                       volume; for a tensor ours mixes two integrals instead
    operator           `render` beside `project` with the same rays
    one pixel          likewise with one pixel: the fixed cost of a call
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from _report import Row, machine, options, print_table, save
from _timing import Unavailable, attempt, compare
from torch import Tensor

import deepdrr.camera
import deepdrr.data
import deepdrr.drr
from deepdrr.drr._prepared import attenuation_field
from deepdrr.drr._rays import camera_rays
from deepdrr.raycast import Samples, project
from deepdrr.resources import resource_path

SDD, SIDE, PIXEL_MM = 1020.0, 200, 2.0
# Both sample the same trilinear volume at different places of each ray, and nanodrr fades it out beyond its border:
# pictures differ by 0.02 % in the mean, hard labels by 1 %.
SAME = 0.05

COLUMNS = ("case", "ours_ms", "other_ms", "ratio_min", "ratio_median", "ratio_best", "difference", "note")


@dataclass(frozen=True, eq=False)
class Side:
    """One program: its names, and a subject without and with labels."""

    camera: Any
    drr: Any
    subject: Any
    labeled: Any
    samples: int

    @classmethod
    def load(cls, camera: Any, data: Any, drr: Any, path: Path, samples: int) -> "Side":
        """Read a CT; four classes by thresholds."""
        subject, labeled = (data.Subject.from_filepath(path) for _ in range(2))
        hu = data.Subject.from_filepath(path, convert_to_mu=False).image
        labeled.label = (hu > -500).to(labeled.label.dtype) + (hu > 0) + (hu > 200)
        if camera is not deepdrr.camera:  # ours counts the labels
            labeled.n_classes = 4
        return cls(camera, drr, subject, labeled, samples)

    def views(self, count: int) -> Tensor:
        """Poses [count, 4, 4] in front of the patient."""
        turns = torch.zeros(count, 3)
        turns[:, 0] = torch.linspace(0, 20, count)
        places = torch.tensor([[0.0, 850.0, 0.0]]).repeat(count, 1)
        pose: Tensor = self.camera.make_rt_inv(turns, places, orientation="AP", isocenter=self.subject.isocenter)
        return pose

    def render(self, subject: Any, pose: Tensor, side: int = SIDE, **how: Any) -> Tensor:
        """[B, C, side, side]."""
        k_inv = self.camera.make_k_inv(SDD, PIXEL_MM, PIXEL_MM, 0.0, 0.0, side, side)
        picture: Tensor = self.drr.render(subject, k_inv, pose, torch.tensor([SDD]), side, side, self.samples, **how)
        return picture


def main() -> None:
    """Run all rows."""
    default = resource_path("data/ct/pelvis.nii.gz")
    chosen = options(
        __doc__,
        arguments={
            "--ct": {"type": Path, "default": default, "help": "a CT; the bundled one if left out"},
            "--samples": {"type": int, "default": 500, "help": "samples on a ray"},
            "--only": {"default": "", "help": "rows whose name has this in it"},
        },
    )
    about = machine()
    ours = Side.load(deepdrr.camera, deepdrr.data, deepdrr.drr, chosen.ct, chosen.samples)
    other = attempt(lambda: nanodrr(chosen.ct, chosen.samples))
    rows = [measure(n, call, ours, other, chosen.repetitions) for n, call in SHARED.items() if chosen.only in n]
    for name, side in (("operator", SIDE), ("one pixel", 1)):
        if chosen.only in name:
            rows.append(beside_the_operator(name, ours, side, chosen.repetitions))
    title = f"{chosen.ct.name}, {SIDE}×{SIDE} pixels, {chosen.samples} samples, {chosen.threads} threads"
    print_table(title, rows, COLUMNS)
    save("render", rows, chosen.out, about)


def nanodrr(path: Path, samples: int) -> Side:
    """The other side; ImportError if nanodrr is not installed."""
    import nanodrr.camera
    import nanodrr.data
    import nanodrr.drr

    return Side.load(nanodrr.camera, nanodrr.data, nanodrr.drr, path, samples)


# -- the rows ----------------------------------------------------------------------------------------------------------


def pose_gradient(side: Side) -> Tensor:
    """Gradient of a sum of squares with respect to a pose."""
    turn = torch.tensor([[5.0, 3.0, -2.0]], requires_grad=True)
    place = torch.tensor([[0.0, 850.0, 0.0]], requires_grad=True)
    pose = side.camera.make_rt_inv(turn, place, orientation="AP", isocenter=side.subject.isocenter)
    return torch.cat(torch.autograd.grad(side.render(side.subject, pose).square().sum(), (turn, place)))


def contrast(side: Side, mu_bone: float | Tensor) -> Tensor:
    """A picture after `mu_bone` has changed and changed back."""
    side.subject.mu_bone = mu_bone
    picture = side.render(side.subject, side.views(1))
    side.subject.mu_bone = 0.0573
    return picture


SHARED: dict[str, Callable[[Side], Tensor]] = {
    "forward": lambda side: side.render(side.subject, side.views(1)),
    "pose gradient": pose_gradient,
    "hard labels": lambda side: side.render(side.labeled, side.views(1)),
    "soft labels": lambda side: side.render(side.labeled, side.views(1), soft_labels=True),
    "batch of 4": lambda side: side.render(side.subject, side.views(4)),
    "contrast, number": lambda side: contrast(side, 0.05),
    "contrast, tensor": lambda side: contrast(side, torch.tensor([0.05])),
}


def measure(name: str, call: Callable[[Side], Tensor], ours: Side, other: object, repetitions: int) -> Row:
    """One row: both sides compared, then timed alternately."""
    mine = call(ours)
    if isinstance(other, Unavailable):
        return {"case": name, "note": other.reason}
    assert isinstance(other, Side)
    theirs = call(other)
    difference = float((mine - theirs).abs().mean() / theirs.abs().mean())
    if difference > SAME:
        return {"case": name, "difference": difference, "note": "they do not show the same"}
    timed = compare(lambda: call(ours), lambda: call(other), repetitions=repetitions)
    return {"case": name, **timed.columns(), "difference": difference}


def beside_the_operator(name: str, ours: Side, side: int, repetitions: int) -> Row:
    """`render` as ours, `project` with the same field and rays as the other."""
    pose, sdd = ours.views(1), torch.tensor([SDD])
    k_inv = ours.camera.make_k_inv(SDD, PIXEL_MM, PIXEL_MM, 0.0, 0.0, side, side)
    rays = camera_rays(k_inv, pose, sdd, side, side, orthographic=False)
    field, rule = attenuation_field(ours.subject), Samples(ours.samples)
    timed = compare(
        lambda: ours.drr.render(ours.subject, k_inv, pose, sdd, side, side, ours.samples),
        lambda: project(field, rays, integration=rule),
        repetitions=repetitions,
    )
    return {"case": name, **timed.columns(), "note": "other: project"}


if __name__ == "__main__":
    main()
