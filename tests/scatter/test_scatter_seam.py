"""The seam of scatter models, proved with one that has no physics: a constant share of the primary photons."""

import math
from dataclasses import dataclass, field

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from deepdrr import Projector, Volume
from deepdrr.camera import Camera
from deepdrr.detector import EnergyIntegratingDetector, Exposure, FlatPanel, Grid, IdealCounter, PhotonCounter
from deepdrr.scatter import ScatteredFluence, ScatterInput, ScatterModel, scatter_signal
from deepdrr.spectrum import Shutters, XRaySource, attenuate, monochromatic

ENERGY_KEV = 60.0
SHARE = 0.5
QUIET = EnergyIntegratingDetector(quantum_noise=False, electronic_noise_electrons=0.0)


@dataclass
class ConstantShare:
    """Scatters a share of the mean number of primary photons evenly over the detector, at one energy."""

    share: float = SHARE
    seen: list[ScatterInput] = field(default_factory=list, compare=False)

    def estimate(self, seen: ScatterInput) -> ScatteredFluence:
        self.seen.append(seen)
        beam = attenuate(seen.area_densities, seen.source.spectrum, seen.materials, fluence=seen.fluence)
        between_rows, between_columns = seen.camera.pixel_spacing_mm
        mean = self.share * beam.photons.mean(dim=(-2, -1)) / (between_rows * between_columns).to(beam.photons)
        return ScatteredFluence(mean[..., None, None, None].expand(*mean.shape, 1, 3, 2), torch.tensor([ENERGY_KEV]))


@pytest.fixture
def water() -> Volume:
    return Volume.from_array(torch.zeros(30, 30, 30), torch.eye(4), check_hu="off")


@pytest.fixture
def camera() -> Camera:
    return Camera.carm(
        sdd_mm=1000, sid_mm=500, height=8, width=6, pixel_mm=2.0, isocenter=(14.5, 14.5, 14.5), angles_deg=(0, 0, 0)
    )


def taken(water: Volume, camera: Camera, **fields: object) -> Projector:
    return Projector(water, carm=camera, spectrum=monochromatic(ENERGY_KEV), **fields)  # type: ignore[arg-type]


def test_it_is_of_the_kind() -> None:
    assert isinstance(ConstantShare(), ScatterModel)


def test_the_image_is_primary_plus_scatter(water: Volume, camera: Camera) -> None:
    shot = taken(water, camera, detector=QUIET, scatter=ConstantShare()).project("image", "primary", "scatter")
    assert_close(shot["image"], shot["primary"] + shot["scatter"], rtol=1e-6, atol=0)  # one sum in float32
    assert_close(shot["scatter"], (SHARE * shot["primary"].mean()).expand(8, 6), rtol=1e-5, atol=0)


def test_without_a_model_there_is_none(water: Volume, camera: Camera) -> None:
    shot = taken(water, camera, detector=QUIET).project("image", "primary", "scatter")
    assert_close(shot["image"], shot["primary"], rtol=0, atol=0)
    assert float(shot["scatter"].abs().max()) == 0.0


def test_the_grid_passes_each_by_its_own_transmission(water: Volume, camera: Camera) -> None:
    bare = taken(water, camera, detector=QUIET, scatter=ConstantShare()).project("primary", "scatter")
    grid = EnergyIntegratingDetector(grid=Grid(primary=0.7, scatter=0.2))
    behind = taken(water, camera, detector=grid, scatter=ConstantShare()).project("primary", "scatter")
    assert_close(behind["primary"], 0.7 * bare["primary"])
    assert_close(behind["scatter"], 0.2 * bare["scatter"])


def test_it_sees_the_collimated_field(water: Volume, camera: Camera) -> None:
    model = ConstantShare()
    source = XRaySource(spectrum=monochromatic(ENERGY_KEV), shutters=Shutters(left_mm=-1.0, right_mm=20.0))
    Projector(water, carm=camera, spectrum=source, detector=QUIET, scatter=model).project("image")
    (seen,) = model.seen
    assert seen.fluence.shape == (8, 6)
    assert float(seen.fluence[:, 0].max()) == 0.0  # 5 mm left of the central ray is behind the blade
    assert float(seen.fluence[:, -1].min()) > 0.0


def test_scattered_photons_carry_quantum_noise(water: Volume, camera: Camera) -> None:
    """Counts are Poisson: their variance over draws is primary plus scatter."""
    counter = IdealCounter()
    exposure = Exposure(photons_per_pixel=200.0)
    projector = taken(water, camera.resized(64, 48), detector=counter, scatter=ConstantShare(2.0), exposure=exposure)
    shot = projector.project("image", "expected_image", generator=torch.Generator().manual_seed(1))
    noise = shot["image"] - shot["expected_image"]
    expected = float(shot["expected_image"].mean())
    # The variance of n samples is off by √(2 / n) of itself; five times that.
    assert float(noise.var()) == pytest.approx(expected, rel=5 * math.sqrt(2 / noise.numel()))


def test_a_batch_is_its_members(water: Volume, camera: Camera) -> None:
    views = [camera, camera.moved(torch.eye(4, dtype=torch.float64))]
    both = taken(water, Camera.stack(views), detector=QUIET, scatter=ConstantShare())()
    alone = taken(water, camera, detector=QUIET, scatter=ConstantShare())()
    assert_close(both, torch.stack([alone, alone]), rtol=1e-6, atol=0)


def test_gradients_pass_through_the_model(water: Volume, camera: Camera) -> None:
    share = torch.tensor(SHARE, dtype=torch.float64, requires_grad=True)
    projector = taken(water, camera, detector=FlatPanel(blur=None), scatter=ConstantShare(share))  # type: ignore[arg-type]
    image = projector.project("expected_image", "scatter")
    (by_share,) = torch.autograd.grad(image["expected_image"].sum(), share)
    # The signal is linear in the share.
    assert_close(by_share.double(), image["scatter"].detach().sum().double() / SHARE, rtol=1e-5, atol=0)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (3.0, TypeError, "scatter must be a model that gives a ScatteredFluence, got float"),
        (
            ScatteredFluence(torch.ones(5, 1, 2, 2), torch.tensor([60.0])),
            ValueError,
            r"photons_per_mm2 must fit the views \(\), got the batch \(5,\)",
        ),
    ],
)
def test_what_a_model_must_not_give(
    given: object, error: type[Exception], message: str, water: Volume, camera: Camera
) -> None:
    class Wrong:
        def estimate(self, seen: ScatterInput) -> object:
            return given

    with pytest.raises(error, match=message):
        taken(water, camera, scatter=Wrong())()


class TestSignal:
    def test_even_fluence_stays_even(self, camera: Camera) -> None:
        even = ScatteredFluence(torch.full((1, 2, 2), 8.0), torch.tensor([50.0]))
        found = scatter_signal(even, EnergyIntegratingDetector(), camera)
        assert_close(found.mean, torch.full((8, 6), 8.0 * 4.0 * 50.0))  # photons/mm² · mm² · keV
        assert_close(found.variance, torch.full((8, 6), 8.0 * 4.0 * 50.0**2))

    def test_energies_add_by_the_detectors_response(self, camera: Camera) -> None:
        photons, energies = torch.tensor([3.0, 5.0]).reshape(2, 1, 1), torch.tensor([30.0, 70.0])
        found = scatter_signal(ScatteredFluence(photons, energies), FlatPanel(), camera)
        response = FlatPanel().response(energies.double())
        assert float(found.mean[0, 0]) == pytest.approx(4.0 * float((response.mean * torch.tensor([3.0, 5.0])).sum()))

    def test_a_counter_of_windows_has_a_channel_for_each(self, camera: Camera) -> None:
        photons = torch.rand(2, 1, 3, 3, generator=torch.Generator().manual_seed(0))
        counter = PhotonCounter(thresholds_kev=(20.0, 45.0))
        found = scatter_signal(ScatteredFluence(photons, torch.tensor([50.0])), counter, Camera.stack([camera] * 2))
        assert found.mean.shape == (2, 2, 8, 6)

    @pytest.mark.parametrize(
        ("photons", "energies", "message"),
        [
            (torch.zeros(2, 3, 3), torch.tensor([50.0]), r"must be \[\*batch, K, h, w\]"),
            (torch.full((1, 3, 3), -1.0), torch.tensor([50.0]), "photons_per_mm2 must be finite and not negative"),
            (torch.full((1, 3, 3), torch.nan), torch.tensor([50.0]), "photons_per_mm2 must be finite"),
            (torch.zeros(1, 3, 3), torch.tensor([-5.0]), "energies_kev must be finite and not negative, got -5"),
        ],
    )
    def test_what_is_no_fluence_is_refused(self, photons: Tensor, energies: Tensor, message: str) -> None:
        with pytest.raises(ValueError, match=message):
            ScatteredFluence(photons, energies)


def test_what_is_no_model_is_refused(water: Volume, camera: Camera) -> None:
    with pytest.raises(TypeError, match=r"scatter must be a ScatterModel, .*, got 0.3"):
        taken(water, camera, scatter=0.3)
