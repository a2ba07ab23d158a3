"""The picture of docs/concepts/scatter.md: the bundled pelvis without scatter, with it, behind a grid, and the scatter.

python examples/scatter_pictures.py --out docs/images/scatter
"""

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from deepdrr import MobileCArm, Volume
from deepdrr.detector import GRIDS, FlatPanel
from deepdrr.display import contact_sheet, display
from deepdrr.io import write_png
from deepdrr.montecarlo import MonteCarlo
from deepdrr.projector import Projector
from deepdrr.resources import resource_path

Picture = npt.NDArray[np.uint8]


def main() -> None:
    """Take the images and write the sheet."""
    parser = argparse.ArgumentParser(description="The pelvis with and without scatter.")
    parser.add_argument("--out", type=Path, default=Path("out/scatter"), help="folder for the picture")
    parser.add_argument("--pixels", type=int, default=256, help="along a side of each image")
    parser.add_argument("--histories", type=int, default=1_000_000, help="photons that are followed for each image")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    found, path = pictures(arguments.pixels, arguments.histories), arguments.out / "pelvis.png"
    write_png(contact_sheet(list(found.values()), list(found), columns=4), path)
    print(f"wrote {path}")


def pictures(pixels: int, histories: int) -> dict[str, Picture]:
    """The images by caption; behind the grid with the exposure that brings as much to the panel."""
    ct = Volume.from_nifti(resource_path("data/ct/pelvis.nii.gz"))
    ct.orient_patient(head_first=True, supine=True)
    projector = Projector(ct, carm=MobileCArm().camera.resized(pixels, pixels), kvp=80, mas=2, beyond="repeat")
    plain, grid = projector.technique, GRIDS["ratio 10"]
    scattering = plain.changed(scatter=MonteCarlo(histories=histories))
    behind = scattering.changed(detector=FlatPanel(grid=grid), mas=2 * grid.exposure_factor(2.4))
    found: dict[str, Picture] = {}
    for caption, technique in (("no scatter", plain), ("scatter", scattering), ("scatter, grid 10:1", behind)):
        projector.technique = technique
        shot = projector.project("image", "scatter", "open_field", generator=torch.Generator().manual_seed(0))
        found[caption] = display(shot["image"], open_field=shot["open_field"])
        if technique is scattering:
            scatter = shot["scatter"]
    found["scatter alone"] = (255 * scatter / scatter.max()).to(torch.uint8).numpy()
    return found


if __name__ == "__main__":
    main()
