"""Every stage of a `Projector` stays on its device, and only results come back.

The stand-in device computes on the host, so that the numbers are nearly those of the CPU; what is tested is where they
are.
"""

import pytest
import torch
from stand_in import NAME
from torch import Tensor
from torch.testing import assert_close

from deepdrr import MobileCArm, Volume
from deepdrr.camera import Camera
from deepdrr.detector import Detector, FlatPanel, Grid, IdealCounter, PhotonCounter, Readout, random_pattern
from deepdrr.materials import MaterialModel
from deepdrr.projector import Projector, Radiograph
from deepdrr.projector._projector import _double_precision
from deepdrr.projector._stages import Stages
from deepdrr.resources import resource_path
from deepdrr.spectrum import FocalSpot, HeelEffect, Shutters, XRaySource, tungsten_spectrum

PIXELS = 12
STAGES = ("area_densities", "line_integrals", "primary_photons", "primary_energy", "air_kerma", "open_field")
LABELS = ("label_path_lengths", "label_masks")
SOURCES = {
    "point": XRaySource(spectrum=tungsten_spectrum(80.0)),
    "quadrature": XRaySource(spectrum=tungsten_spectrum(80.0), tolerance=1e-4),
    "shaped": XRaySource(
        spectrum=tungsten_spectrum(80.0),
        heel=HeelEffect(cathode="top"),
        focal_spot=FocalSpot(),
        shutters=Shutters(left_mm=80.0, distance_mm=500.0),
    ),
    "sampled": XRaySource(spectrum=tungsten_spectrum(80.0), focal_spot=FocalSpot(samples=2)),
}
PANEL = FlatPanel(
    grid=Grid(primary=0.7, scatter=0.2),
    pattern=random_pattern(PIXELS, PIXELS, generator=torch.Generator().manual_seed(1)),
    readout=Readout(adu_per_kev=1e-3, saturation="clip"),
)


@pytest.fixture(scope="module")
def ct() -> Volume:
    volume = Volume.from_nifti(resource_path("data/ct/pelvis.nii.gz")).resample(20.0)
    labels = (volume.hu > -500).to(torch.uint8) + (volume.hu > 200)
    labeled = Volume.from_array(volume.hu, volume.anatomical_from_ijk, labels=labels)
    labeled.orient_patient(head_first=True, supine=True)
    return labeled


def view() -> Camera:
    return MobileCArm(alpha=20).camera.resized(PIXELS, PIXELS)


def taken(ct: Volume, device: str, source: str, detector: Detector) -> Radiograph:
    projector = Projector(ct, carm=view(), spectrum=SOURCES[source], detector=detector, device=device)
    return projector.project(*STAGES, *LABELS, "expected_image", "image", generator=torch.Generator().manual_seed(3))


@pytest.fixture(autouse=True)
def _only_with_double_precision(single: bool) -> None:
    if single:
        with pytest.raises(ValueError, match="device must have double precision, such as 'cpu' or 'cuda', got"):
            _double_precision(NAME)
        pytest.skip("a projector needs double precision, and says so")


@pytest.mark.parametrize(
    ("source", "detector"),
    [("point", FlatPanel()), ("quadrature", IdealCounter()), ("shaped", PANEL), ("sampled", PhotonCounter())],
)
def test_results_are_those_of_the_cpu_and_on_it(ct: Volume, device: str, source: str, detector: Detector) -> None:
    expected, found = taken(ct, "cpu", source, detector), taken(ct, device, source, detector)
    assert {image.device.type for image in found.values()} == {device}
    for name in (*STAGES, "label_path_lengths", "expected_image"):
        # Area densities agree to 1e-5 of about 45 g/cm², attenuation multiplies them by 0.2 cm²/g.
        scale = float(expected[name].abs().max())
        assert_close(
            found[name].cpu(), expected[name], rtol=2e-4, atol=1e-5 * scale, msg=lambda text, n=name: f"{n}: {text}"
        )
    # The same draws: another mean in the seventh place moves a photon here and there, an ADU by its rounding.
    near = torch.isclose(found["image"].cpu(), expected["image"], rtol=1e-3, atol=1.0)
    assert float(near.double().mean()) > 0.97


def test_stages_are_on_the_device(ct: Volume, device: str) -> None:
    projector = Projector(ct, carm=view(), device=device)
    frame = Stages(projector.scene, view(), projector.technique, torch.Generator().manual_seed(3))
    stages = (frame.area_densities, frame.line_integrals, frame.primary.photons, frame.air_kerma)
    images = (frame.absorbed.mean, frame.absorbed.variance, frame.expected_image, frame.image)
    assert {stage.device.type for stage in (*stages, *images)} == {device}
    assert frame.label_path_lengths.device.type == device


def test_gradients_reach_what_is_on_the_host(ct: Volume, device: str) -> None:
    def gradient(place: str) -> Tensor:
        factor = torch.tensor(1.1, requires_grad=True)
        model = MaterialModel(density_factors={"cortical bone": factor})
        # Without blur: the stand-in has no views of complex numbers as real ones, which the FFT's gradient takes.
        image = Projector(ct, carm=view(), materials=model, detector=FlatPanel(blur=None), device=place)()
        return torch.autograd.grad(image.log().mean(), factor)[0]

    assert_close(gradient(device).cpu(), gradient("cpu"), rtol=1e-4, atol=0)  # float32
