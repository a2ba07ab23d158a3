"""The pictures of docs/concepts/pictures.md: the effects of beam, dose, detector, materials and display on an image.

    python examples/pictures.py --out out/pictures --chest

The pelvis is the bundled CT. `--chest` also draws the chest, the CT that `deepdrr sample chest` fetches.
"""

import argparse
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import numpy as np
import numpy.typing as npt
import pydicom
import torch
from pydicom.pixels import apply_modality_lut, apply_voi_lut
from torch import Tensor

from deepdrr import Volume
from deepdrr.camera import Camera
from deepdrr.data import fetch_sample
from deepdrr.detector import Blur, Detector, EnergyIntegratingDetector, FlatPanel
from deepdrr.device import camera_for_view, geometry
from deepdrr.display import PRESETS, attenuation, automatic_window, contact_sheet, display, processed
from deepdrr.io import RadiographMetadata, write_dicom, write_png
from deepdrr.projector import Projector, automatic_exposure
from deepdrr.spectrum import Spectrum, XRaySource, mean_energy, monochromatic, tungsten_spectrum

Picture = npt.NDArray[np.uint8]
Shot = tuple[Tensor, Tensor]  # image and open field
Body = Literal["pelvis", "chest"]
Method = Literal["continuous", "three_class"]

SEED = 0
RADIOGRAPH_NGY, FLUOROSCOPY_NGY = 2500.0, 20.0
OVERVIEW, DETAIL = 192, 160  # pixels along a side
DETAIL_AT = {"pelvis": (0.80, 0.25), "chest": (0.30, 0.30)}  # rows and columns of the panel: a hip; ribs and lung
BEAM = tungsten_spectrum(80.0)
PANEL = FlatPanel()
IDEAL = EnergyIntegratingDetector(electronic_noise_electrons=0.0)


def main() -> None:
    """Draw every sheet of the page."""
    parser = argparse.ArgumentParser(description="Pictures of beams, doses, detectors and materials.")
    parser.add_argument("--out", type=Path, default=Path("out/pictures"), help="folder for the pictures")
    parser.add_argument("--chest", action="store_true", help="draw the chest too; it is fetched if it is not there")
    arguments = parser.parse_args()
    out: Path = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    bodies: tuple[Body, ...] = ("pelvis", "chest") if arguments.chest else ("pelvis",)
    for body in bodies:
        with Projector(patient(body), carm=overview(body)) as projector:
            write(out / f"{body}_kvp.png", kilovolts(projector))
            write(out / f"{body}_filtration.png", filtrations(projector))
            write(out / f"{body}_mono.png", mono_against_poly(projector))
            write(out / f"{body}_materials.png", material_models(projector))
            write(out / f"{body}_presets.png", presets(projector), columns=5)
            projector.carm = detail(body)
            write(out / f"{body}_exposure.png", exposures(projector))
            if body == "pelvis":
                write(out / "detector.png", detectors(projector))


def patient(body: Body) -> Volume:
    """The CT, with its centre at the isocenter."""
    volume = Volume.from_nifti(fetch_sample(body).image)
    if body == "pelvis":
        volume.place((5.0, 0.0, 1165.0), (0.0, 0.0, 0.0))
    else:
        volume.orient_patient()
    return volume


def overview(body: Body) -> Camera:
    """The whole panel of an angiography C-arm, in few pixels."""
    panel = camera_for_view("AP" if body == "pelvis" else "PA", geometry("angiography"))
    return panel.resized(OVERVIEW * panel.height // panel.width, OVERVIEW)


def detail(body: Body) -> Camera:
    """A window of that panel at full resolution."""
    panel = camera_for_view("AP" if body == "pelvis" else "PA", geometry("angiography"))
    row, column = DETAIL_AT[body]
    top, left = int(row * panel.height) - DETAIL // 2, int(column * panel.width) - DETAIL // 2
    return panel.cropped(top, left, DETAIL, DETAIL)


def take(projector: Projector, spectrum: Spectrum, ngy: float, detector: Detector = PANEL) -> Shot:
    """One image with a given mean air kerma behind the middle of the field, nGy."""
    source = XRaySource(spectrum=spectrum)
    projector.technique = replace(projector.technique, source=source, detector=detector)
    exposure = automatic_exposure(projector, air_kerma_ngy=ngy)
    projector.technique = replace(projector.technique, exposure=exposure)
    shot = projector.project("image", "open_field", generator=torch.Generator().manual_seed(SEED))
    return shot["image"], shot["open_field"]


def kilovolts(projector: Projector) -> dict[str, Picture]:
    """Four tube voltages at the same dose at the detector."""
    shots = {f"{kvp} kVp": take(projector, tungsten_spectrum(kvp), RADIOGRAPH_NGY) for kvp in (60, 80, 100, 120)}
    return alike(shots, "80 kVp")


def filtrations(projector: Projector) -> dict[str, Picture]:
    """80 kV behind 1 mm of aluminium, the C-arm's filters, and a lot of copper."""
    filters = {
        "1 mm Al": [("aluminium", 1.0)],
        "3 mm Al + 0.1 mm Cu": [("aluminium", 3.0), ("copper", 0.1)],
        "3 mm Al + 0.9 mm Cu": [("aluminium", 3.0), ("copper", 0.9)],
    }
    beams = {name: tungsten_spectrum(80.0, filters=sheets) for name, sheets in filters.items()}
    return alike({name: take(projector, beam, RADIOGRAPH_NGY) for name, beam in beams.items()}, "1 mm Al")


def exposures(projector: Projector) -> dict[str, Picture]:
    """From a low-dose frame of fluoroscopy to a good frame of cine."""
    shots = {f"{ngy} nGy": take(projector, BEAM, ngy) for ngy in (5, 10, 20, 50, 100, 200, 400, 800)}
    return alike(shots, "800 nGy", centered=False)


def detectors(projector: Projector) -> dict[str, Picture]:
    """The flat panel at a fluoroscopic dose, with one effect after the other switched off."""
    panel, blur = PANEL, Blur()
    panels: dict[str, Detector] = {
        "all effects": panel,
        "no electronic noise": replace(panel, electronic_noise_electrons=0.0),
        "no quantum noise": replace(panel, quantum_noise=False),
        "no noise": replace(panel, quantum_noise=False, electronic_noise_electrons=0.0),
        "no glare": replace(panel, blur=replace(blur, glare=None)),
        "no light spread": replace(panel, blur=replace(blur, light_spread_mm=0.0)),
        "no blur": replace(panel, blur=None),
        "ideal: absorbs all": IDEAL,
    }
    return alike(
        {name: take(projector, BEAM, FLUOROSCOPY_NGY, p) for name, p in panels.items()}, "no noise", centered=False
    )


def mono_against_poly(projector: Projector) -> dict[str, Picture]:
    """A polychromatic beam against a monoenergetic one of the same mean energy, without noise and blur."""
    energy = float(mean_energy(BEAM))
    one = expected(projector, monochromatic(energy))
    many = expected(projector, BEAM)
    return compared({f"{energy:.0f} keV": one, "80 kVp": many})


def material_models(projector: Projector) -> dict[str, Picture]:
    """Hard thresholds against a composition continuous in HU, without noise and blur."""
    return compared(
        {
            "three classes": expected(projector, BEAM, "three_class"),
            "continuous": expected(projector, BEAM),
        }
    )


def expected(projector: Projector, spectrum: Spectrum, materials: Method = "continuous") -> npt.NDArray[np.float64]:
    """Attenuation −ln(I / I₀) that an ideal detector sees."""
    other = Projector(projector.volume, carm=projector.carm, spectrum=spectrum, detector=IDEAL, materials=materials)
    shot = other.project("expected_image", "open_field")
    return attenuation(shot["expected_image"], shot["open_field"])


def presets(projector: Projector) -> dict[str, Picture]:
    """One exposure with each display preset, written as DICOM and opened like in a viewer."""
    image, open_field = take(projector, BEAM, RADIOGRAPH_NGY)
    header = RadiographMetadata.from_camera(projector.carm, projector.volume.anatomical_from_world, kvp=BEAM.kvp)
    pictures = {}
    with TemporaryDirectory() as folder:
        file = Path(folder) / "image.dcm"
        for name, steps in PRESETS.items():
            said = replace(header, processing=steps.description, circular_field=steps.circular)
            picture = processed(image, steps, open_field=open_field)
            write_dicom(picture, file, said, stored="picture", object_class="DX", polarity=steps.polarity)
            opened = pydicom.dcmread(file)
            pictures[name] = apply_voi_lut(apply_modality_lut(opened.pixel_array, opened), opened).astype(np.uint8)
    return pictures


def alike(shots: dict[str, Shot], model: str, *, centered: bool = True) -> dict[str, Picture]:
    """Pictures with windows of the same width, that of the model; each centred on itself, or all on the model."""
    low, high = automatic_window(shots[model][0], open_field=shots[model][1])
    pictures = {}
    for name, (image, open_field) in shots.items():
        own = automatic_window(image, open_field=open_field) if centered else (low, high)
        middle, half = (own[0] + own[1]) / 2, (high - low) / 2
        pictures[name] = display(image, open_field=open_field, window=(middle - half, middle + half))
    return pictures


def compared(pair: dict[str, npt.NDArray[np.float64]]) -> dict[str, Picture]:
    """Two images in the same window, and the first minus the second with zero as mid grey."""
    first, second = pair.values()
    window = automatic_window(second, quantity="attenuation")
    pictures = {name: display(image, quantity="attenuation", window=window) for name, image in pair.items()}
    difference = first - second
    most = float(np.quantile(np.abs(difference), 0.998))
    caption = f"difference, ±{most:.2g}"
    pictures[caption] = display(difference, quantity="attenuation", window=(-most, most))
    return pictures


def write(path: Path, pictures: dict[str, Picture], columns: int = 4) -> None:
    """Write a sheet of pictures with at most this many columns."""
    write_png(contact_sheet(list(pictures.values()), list(pictures), columns=min(columns, len(pictures))), path)
    print(f"wrote {path}, {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
