"""The Projector with every kind of detector, and its automatic exposure."""

import pytest
import torch

from deepdrr.camera import Camera
from deepdrr.data import Volume
from deepdrr.detector import (
    Blur,
    Detector,
    EnergyIntegratingDetector,
    Exposure,
    FlatPanel,
    Grid,
    IdealCounter,
    PhotonCounter,
    Readout,
    central_field,
)
from deepdrr.device import MobileCArm
from deepdrr.projector import Projector, automatic_exposure

SOFT = FlatPanel(blur=Blur(glare=None))


@pytest.fixture(scope="module")
def slab() -> Volume:
    """200 mm of tissue that grows denser from one side to the other, wider than the beam, in air."""
    hu = torch.full((60, 30, 60), -1000.0)
    hu[:, 5:25] = torch.linspace(-80.0, 80.0, 60)[:, None, None]
    volume = Volume.from_array(hu, torch.diag(torch.tensor([10.0, 10.0, 10.0, 1.0], dtype=torch.float64)))
    volume.orient_patient()
    return volume


def camera(pixels: int = 24) -> Camera:
    return MobileCArm().camera.resized(pixels, pixels)


@pytest.mark.parametrize("detector", [EnergyIntegratingDetector(), FlatPanel(), IdealCounter(), PhotonCounter()])
def test_every_detector_takes_images(slab: Volume, detector: Detector) -> None:
    with Projector(slab, carm=camera(), detector=detector) as projector:
        found = projector.project("expected_image", "image", "open_field", generator=torch.Generator().manual_seed(0))
    shape = (6, 24, 24) if isinstance(detector, PhotonCounter) else (24, 24)
    assert {tuple(t.shape) for t in found.values()} == {shape}
    assert bool((found["expected_image"] < found["open_field"]).all())
    mean = found["expected_image"].double()
    assert float(found["image"].double().mean()) == pytest.approx(float(mean.mean()), rel=0.01)


def test_a_batch_keeps_its_windows(slab: Volume) -> None:
    views = Camera.stack([camera(), camera()])
    stack = Projector(slab, carm=views, detector=PhotonCounter())()
    assert stack.shape == (2, 6, 24, 24)


def test_readout_and_grid(slab: Volume) -> None:
    plain, grid = (
        Projector(slab, carm=camera(), detector=FlatPanel(blur=None, grid=g))()
        for g in (None, Grid(primary=0.7, scatter=0.2))
    )
    torch.testing.assert_close(grid, 0.7 * plain)
    adu = FlatPanel(blur=None, readout=Readout.for_signal(float(plain.max()), bits=12))
    image = Projector(slab, carm=camera(), detector=adu)()
    assert float(image.max()) == pytest.approx(0.9 * 4095, rel=1e-3)


def test_a_counter_of_one_threshold_keeps_the_axis_of_its_window(slab: Volume) -> None:
    one = Projector(slab, carm=camera(8), detector=PhotonCounter(thresholds_kev=(20.0,)))
    assert one().shape == (1, 8, 8)
    assert one.project("expected_image").open_field().shape == (1, 8, 8)


def test_views_of_different_pixels_are_refused(slab: Volume) -> None:
    views = [Camera.carm(sdd_mm=1020, sid_mm=530, height=8, width=8, pixel_mm=p) for p in (2.0, 3.0)]
    with pytest.raises(ValueError, match="same pixel size in all views of a batch, got 2 to 3 mm"):
        Projector(slab, carm=Camera.stack(views))()


@pytest.mark.parametrize("exposure", [Exposure(mas=3.0), Exposure(air_kerma_ngy=9.0)])
def test_automatic_exposure_meets_its_target(slab: Volume, exposure: Exposure) -> None:
    found = automatic_exposure(Projector(slab, carm=camera(), exposure=exposure), air_kerma_ngy=20.0)
    kerma = Projector(slab, carm=camera(), exposure=found).project("air_kerma")["air_kerma"]
    assert float(kerma[central_field(24, 24)].mean()) == pytest.approx(20.0, rel=1e-5)
    found = automatic_exposure(Projector(slab, carm=camera(), exposure=exposure, detector=SOFT), signal=1e5)
    image = Projector(slab, carm=camera(), exposure=found, detector=SOFT)()
    assert float(image[central_field(24, 24)].mean()) == pytest.approx(1e5, rel=1e-5)


@pytest.mark.parametrize(("kvp", "most"), [(80, 600.0), (50, 2000.0)])
def test_automatic_exposure_warns_beyond_what_a_real_one_may_give(slab: Volume, kvp: float, most: float) -> None:
    projector = Projector(slab, carm=camera(), kvp=kvp)
    per_mas = 20.0 / (automatic_exposure(projector, air_kerma_ngy=20.0).mas or 0.0)
    assert (
        automatic_exposure(projector, air_kerma_ngy=0.99 * most * per_mas).mas is not None
    )  # warnings are errors here
    with pytest.warns(
        UserWarning, match=f"asks for {1.01 * most:.0f} mAs, but a real one may give at most {most:g} mAs"
    ):
        automatic_exposure(projector, air_kerma_ngy=1.01 * most * per_mas)


@pytest.mark.parametrize("target", [0.0, -1.0, float("nan"), float("inf")])
def test_a_target_is_checked_before_the_rays_are_cast(target: float, slab: Volume) -> None:
    projector = Projector(slab, carm=camera())
    with pytest.raises(ValueError, match="air_kerma_ngy must be positive and finite"):
        automatic_exposure(projector, air_kerma_ngy=target)
    assert len(projector.scene._kept) == 0


def test_automatic_exposure_needs_one_target(slab: Volume) -> None:
    projector = Projector(slab, carm=camera())
    with pytest.raises(ValueError, match="exactly one of air_kerma_ngy and signal"):
        automatic_exposure(projector)
    adu = FlatPanel(readout=Readout(adu_per_kev=1.0))
    with pytest.raises(ValueError, match="got one in ADU"):
        automatic_exposure(Projector(slab, carm=camera(), detector=adu), signal=5.0)
    with pytest.raises(TypeError, match=r"dominant must be a bool tensor \(24, 24\) or None, got 'x'"):
        automatic_exposure(projector, air_kerma_ngy=20.0, dominant="x")  # type: ignore[arg-type]


def test_the_mean_is_differentiable_in_pose_and_beam(slab: Volume) -> None:
    """d(image mean) through projection, spectrum, scintillator and blur, against central differences."""
    base = camera(8)

    def mean(sideways_mm: torch.Tensor) -> torch.Tensor:
        shift = torch.zeros(4, 4, dtype=torch.float64)
        shift[0, 3] = 1.0
        moved = Camera(base.intrinsics, base.camera_from_world + shift * sideways_mm, base.sdd_mm, 8, 8)
        return Projector(slab, carm=moved, detector=SOFT, backend="reference")().double().mean()

    at = torch.tensor(3.0, dtype=torch.float64, requires_grad=True)
    (analytic,) = torch.autograd.grad(mean(at), at)
    low, high = (float(mean(torch.tensor(d, dtype=torch.float64))) for d in (2.5, 3.5))
    # The field is linear between voxels; the difference is over a tenth of one, the image in float32.
    assert float(analytic) == pytest.approx(high - low, rel=2e-3)
