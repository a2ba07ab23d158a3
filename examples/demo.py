"""What `make demo` runs: the bundled CT as radiographs of a mobile C-arm.

    python examples/demo.py --out out/demo

Read it as an example of the Python API; `deepdrr project` and `deepdrr views` do the same from the command line.
"""

import argparse
import time
from pathlib import Path

import torch

from deepdrr import MobileCArm, Volume
from deepdrr.cli import describe_beam, describe_exposure
from deepdrr.detector import Exposure
from deepdrr.device import VIEWS, camera_for_view, geometry
from deepdrr.display import contact_sheet, display
from deepdrr.io import RadiographMetadata, write_dicom, write_png, write_tiff
from deepdrr.projector import Projector
from deepdrr.resources import resource_path
from deepdrr.spectrum import tungsten_spectrum

# A large patient, 40 cm from front to back: more than the default's 80 kV and 5 mAs, as an automatic exposure
# control would give.
SPECTRUM, EXPOSURE = tungsten_spectrum(90.0), Exposure(mas=50.0)


def main() -> None:
    """Render the pictures and say what was done."""
    parser = argparse.ArgumentParser(description="Radiographs of the bundled CT.")
    parser.add_argument("--out", type=Path, default=Path("out/demo"), help="folder for the pictures")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)

    ct = Volume.from_nifti(resource_path("data/ct/pelvis.nii.gz"))
    print(f"CT        {ct}")
    ap_pelvis(ct, out)
    sheet(ct, out)


def ap_pelvis(ct: Volume, out: Path) -> None:
    """The pelvis as in theatre: tube under the table, detector close above the patient, every pixel read out."""
    ct.orient_patient(head_first=True, supine=True)  # the CT's centre at the world's origin, y up, z toward the head
    carm = MobileCArm()
    carm.move_to(alpha=0, beta=0, isocenter=(0, -255, -12), degrees=True)
    print(f"C-arm     {carm}")
    print(f"beam      {describe_beam(SPECTRUM)}")
    print(f"exposure  {describe_exposure(EXPOSURE, SPECTRUM, carm.camera)}")

    with Projector(ct, carm=carm, spectrum=SPECTRUM, exposure=EXPOSURE) as projector:
        start = time.perf_counter()
        shot = projector.project("image", "open_field", generator=torch.Generator().manual_seed(0))
        seconds = time.perf_counter() - start
    image, open_field = shot["image"], shot["open_field"]
    print(f"image     {list(image.shape)}, keV per pixel, median {image.median():.0f}: {seconds:.1f} s")

    metadata = RadiographMetadata.from_camera(
        carm.camera, ct.anatomical_from_world, kvp=SPECTRUM.kvp, mas=EXPOSURE.mas, body_part="PELVIS"
    )
    write_png(display(image, open_field=open_field), out / "pelvis_ap.png")
    write_tiff(image, out / "pelvis_ap.tiff")
    write_dicom(image, out / "pelvis_ap.dcm", metadata, stored="log_signal", open_field=open_field)
    for name in ("pelvis_ap.png", "pelvis_ap.tiff", "pelvis_ap.dcm"):
        print(f"wrote     {out / name}")


def sheet(ct: Volume, out: Path) -> None:
    """All named views about the middle of the pelvis, on the large panel of an angiography arm."""
    ct.place((5.0, 0.0, 1165.0), (0.0, 0.0, 0.0))  # RAS of the CT file, to the isocenter
    device = geometry("angiography").binned(4)
    pictures = []
    start = time.perf_counter()
    with Projector(ct, carm=camera_for_view("AP", device), spectrum=SPECTRUM, exposure=EXPOSURE) as projector:
        for name in VIEWS:
            projector.carm = camera_for_view(name, device)
            shot = projector.project("image", "open_field", generator=torch.Generator().manual_seed(0))
            pictures.append(display(shot["image"], open_field=shot["open_field"]))
    print(f"views     {len(pictures)} of {device.height}×{device.width} pixels: {time.perf_counter() - start:.1f} s")
    write_png(contact_sheet(pictures, list(VIEWS)), out / "views.png")
    print(f"wrote     {out / 'views.png'}")


if __name__ == "__main__":
    main()
