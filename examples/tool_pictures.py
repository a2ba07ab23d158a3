"""The pictures of docs/tools.md: each kind of tool, and a pelvis with two screws and a wire from three views.

python examples/tool_pictures.py --out docs/images/tools
"""

import argparse
from pathlib import Path

import numpy as np
import pyvista
import torch
from numpy.typing import NDArray
from PIL import Image

from deepdrr import MobileCArm, Projector, Volume
from deepdrr.device import CArmGeometry
from deepdrr.display import contact_sheet
from deepdrr.resources import resource_path
from deepdrr.tools import Tool

# What is drawn of each kind, and how much of its length.
KINDS: dict[str, tuple[dict[str, object], float]] = {
    "k-wire": ({}, 20.0),
    "guide wire": ({"ball_diameter_mm": 4.0}, 25.0),
    "needle": ({}, 12.0),
    "drill": ({}, 60.0),
    "bone screw": ({"kind": "HA 3.5", "length_mm": 30.0}, 200.0),
    "screw": ({}, 200.0),
    "pedicle screw": ({}, 200.0),
    "rod": ({"length_mm": 40.0}, 200.0),
    "plate": ({}, 200.0),
    "nail": ({}, 80.0),
    "hip stem": ({}, 300.0),
    "tube": ({"points_mm": [[0, 0, 0], [0, 0, 50], [10, 0, 60], [0, 8, 70]], "bore_mm": 1.2}, 200.0),
    "ball": ({}, 200.0),
    "phantom": ({"ball_diameter_mm": 8.0}, 200.0),
}
ISO_6_5 = {"kind": "HB 6.5", "length_mm": 80.0, "thread_mm": 32.0, "bore_mm": 2.9}
VIEWS = {"AP": (0.0, 0.0), "inlet": (0.0, -40.0), "oblique": (40.0, 0.0)}


def main() -> None:
    """Draw both pictures."""
    parser = argparse.ArgumentParser(description="Pictures of tools.")
    parser.add_argument("--out", type=Path, default=Path("out/tools"), help="folder for the pictures")
    parser.add_argument("--binning", type=int, default=4, help="pixels that are read out as one, along each side")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for name, sheet in (("kinds", kinds()), ("pelvis", pelvis(options.binning))):
        Image.fromarray(sheet).save(options.out / f"{name}.png", optimize=True)
        print(f"wrote {options.out / name}.png")


def kinds() -> NDArray[np.uint8]:
    """One drawing of each kind of tool."""
    tools = {kind: drawn(kind) for kind in KINDS}
    return contact_sheet(list(tools.values()), list(tools), columns=5)


def drawn(kind: str) -> NDArray[np.uint8]:
    """The foremost part of a tool, uint8 [240, 240]."""
    sizes, shown_mm = KINDS[kind]
    tool = Tool.make("bone screw", **ISO_6_5) if kind == "screw" else Tool.make(kind, **sizes)  # type: ignore[arg-type]
    faces = np.insert(tool.mesh.faces.numpy(), 0, 3, axis=1)
    surface = pyvista.PolyData(tool.mesh.vertices.numpy(), faces.ravel())
    if surface.length > shown_mm:
        front = surface.bounds[5]
        surface = surface.clip("z", origin=(0, 0, front - shown_mm), invert=False)
    plotter = pyvista.Plotter(off_screen=True, window_size=(240, 240))
    plotter.add_mesh(surface, color="lightsteelblue", specular=0.3)
    plotter.view_vector((1, -1.2, 0.5), viewup=(0, 0, 1))
    plotter.camera.zoom(1.0)
    picture = plotter.screenshot(return_img=True)
    plotter.close()
    return np.asarray(Image.fromarray(picture).convert("L"))


def pelvis(binning: int) -> NDArray[np.uint8]:
    """A pelvis with a wire and two screws from three views, and below it where they are visible."""
    landmarks = {"entry": torch.tensor([-139.0, -1.0, 1083.0]), "head": torch.tensor([-83.5, -28.7, 1121.0])}
    ct = Volume.from_nifti(resource_path("data/ct/pelvis.nii.gz"), landmarks=landmarks)
    ct.orient_patient(head_first=True, supine=True)
    entry, head = (ct.landmark_in_world(name) for name in ("entry", "head"))
    wire = Tool.make("k-wire", name="wire", diameter_mm=2.8, length_mm=200.0)
    wire.insert(along=(entry, head), depth_mm=68)
    lag = Tool.make("bone screw", name="lag screw", **(ISO_6_5 | {"bore_mm": 0.0}))  # type: ignore[arg-type]
    lag.align(tip=head + torch.tensor([0.0, 8.0, -8.0]), direction=head - entry)
    cortical = Tool.make("bone screw", name="cortical screw", kind="HA 4.5", length_mm=60.0)
    cortical.align(tip=head + torch.tensor([45.0, 25.0, 40.0]), direction=(0.6, 0.3, 0.7))
    pictures = []
    for alpha, beta in VIEWS.values():
        geometry = CArmGeometry().binned(binning)
        carm = MobileCArm(isocenter=(entry + head) / 2, alpha=alpha, beta=beta, geometry=geometry)
        projector = Projector([ct, wire, lag, cortical], carm=carm, kvp=80, mas=4, beyond="repeat")
        noise = torch.Generator().manual_seed(0)
        shot = projector.project("image", "open_field", "tool_visible_masks", generator=noise)
        shades = shot["tool_visible_masks"].numpy() * np.array([90, 170, 250], np.uint8)[:, None, None]
        pictures.append((shot.picture("image", "fluoroscopy"), shades.max(axis=0).astype(np.uint8)))
    captions = [*VIEWS, *(["visible"] * len(VIEWS))]
    return contact_sheet([*(p for p, _ in pictures), *(m for _, m in pictures)], captions, columns=len(VIEWS))


if __name__ == "__main__":
    main()
