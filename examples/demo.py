"""The program of `make demo`: radiographs of the bundled CT with a mobile C-arm.

    python examples/demo.py --out out/demo

Read it as an example of the Python API; `deepdrr project` and `deepdrr views` do the same from the command line.
"""

import argparse
import time
from pathlib import Path

import torch

from deepdrr import MobileCArm, Projector, Volume
from deepdrr.cli import describe_beam, describe_exposure
from deepdrr.detector import Exposure
from deepdrr.device import VIEWS, camera_for_view, geometry
from deepdrr.display import contact_sheet
from deepdrr.io import write_png
from deepdrr.resources import resource_path

# A large patient, 40 cm from front to back: an automatic exposure control would give more than the default 80 kV and
# 25 mAs.
KVP, MAS = 90.0, 50.0


def main() -> None:
    """Render the pictures and report what was done."""
    parser = argparse.ArgumentParser(description="Radiographs of the bundled CT.")
    parser.add_argument("--out", type=Path, default=Path("out/demo"), help="folder for the pictures")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)

    ct = Volume.from_nifti(resource_path("data/ct/pelvis.nii.gz"))
    print(f"CT        {ct}")
    pelvis(ct, out)
    sheet(ct, out)


def pelvis(ct: Volume, out: Path) -> None:
    """The pelvis as in the operating room: tube under the table, detector close to the patient, all pixels read out."""
    ct.orient_patient(head_first=True, supine=True)  # the CT's centre at the world's origin, y up, z toward the head
    carm = MobileCArm()
    carm.move_to(alpha=0, beta=0, isocenter=(0, -255, -12), degrees=True)
    print(f"C-arm     {carm}")

    with Projector(ct, carm=carm, kvp=KVP, mas=MAS) as projector:
        print(f"beam      {describe_beam(projector.technique.spectrum)}")
        print(f"exposure  {describe_exposure(Exposure(mas=MAS), projector.technique.source, carm.camera)}")
        start = time.perf_counter()
        shot = projector.project("image", "open_field", generator=torch.Generator().manual_seed(0))
        seconds = time.perf_counter() - start
    print(f"image     {shot}, median {shot['image'].median():.0f}: {seconds:.1f} s")

    shot.save(out / "pelvis.png", processing="radiograph")
    shot.save(out / "pelvis.tiff")
    shot.save(out / "pelvis.dcm", body_part="PELVIS")
    for kind in ("png", "tiff", "dcm"):
        print(f"wrote     {out / f'pelvis.{kind}'}")


def sheet(ct: Volume, out: Path) -> None:
    """All named views around the middle of the pelvis, on the large panel of an angiography C-arm."""
    ct.place((5.0, 0.0, 1165.0), (0.0, 0.0, 0.0))  # this RAS point of the CT file goes to the isocenter
    device = geometry("angiography").binned(4)
    pictures = []
    start = time.perf_counter()
    with Projector(ct, carm=camera_for_view("AP", device), kvp=KVP, mas=MAS) as projector:
        for name in VIEWS:
            projector.carm = camera_for_view(name, device)
            pictures.append(projector.project("image", generator=torch.Generator().manual_seed(0)).picture())
    print(f"views     {len(pictures)} of {device.height}×{device.width} pixels: {time.perf_counter() - start:.1f} s")
    write_png(contact_sheet(pictures, list(VIEWS)), out / "views.png")
    print(f"wrote     {out / 'views.png'}")


if __name__ == "__main__":
    main()
