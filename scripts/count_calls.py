"""Nesting depth of the package's own calls when `project`, a `Projector` or `render` enters a compiled kernel.

The overhead of a call before its kernel is mostly Python frames. A profiling hook counts the open frames of deepdrr
when a function of the compiled modules is entered, and shows them for the deepest.
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import torch

import deepdrr
from deepdrr._kernels import load_kernels
from deepdrr.camera import Camera, make_k_inv, make_rt_inv
from deepdrr.data import Subject, Volume
from deepdrr.device import MobileCArm
from deepdrr.drr import render
from deepdrr.projector import Projector
from deepdrr.raycast import Field, project
from deepdrr.resources import resource_path

KERNELS = vars(load_kernels())
PACKAGE = str(Path(deepdrr.__file__).parent)


@dataclass
class Depths:
    """For each kernel that was entered, the open frames of deepdrr at that time, outermost first."""

    frames: dict[str, list[str]] = field(default_factory=dict)

    def __call__(self, frame: FrameType, event: str, argument: object) -> None:
        """The hook for `sys.setprofile`."""
        if event != "c_call" or not _of_kernels(argument):
            return
        opened = _open_frames(frame)
        name = getattr(argument, "__name__", "?")
        if len(opened) > len(self.frames.get(name, [])):
            self.frames[name] = opened


def _of_kernels(function: object) -> bool:
    """Whether a built-in function is one of the compiled modules' (torch has pybind11's too)."""
    bound = type(getattr(function, "__self__", None)).__name__
    return "pybind11" in bound and getattr(function, "__name__", "") in KERNELS


def _open_frames(frame: FrameType | None) -> list[str]:
    names = []
    while frame is not None:
        if frame.f_code.co_filename.startswith(PACKAGE):
            names.append(f"{Path(frame.f_code.co_filename).relative_to(PACKAGE)}:{frame.f_code.co_name}")
        frame = frame.f_back
    return names[::-1]


def depths_of(call: Callable[[], object]) -> dict[str, list[str]]:
    """The open frames at each kernel of a call, after a first call has prepared everything."""
    call()
    depths = Depths()
    sys.setprofile(depths)
    try:
        call()
    finally:
        sys.setprofile(None)
    return depths.frames


def calls() -> dict[str, Callable[[], object]]:
    """A small view by each of the three; the depth does not depend on the size."""
    box = Field(torch.ones(1, 40, 40, 40), torch.eye(4, dtype=torch.float64))
    camera = Camera.carm(sdd_mm=1000, sid_mm=500, height=8, width=8, pixel_mm=10.0)
    ct = Volume.from_nifti(resource_path("data/ct/pelvis.nii.gz")).resample(12.0)
    ct.orient_patient(head_first=True, supine=True)
    projector = Projector(ct, carm=MobileCArm().camera.resized(8, 8))
    subject = Subject(torch.zeros(1, 1, 9, 12, 15), torch.diag(torch.tensor([2.0, 2.5, 3.0, 1.0])))
    pose = make_rt_inv(torch.zeros(1, 3), torch.tensor([[0.0, 650, 0]]), isocenter=subject.isocenter)
    k_inv = make_k_inv(1000.0, 6.0, 7.0, 3.0, -2.0, 8, 8)
    return {
        "project": lambda: project(box, camera),
        "projector()": projector,
        "render()": lambda: render(subject, k_inv, pose, 1000.0, 8, 8, 50),
    }


def main() -> None:
    """Print the depth of each call, and with --frames the frames above the deepest kernel."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", action="store_true", help="show the frames above the deepest kernel")
    arguments = parser.parse_args()
    for name, call in calls().items():
        found = depths_of(call)
        deepest = max(found, key=lambda kernel: len(found[kernel]))
        each = ", ".join(f"{kernel} {len(frames)}" for kernel, frames in found.items())
        print(f"{name:12} {len(found[deepest]):3}   ({each})")
        if arguments.frames:
            print("\n".join(f"    {frame}" for frame in found[deepest]))


if __name__ == "__main__":
    main()
