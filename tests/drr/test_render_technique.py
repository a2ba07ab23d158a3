"""`render` can do what a `Projector` can: source, scatter, noise, results by name, with gradients and batches."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from deepdrr import MobileCArm, Projector, Volume
from deepdrr.camera import Camera
from deepdrr.data import Subject
from deepdrr.detector import EnergyIntegratingDetector, Exposure, FlatPanel
from deepdrr.drr import DRR, render
from deepdrr.projector import OUTPUTS, Technique
from deepdrr.scatter import ScatteredFluence, ScatterInput
from deepdrr.spectrum import FocalSpot, HeelEffect, Shutters, XRaySource, tungsten_spectrum

BEAM = tungsten_spectrum(80.0)
PIXELS = 16
SOURCES = {
    "heel": XRaySource(spectrum=BEAM, heel=HeelEffect(anode_angle_deg=10.0)),
    "blurred spot": XRaySource(spectrum=BEAM, focal_spot=FocalSpot(width_mm=2.0, height_mm=2.0)),
    "sampled spot": XRaySource(spectrum=BEAM, focal_spot=FocalSpot(width_mm=2.0, height_mm=2.0, samples=2)),
    "shutters": XRaySource(spectrum=BEAM, shutters=Shutters(left_mm=60.0, top_mm=40.0)),
    "fewer energies": XRaySource(spectrum=BEAM, tolerance=1e-4),
}


@dataclass
class EvenScatter:
    """As many scattered photons everywhere as the mean of the primary fluence, at 45 keV."""

    def estimate(self, seen: ScatterInput) -> ScatteredFluence:
        rows, columns = seen.camera.pixel_spacing_mm
        per_mm2 = seen.fluence.mean(dim=(-2, -1)) * seen.source.spectrum.photons.sum() / (rows * columns)
        return ScatteredFluence(1e-3 * per_mm2[..., None, None, None], torch.tensor([45.0]))


@pytest.fixture(scope="module")
def volume() -> Volume:
    """A block of tissue of 120 mm with a bone beside its middle."""
    hu = torch.full((30, 30, 30), 40.0)
    hu[18:24, :, 8:22] = 700.0
    affine = torch.diag(torch.tensor([4.0, 4.0, 4.0, 1.0]))
    affine[:3, 3] = -58.0
    return Volume.from_array(hu, affine, check_hu="off")


@pytest.fixture(scope="module")
def subject(volume: Volume) -> Subject:
    return Subject.from_volume(volume)


@pytest.fixture(scope="module")
def camera() -> Camera:
    return MobileCArm(alpha=20, beta=10).camera.resized(PIXELS, PIXELS)


def taken(subject: Subject, camera: Camera, **physics: object) -> Tensor:
    return render(
        subject,
        camera.k_inv[None],
        camera.rt_inv[None],
        camera.sdd_mm[None],
        camera.height,
        camera.width,
        None,
        **physics,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("detector", [EnergyIntegratingDetector(), FlatPanel()], ids=["ideal", "panel"])
def test_every_source_makes_the_projectors_image(
    source: str, detector: FlatPanel, volume: Volume, subject: Subject, camera: Camera
) -> None:
    fields = {"spectrum": SOURCES[source], "mas": 10.0, "detector": detector}
    expected = Projector(volume, carm=camera, **fields)()  # type: ignore[arg-type]
    found = taken(subject, camera, **fields)
    # The subject keeps its placement in float32, which moves rays by some µm.
    assert_close(found[0, 0].float(), expected, rtol=3e-4, atol=1e-4 * float(expected.max()))


@pytest.mark.parametrize("name", [name for name, output in OUTPUTS.items() if output.axes[0] not in ("L", "T", "P")])
def test_every_result_by_name(name: str, volume: Volume, subject: Subject, camera: Camera) -> None:
    technique = Technique(scatter=EvenScatter(), detector=FlatPanel(blur=None))
    expected = Projector(volume, carm=camera, technique=technique).project(
        name, generator=torch.Generator().manual_seed(5)
    )[name]
    found = taken(subject, camera, technique=technique, output=name, generator=torch.Generator().manual_seed(5))
    planes = expected if expected.ndim == 3 else expected[None]
    # As above; where quanta are drawn, another mean in the fourth place moves some of them.
    rtol = 2e-2 if name == "image" else 3e-4
    assert_close(found[0].double(), planes.double(), rtol=rtol, atol=1e-3 * float(planes.double().abs().max()))


def test_voltage_and_load_are_short(subject: Subject, camera: Camera) -> None:
    short = taken(subject, camera, kvp=80.0, mas=5)
    assert_close(short, taken(subject, camera, spectrum=BEAM, exposure=Exposure(mas=5)), rtol=0, atol=0)


def test_a_batch_of_views_and_subjects_is_its_members(subject: Subject, camera: Camera) -> None:
    views = [camera, MobileCArm(alpha=-40).camera.resized(PIXELS, PIXELS)]
    both = Camera.stack(views)
    physics = {"spectrum": SOURCES["heel"], "mas": 5, "scatter": EvenScatter()}
    alone = torch.cat([taken(subject, view, **physics) for view in views])
    given = (both.k_inv, both.rt_inv, both.sdd_mm, PIXELS, PIXELS, None)
    assert_close(render(subject, *given, **physics), alone)  # type: ignore[arg-type]
    assert_close(render([subject, subject], *given, **physics), alone)  # type: ignore[arg-type]
    module = DRR(both.k_inv, both.sdd_mm, PIXELS, PIXELS)
    assert_close(module(subject, both.rt_inv, None, **physics), alone)  # type: ignore[arg-type]


@pytest.mark.parametrize("source", ["heel", "blurred spot", "sampled spot", "shutters"])
def test_the_gradient_with_respect_to_the_pose(source: str, subject: Subject, camera: Camera) -> None:
    """Against central differences of the float64 reference."""
    double = Subject(subject.image_hu.double(), subject.voxel_to_world)
    direction = torch.tensor([0.3, -0.5, 0.2], dtype=torch.float64)

    def mean(shift_mm: Tensor) -> Tensor:
        move = torch.eye(4, dtype=torch.float64)
        pose = camera.rt_inv @ torch.cat([move[:, :3], torch.cat([shift_mm * direction, move[3:, 3]])[:, None]], dim=1)
        image = render(
            double,
            camera.k_inv[None],
            pose[None],
            camera.sdd_mm[None],
            PIXELS,
            PIXELS,
            200,
            backend="reference",
            spectrum=SOURCES[source],
            mas=1.0,
        )
        return image.log1p().mean()

    shift = torch.zeros((), dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(mean(shift), shift)
    step = 1e-3
    with torch.no_grad():
        difference = (mean(torch.tensor(step).double()) - mean(torch.tensor(-step).double())) / (2 * step)
    # Second-order differences over 2 µm, and cells that a ray enters within them.
    assert float(slope) == pytest.approx(float(difference), rel=1e-3)


def test_shares_of_the_open_beam_are_zero_behind_the_shutters(subject: Subject, camera: Camera) -> None:
    blades = Shutters(left_mm=0.0)
    covered = taken(subject, camera, spectrum=XRaySource(spectrum=BEAM, shutters=blades))[0, 0]
    whole = taken(subject, camera, spectrum=BEAM)[0, 0]
    assert bool((covered[:, : PIXELS // 2] == 0).all())
    assert torch.equal(covered[:, PIXELS // 2 :], whole[:, PIXELS // 2 :])


def test_none_takes_the_place_of_what_the_technique_has(subject: Subject, camera: Camera) -> None:
    technique = Technique(detector=EnergyIntegratingDetector(), scatter=EvenScatter())
    relative = taken(subject, camera, technique=technique, exposure=None, scatter=None)
    assert_close(relative, taken(subject, camera, spectrum=technique.source), rtol=0, atol=0)


REFUSED: list[tuple[dict[str, object], type[Exception], str]] = [
    ({"spectrum": BEAM, "kvp": 80.0}, ValueError, "kvp or spectrum must be given, not both"),
    ({"mas": 2.0}, TypeError, r"spectrum must be a Spectrum, .* got None"),
    ({"spectrum": BEAM, "output": "air_kerma"}, ValueError, "exposure must be given for 'air_kerma'"),
    ({"spectrum": BEAM, "output": "imag"}, ValueError, "unknown output 'imag'; did you mean 'image'"),
    ({"spectrum": BEAM, "output": "image", "mas": 1.0}, TypeError, r"generator must be a torch\.Generator"),
    ({"spectrum": SOURCES["heel"], "src": torch.zeros(1, 1, 3)}, ValueError, "heel needs the camera's own rays"),
    ({"spectrum": BEAM, "scatter": 3}, TypeError, "scatter must be a ScatterModel"),
    (
        {"spectrum": BEAM, "scatter": EvenScatter(), "src": torch.zeros(1, 1, 3)},
        ValueError,
        "scatter needs the camera's",
    ),
    (
        {"spectrum": BEAM, "output": "label_masks", "src": torch.zeros(1, 1, 3)},
        ValueError,
        "label_masks needs the camera's own rays",
    ),
    ({"technique": "fast"}, TypeError, "technique must be a Technique, got 'fast'"),
    ({"spectrum": BEAM, "output": ""}, ValueError, "unknown output ''"),
    ({"spectrum": BEAM, "materials": ""}, ValueError, "materials must be .*, got ''"),
    ({"spectrum": BEAM, "generator": 3}, TypeError, r"generator must be a torch\.Generator or None, got 3"),
]


@pytest.mark.parametrize(("physics", "error", "message"), REFUSED)
def test_refused(
    physics: dict[str, object], error: type[Exception], message: str, subject: Subject, camera: Camera
) -> None:
    call: Callable[..., Tensor] = taken
    with pytest.raises(error, match=message):
        call(subject, camera, **physics)
