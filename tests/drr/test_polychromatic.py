"""`render` with a spectrum: against the Projector and Beer's law, gradients against differences, what it refuses."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from deepdrr import MobileCArm, Volume
from deepdrr.camera import make_k_inv, make_rt_inv
from deepdrr.data import Subject
from deepdrr.detector import Blur, EnergyIntegratingDetector, Exposure, FlatPanel, IdealCounter, PhotonCounter, Readout
from deepdrr.drr import DRR, render
from deepdrr.drr._scene import subject_scene
from deepdrr.materials import MaterialModel
from deepdrr.projector import Projector
from deepdrr.resources import resource_path
from deepdrr.spectrum import Spectrum, attenuate, monochromatic, open_beam, tungsten_spectrum

BEAM = tungsten_spectrum(80.0)
SDD, SIZE = 1020.0, 10
K_INV = make_k_inv(SDD, 30.0, 30.0, 0.0, 0.0, SIZE, SIZE)


@pytest.fixture(scope="module")
def volume() -> Volume:
    """The pelvis on 12 mm voxels."""
    return Volume.from_nifti(resource_path("data/ct/pelvis.nii.gz")).resample(12.0)


@pytest.fixture
def pelvis(volume: Volume) -> Subject:
    return Subject.from_volume(volume)


@pytest.fixture
def pose(pelvis: Subject) -> Tensor:
    angles, offset = torch.tensor([[10.0, 5.0, 0.0]]), torch.tensor([[5.0, 600.0, -10.0]])
    return make_rt_inv(angles, offset, orientation="AP", isocenter=pelvis.isocenter)


def box(hu: float = 0.0) -> Subject:
    """40 voxels of 1 mm along each axis, of the same HU."""
    return Subject(torch.full((1, 1, 40, 40, 40), hu), torch.eye(4))


BOX_K_INV = make_k_inv(1000.0, 0.1, 0.1, 0.0, 0.0, 1, 1)
BOX_POSE = make_rt_inv(torch.zeros(1, 3), torch.tensor([[0.0, 600.0, 0.0]]), isocenter=torch.full((3,), 19.5))


# -- values ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_a_box_of_bone_is_beer_and_lambert_over_the_spectrum(backend: str) -> None:
    # By label, so that the material is known: 40 mm of cortical bone and of aluminium, one beside the other.
    subject = box()
    subject.label = torch.ones(1, 1, 40, 40, 40, dtype=torch.uint8)
    model = MaterialModel(by_label={1: "aluminium"})
    found = render(subject, BOX_K_INV, BOX_POSE, 1000.0, 1, 1, backend=backend, spectrum=BEAM, materials=model)
    passed = attenuate(torch.full((1, 1, 1), 4.0 * 2.699, dtype=torch.float64), BEAM, ["aluminium"])
    expected = float(passed.energy_kev / open_beam(BEAM).energy_kev)
    assert float(found) == pytest.approx(expected, rel=2e-5)  # 500 samples of a constant in float32, 11 g/cm² deep


def test_air_is_one_and_nothing_is_brighter(pelvis: Subject, pose: Tensor) -> None:
    wide = make_k_inv(SDD, 80.0, 80.0, 0.0, 0.0, SIZE, SIZE)
    image = render(pelvis, wide, pose, SDD, SIZE, SIZE, spectrum=BEAM)
    assert image.shape == (1, 1, SIZE, SIZE)
    assert image.dtype == torch.float32
    assert 0 < float(image.min()) < 0.2
    assert float(image.max()) == pytest.approx(1.0, abs=1e-6)


def test_one_energy_is_the_exponential_of_the_line_integral() -> None:
    # Water by label at one energy is what `render` says for its attenuation there.
    subject = box()
    subject.label = torch.ones(1, 1, 40, 40, 40, dtype=torch.uint8)
    beam, model = monochromatic(60.0), MaterialModel(by_label={1: "water"})
    found = render(subject, BOX_K_INV, BOX_POSE, 1000.0, 1, 1, spectrum=beam, materials=model)
    subject.label = torch.zeros(1, 1, 40, 40, 40, dtype=torch.uint8)
    subject.mu_water = 0.02059  # 1/mm of water at 60 keV, four digits
    integral = render(subject, BOX_K_INV, BOX_POSE, 1000.0, 1, 1)[:, :1]
    torch.testing.assert_close(-found.log(), integral, rtol=1e-3, atol=0)


@pytest.mark.parametrize("detector", [EnergyIntegratingDetector(), FlatPanel(), IdealCounter()])
def test_with_an_exposure_it_is_the_projectors_image(volume: Volume, detector: FlatPanel) -> None:
    carm = MobileCArm()
    carm.reposition(volume.center_in_world)
    camera = carm.camera.resized(24, 24)
    exposure = Exposure(mas=20.0)
    projector = Projector(volume, carm=camera, spectrum=BEAM, exposure=exposure, detector=detector)
    subject = Subject.from_volume(volume)
    k_inv, rt_inv = torch.linalg.inv(camera.intrinsics)[None], camera.world_from_camera[None]
    found = render(
        subject, k_inv, rt_inv, camera.sdd_mm, 24, 24, None, spectrum=BEAM, exposure=exposure, detector=detector
    )
    # The subject keeps its placement in float32, which moves rays by some µm.
    torch.testing.assert_close(found[0, 0].float(), projector(), rtol=2e-4, atol=0)


def test_a_photon_counter_has_a_channel_per_window(pelvis: Subject, pose: Tensor) -> None:
    counter = PhotonCounter(thresholds_kev=(20.0, 45.0, 60.0))
    image = render(pelvis, K_INV, pose, SDD, SIZE, SIZE, spectrum=BEAM, detector=counter)
    assert image.shape == (1, 3, SIZE, SIZE)
    thick = image[0, :, *divmod(int(image[0, 0].argmin()), SIZE)]
    assert thick[0] < thick[1] < thick[2]  # the beam hardens


def test_views_subjects_and_the_module_are_the_same_pictures(pelvis: Subject, pose: Tensor) -> None:
    other = make_rt_inv(torch.tensor([[90.0, 0.0, 0.0]]), torch.tensor([[0.0, 600.0, 0.0]]), isocenter=pelvis.isocenter)
    poses = torch.cat([pose, other])
    both = render(pelvis, K_INV, poses, SDD, SIZE, SIZE, spectrum=BEAM, detector=FlatPanel())
    alone = [render(pelvis, K_INV, p[None], SDD, SIZE, SIZE, spectrum=BEAM, detector=FlatPanel()) for p in poses]
    torch.testing.assert_close(both, torch.cat(alone))
    twice = render([pelvis, pelvis], K_INV, poses, SDD, SIZE, SIZE, spectrum=BEAM, detector=FlatPanel())
    torch.testing.assert_close(both, twice)
    module = DRR(K_INV, torch.tensor([SDD]), SIZE, SIZE)
    torch.testing.assert_close(both, module(pelvis, poses, spectrum=BEAM, detector=FlatPanel()))


def test_what_changes_shows_in_the_next_image(pelvis: Subject, pose: Tensor) -> None:
    def darkest(**physics: object) -> float:
        image = render(pelvis, K_INV, pose, SDD, SIZE, SIZE, spectrum=BEAM, **physics)  # type: ignore[arg-type]
        return float(image.min())

    before = darkest()
    three = darkest(materials="three_class")
    assert three != before
    assert darkest() == before
    denser = darkest(materials=MaterialModel(density_factors={"cortical bone": 1.2}))
    assert denser < before
    pelvis.image_hu += 50.0
    assert darkest() < before
    pelvis.image_hu -= 50.0
    assert darkest() == pytest.approx(before, rel=1e-5)


def test_densities_are_made_once(pelvis: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [material.name for material in subject_scene(pelvis, MaterialModel()).materials]
    monkeypatch.setattr(MaterialModel, "densities", None)  # whoever calls it now fails
    again = subject_scene(pelvis, MaterialModel(density_factors={"cortical bone": 1.1}))
    assert [material.name for material in again.materials] == names
    with pytest.raises(TypeError):
        subject_scene(pelvis, MaterialModel(method="three_class")).materials  # noqa: B018


def test_a_subject_in_double_precision_stays_in_it(pelvis: Subject, pose: Tensor) -> None:
    double = Subject(pelvis.image_hu.double(), pelvis.voxel_to_world)
    exact = render(double, K_INV, pose, SDD, SIZE, SIZE, 60, spectrum=BEAM)
    single = render(pelvis, K_INV, pose, SDD, SIZE, SIZE, 60, spectrum=BEAM)
    assert (exact.dtype, single.dtype) == (torch.float64, torch.float32)
    torch.testing.assert_close(single.double(), exact, rtol=2e-5, atol=0)  # exponents of some ten, summed in float32
    assert not torch.equal(single.double(), exact)


def test_a_factor_per_picture(pelvis: Subject, pose: Tensor) -> None:
    factors = torch.tensor([1.0, 1.3])
    model = MaterialModel(density_factors={"cortical bone": factors})
    both = render(pelvis, K_INV, pose.expand(2, 4, 4), SDD, SIZE, SIZE, spectrum=BEAM, materials=model)
    for picture, factor in zip(both, factors, strict=True):
        one = MaterialModel(density_factors={"cortical bone": float(factor)})
        alone = render(pelvis, K_INV, pose, SDD, SIZE, SIZE, spectrum=BEAM, materials=one)
        torch.testing.assert_close(picture, alone[0])


# -- gradients ---------------------------------------------------------------------------------------------------------

FILTERED: Callable[[Tensor], Spectrum] = lambda t: tungsten_spectrum(80.0, filters=[("aluminium", 3.0), ("copper", t)])  # noqa: E731


def shot(subject: Subject, pose: Tensor, backend: str, **changed: object) -> Tensor:
    """Log of the mean of a flat panel's image, in which all of the chain takes part."""
    physics = {"spectrum": BEAM, "detector": FlatPanel(), "exposure": Exposure(mas=20.0), **changed}
    k_inv, sdd = physics.pop("k_inv", K_INV), physics.pop("sdd", SDD)
    image = render(subject, k_inv, pose, sdd, SIZE, SIZE, 60, backend=backend, **physics)  # type: ignore[arg-type]
    return image.double().mean().log()


def moved(pose: Tensor, along_mm: Tensor | float) -> Tensor:
    """A pose shifted across the beam."""
    way = torch.zeros(4, 4, dtype=torch.float64)
    way[:3, 3] = pose[0, :3, 0].double()
    return pose.double() + way * along_mm


def turned(pose: Tensor, degrees: Tensor | float, pelvis: Subject) -> Tensor:
    turn = torch.as_tensor(degrees, dtype=torch.float64).reshape(1) * torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64)
    offset = torch.tensor([[0.0, 600.0, 0.0]], dtype=torch.float64)
    return make_rt_inv(turn[None], offset, orientation="AP", isocenter=pelvis.isocenter.double())


# What varies: where, by how much on either side, and the image as a function of it.
CASES: dict[str, tuple[float, float, Callable[[Subject, Tensor, str, Tensor], Tensor]]] = {
    "shift": (0.3, 0.2, lambda s, p, b, v: shot(s, moved(p, v), b)),
    "rotation": (20.0, 0.2, lambda s, p, b, v: shot(s, turned(p, v, s), b)),
    "distance": (SDD, 1.0, lambda s, p, b, v: shot(s, p, b, k_inv=_k_inv(sdd=v), sdd=v.reshape(1))),
    "principal point": (3.0, 0.1, lambda s, p, b, v: shot(s, p, b, k_inv=_k_inv(x0=v))),
    "pixel size": (30.0, 0.1, lambda s, p, b, v: shot(s, p, b, k_inv=_k_inv(delx=v), detector=FlatPanel(blur=None))),
    "voxels": (0.0, 10.0, lambda s, p, b, v: shot(_brighter(s, v), p, b)),
    "bone": (
        1.1,
        0.02,
        lambda s, p, b, v: shot(s, p, b, materials=MaterialModel(density_factors={"cortical bone": v})),
    ),
    "iodine": (4.0, 0.2, lambda s, p, b, v: shot(s, p, b, materials=_contrast(s, v))),
    "copper": (0.1, 0.005, lambda s, p, b, v: shot(s, p, b, spectrum=FILTERED(v))),
    "kvp": (83.3, 0.2, lambda s, p, b, v: shot(s, p, b, spectrum=tungsten_spectrum(v))),
}


def _k_inv(**changed: Tensor) -> Tensor:
    numbers = {"sdd": SDD, "delx": 30.0, "dely": 30.0, "x0": 0.0, "y0": 0.0, **changed}
    return make_k_inv(height=SIZE, width=SIZE, dtype=torch.float64, **numbers)


def _brighter(subject: Subject, hu: Tensor) -> Subject:
    """Soft tissue of another density, by its voxels."""
    voxels = subject.image_hu
    inside = (voxels > -50) & (voxels < 150)
    return Subject((voxels + inside * hu).to(voxels.dtype), subject.voxel_to_world)


def _denser(factor: Tensor) -> MaterialModel:
    return MaterialModel(density_factors={"cortical bone": factor})


def _contrast(subject: Subject, mg_per_ml: Tensor) -> MaterialModel:
    voxels = subject.image_hu[0, 0].permute(2, 1, 0)
    return MaterialModel(contrast={"iodine": ((voxels > 0) & (voxels < 80)) * mg_per_ml})


@pytest.mark.parametrize("backend", ["cpu", "reference"])
@pytest.mark.parametrize("name", list(CASES))
def test_gradients_against_central_differences(name: str, backend: str, pelvis: Subject, pose: Tensor) -> None:
    at, step, value = CASES[name]
    start = torch.tensor(at, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(value(pelvis, pose, backend, start), start)
    with torch.no_grad():
        ends = [value(pelvis, pose, backend, start + sign * step) for sign in (1, -1)]
    # 1 %: float32 of densities and placement, and for poses the bends of the linear interpolation within the step
    assert float(slope) == pytest.approx(float(ends[0] - ends[1]) / (2 * step), rel=0.01)


@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_all_in_one_graph(backend: str, pelvis: Subject, pose: Tensor) -> None:
    kvp, copper, bone = (torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (83.3, 0.1, 1.0))
    place, k_inv = pose.clone().requires_grad_(), K_INV.clone().requires_grad_()
    voxels = Subject(pelvis.image_hu.clone().requires_grad_(), pelvis.voxel_to_world)
    beam = tungsten_spectrum(kvp, filters=[("aluminium", 3.0), ("copper", copper)])
    model = MaterialModel(density_factors={"cortical bone": bone})
    image = render(voxels, k_inv, place, SDD, SIZE, SIZE, spectrum=beam, materials=model, detector=FlatPanel())
    wanted = [kvp, copper, bone, place, k_inv, voxels.image_hu]
    for of, gradient in zip(wanted, torch.autograd.grad(image.square().sum(), wanted), strict=True):
        assert gradient.shape == of.shape
        assert bool(torch.isfinite(gradient).all())
        assert float(gradient.abs().max()) > 0


# -- refusals ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("physics", "error", "message"),
    [
        ({"materials": "continuous"}, TypeError, "spectrum must be a Spectrum.* got None"),
        ({"spectrum": 80.0}, TypeError, "spectrum must be a Spectrum.* got 80.0"),
        ({"spectrum": BEAM, "materials": "bone"}, ValueError, "materials must be 'continuous'.* got 'bone'"),
        ({"spectrum": BEAM, "detector": "CsI"}, TypeError, "detector must be a detector.* got 'CsI'"),
        ({"spectrum": BEAM, "exposure": 20.0}, TypeError, "exposure must be an Exposure.* got 20.0"),
        (
            {"spectrum": BEAM, "detector": FlatPanel(readout=Readout(adu_per_kev=1.0))},
            ValueError,
            "exposure must be given",
        ),
        ({"spectrum": BEAM, "energy": 60.0}, TypeError, "render takes .* got energy"),
        ({"spectrum": BEAM, "soft_labels": True}, ValueError, "soft_labels have no meaning with a spectrum"),
        (
            {"spectrum": BEAM, "exposure": Exposure(mas=1.0), "src": torch.zeros(1, 1, 3)},
            ValueError,
            "exposure needs the camera's own rays",
        ),
        (
            {"spectrum": BEAM, "materials": MaterialModel(density_factors={"gold": 1.0})},
            ValueError,
            "density_factors must be for adipose 3, soft tissue, cortical bone, got 'gold'",
        ),
        (
            {"spectrum": BEAM, "materials": MaterialModel(density_factors={"soft tissue": -1.0})},
            ValueError,
            "density_factors of 'soft tissue' must be finite and not negative, got -1.0",
        ),
        (
            {"spectrum": BEAM, "materials": MaterialModel(density_factors={"soft tissue": torch.ones(3)})},
            ValueError,
            r"density_factors of 'soft tissue' must be a number or fit the batch \(1,\), got shape \(3,\)",
        ),
    ],
)
def test_refused(physics: dict[str, object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        render(box(), BOX_K_INV, BOX_POSE, 1000.0, 1, 1, **physics)  # type: ignore[arg-type]


def test_an_image_that_is_no_hounsfield_units_is_refused() -> None:
    subject = Subject(torch.ones(1, 1, 4, 4, 4), torch.eye(4), convert_to_mu=False)
    with pytest.raises(ValueError, match="must hold Hounsfield units"):
        render(subject, BOX_K_INV, BOX_POSE, 1000.0, 1, 1, spectrum=BEAM)


def test_views_with_pixels_of_two_sizes_cannot_be_blurred_together() -> None:
    k_inv = torch.cat([BOX_K_INV, make_k_inv(1000.0, 0.2, 0.2, 0.0, 0.0, 1, 1)])
    assert render(box(), k_inv, BOX_POSE, 1000.0, 1, 1, spectrum=BEAM).shape == (2, 1, 1, 1)
    with pytest.raises(ValueError, match=r"same pixel size in all views of a batch, got 0.1 to 0.2 mm"):
        render(box(), k_inv, BOX_POSE, 1000.0, 1, 1, spectrum=BEAM, detector=FlatPanel(blur=Blur()))
