"""Every stage of a `Projector` stays on the GPU, and only results come back: on a GPU that torch pretends to have.

It computes on the host, so that numbers are those of the CPU to the last bit; what is tested is where they are.
"""

from dataclasses import replace

import pytest
import torch
from pretend_gpu import PretendGpu
from torch import Tensor
from torch.testing import assert_close

from deepdrr import MobileCArm, Volume
from deepdrr.camera import Camera
from deepdrr.detector import Detector, FlatPanel, Grid, IdealCounter, PhotonCounter, Readout, random_pattern
from deepdrr.projector import MaterialModel, Projector
from deepdrr.projector._frame import Frame
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
    labelled = Volume.from_array(volume.hu, volume.anatomical_from_ijk, labels=labels)
    labelled.orient_patient(head_first=True, supine=True)
    return labelled


@pytest.fixture(autouse=True)
def _torch_sees_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)


def view() -> Camera:
    return MobileCArm(alpha=20).camera.resized(PIXELS, PIXELS)


def taken(ct: Volume, device: str, source: str, detector: Detector) -> dict[str, Tensor]:
    projector = Projector(
        ct, carm=view(), spectrum=SOURCES[source], detector=detector, backend="reference", device=device
    )
    return projector.project(*STAGES, *LABELS, "expected_image", "image", generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize(
    ("source", "detector"),
    [
        ("point", FlatPanel()),
        ("quadrature", IdealCounter()),
        ("shaped", PANEL),
        ("sampled", PhotonCounter()),
    ],
)
def test_results_are_those_of_the_cpu_and_on_it(ct: Volume, source: str, detector: Detector) -> None:
    expected = taken(ct, "cpu", source, detector)
    with PretendGpu():
        found = taken(ct, "cuda", source, detector)
        assert {image.device.type for image in found.values()} == {"cpu"}
    for name, image in found.items():
        assert_close(image, expected[name], rtol=0, atol=0, msg=lambda text, name=name: f"{name}: {text}")


def test_stages_are_on_the_gpu(ct: Volume) -> None:
    with PretendGpu():
        projector = Projector(ct, carm=view(), backend="reference", device="cuda")
        frame = Frame(projector._current(), view(), projector.technique, torch.Generator().manual_seed(3))
        stages = (frame.area_densities, frame.line_integrals, frame.primary.photons, frame.label_path_lengths)
        images = (frame.absorbed.mean, frame.absorbed.variance, frame.expected_image, frame.image)
        assert {stage.device.type for stage in (*stages, *images)} == {"cuda"}


def test_gradients_reach_what_is_on_the_host(ct: Volume) -> None:
    def gradient(device: str) -> Tensor:
        factor = torch.tensor(1.1, requires_grad=True)
        model = replace(MaterialModel(), density_factors={"cortical bone": factor})
        image = Projector(ct, carm=view(), materials=model, backend="reference", device=device)()
        return torch.autograd.grad(image.log().mean(), factor)[0]

    expected = gradient("cpu")
    with PretendGpu():
        found = gradient("cuda")
        assert found.device.type == "cpu"
    assert_close(found, expected, rtol=0, atol=0)


def test_the_pretended_gpu_refuses_tensors_of_the_host() -> None:
    with PretendGpu():
        there = torch.ones(3).to("cuda")
        assert (2 * there).device == there.cpu().to("cuda").device == torch.zeros(2, device="cuda").device
        with pytest.raises(AssertionError, match="expected all tensors on cuda:0"):
            there + torch.ones(3)
        with pytest.raises(TypeError, match="not on the host"):
            there.numpy()
