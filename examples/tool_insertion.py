"""A K-wire is advanced into the neck of the femur, and a cannulated screw is driven over it, seen from two views.

    python examples/tool_insertion.py --out out/insertion

It writes a GIF of both views side by side, a CSV with the pose of each tool and its visible pixels in every frame, and
a contact sheet. Each frame is one exposure of both views, as a batch; the patient is prepared once.
"""

import argparse
import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from deepdrr import MobileCArm, Projector, Volume
from deepdrr.camera import Camera
from deepdrr.device import CArmGeometry
from deepdrr.display import contact_sheet, display
from deepdrr.projector import Radiograph
from deepdrr.resources import resource_path
from deepdrr.tools import Tool

# Points of the bundled pelvis, RAS mm: where the neck's axis leaves the bone below the greater trochanter, and the
# middle of the left femoral head.
LANDMARKS = {"entry": torch.tensor([-139.0, -1.0, 1083.0]), "head": torch.tensor([-83.5, -28.7, 1121.0])}
VIEWS = {"AP": (0.0, 0.0), "inlet": (0.0, -40.0)}
DEPTHS_MM = {"wire": (-40.0, 68.0), "screw": (-140.0, 62.0)}  # of the tip behind the entry, at first and at last
SHARE_OF_WIRE = 0.5  # of the frames: the wire goes first


@dataclass(frozen=True)
class Frame:
    """Both views of one moment."""

    shot: Radiograph
    depths_mm: dict[str, float]
    poses: dict[str, torch.Tensor]


def main() -> None:
    """Write the film, the table and the sheet."""
    parser = argparse.ArgumentParser(description="A K-wire and a screw in the neck of a femur.")
    parser.add_argument("--out", type=Path, default=Path("out/insertion"), help="folder for the files")
    parser.add_argument("--frames", type=int, default=30)
    parser.add_argument("--binning", type=int, default=4, help="pixels that are read out as one, along each side")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    patient, tools = theatre()
    view = cameras(patient, options.binning)
    # The CT ends below the lesser trochanter: the last slice goes on.
    projector = Projector([patient, *tools.values()], carm=view, kvp=80, mas=4, beyond="repeat")
    frames = list(insertion(projector, tools, options.frames))
    pictures = [picture(frame.shot) for frame in frames]
    for path in (
        film(pictures, options.out / "insertion.gif"),
        table(frames, options.out / "insertion.csv"),
        sheet(pictures, options.out / "insertion.png"),
    ):
        print(f"wrote {path}")


def theatre() -> tuple[Volume, dict[str, Tool]]:
    """The patient on the table, and the tools that hang on the patient."""
    patient = Volume.from_nifti(resource_path("data/ct/pelvis.nii.gz"), landmarks=LANDMARKS)
    patient.orient_patient(head_first=True, supine=True)
    wire = Tool.make("k-wire", name="wire", diameter_mm=2.8, length_mm=200.0)
    screw = Tool.make(
        "bone screw", name="screw", kind="HB 6.5", length_mm=80.0, thread_mm=32.0, bore_mm=2.9, segments=24
    )
    for tool in (wire, screw):
        tool.attach(patient)
    return patient, {"wire": wire, "screw": screw}


def cameras(patient: Volume, binning: int) -> Camera:
    """The views as a batch, about the neck of the femur."""
    middle = (patient.landmark_in_world("entry") + patient.landmark_in_world("head")) / 2
    geometry = CArmGeometry().binned(binning)
    return Camera.stack(
        [MobileCArm(isocenter=middle, alpha=a, beta=b, geometry=geometry).camera for a, b in VIEWS.values()]
    )


def insertion(projector: Projector, tools: dict[str, Tool], count: int) -> Iterator[Frame]:
    """The frames: first the wire is advanced, then the screw."""
    noise = torch.Generator().manual_seed(0)
    for n in range(count):
        time = n / max(count - 1, 1)
        shares = {"wire": time / SHARE_OF_WIRE, "screw": (time - SHARE_OF_WIRE) / (1 - SHARE_OF_WIRE)}
        depths = {name: _between(*DEPTHS_MM[name], share) for name, share in shares.items()}
        for name, tool in tools.items():
            tool.insert(along=("entry", "head"), depth_mm=depths[name])
        shot = projector.project("image", "open_field", "tool_visible_masks", "tool_key_points", generator=noise)
        yield Frame(shot, depths, {name: tool.world_from_tool for name, tool in tools.items()})


def _between(first: float, last: float, share: float) -> float:
    return first + (last - first) * min(max(share, 0.0), 1.0)


def picture(shot: Radiograph) -> NDArray[np.uint8]:
    """The views beside each other as in fluoroscopy, uint8 [H, views · W]."""
    return np.hstack(list(display(shot["image"], open_field=shot["open_field"], polarity="bone_black")))


def film(pictures: Sequence[NDArray[np.uint8]], path: Path) -> Path:
    """Write an animated GIF."""
    first, *others = [Image.fromarray(one) for one in pictures]
    first.save(path, save_all=True, append_images=others, duration=120, loop=0)
    return path


def sheet(pictures: Sequence[NDArray[np.uint8]], path: Path, count: int = 6) -> Path:
    """Write some of the frames on one sheet."""
    chosen = np.linspace(0, len(pictures) - 1, min(count, len(pictures))).round().astype(int)
    captions = [f"frame {n + 1}: {', '.join(VIEWS)}" for n in chosen]
    Image.fromarray(contact_sheet([pictures[n] for n in chosen], captions, columns=2)).save(path)
    return path


def table(frames: Sequence[Frame], path: Path) -> Path:
    """Write a row for each frame and tool: depth, way to the target, pose, visible pixels and tip in each view."""
    rows = [row for n, frame in enumerate(frames) for row in _rows(n, frame)]
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return path


def _rows(number: int, frame: Frame) -> Iterator[dict[str, object]]:
    shot = frame.shot
    to_head = float((LANDMARKS["head"] - LANDMARKS["entry"]).norm())
    for t, name in enumerate(shot.tool_names):
        tip = shot["tool_key_points"][:, shot.key_point_names.index(f"{name}.tip")]
        pixels = shot["tool_visible_masks"][:, t].sum(dim=(-2, -1))
        pose = frame.poses[name].flatten().tolist()
        yield {
            "frame": number,
            "tool": name,
            "depth_mm": round(frame.depths_mm[name], 3),
            "tip_to_target_mm": round(abs(to_head - frame.depths_mm[name]), 3),
            **{f"{view}_visible_pixels": int(pixels[v]) for v, view in enumerate(VIEWS)},
            **{
                f"{view}_tip_{c}": round(float(tip[v, i]), 2)
                for v, view in enumerate(VIEWS)
                for i, c in enumerate("uv")
            },
            **{f"world_from_tool_{i // 4}{i % 4}": round(value, 6) for i, value in enumerate(pose)},
        }


if __name__ == "__main__":
    main()
