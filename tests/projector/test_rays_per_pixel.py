"""Several rays per pixel: the mean over its area, where one ray takes a pixel for a point."""

import math
from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from deepdrr import Projector, Volume
from deepdrr.camera import Camera
from deepdrr.detector import Blur, EnergyIntegratingDetector, FlatPanel, QuantumSignal, detect
from deepdrr.materials import Material, MaterialModel, material
from deepdrr.projector import Radiograph, Technique, expose
from deepdrr.projector._source_shape import parts_of_pixels
from deepdrr.raycast import Rays
from deepdrr.spectrum import FocalSpot, HeelEffect, XRaySource, monochromatic, tungsten_spectrum

SHARP = FlatPanel(blur=Blur(light_spread_mm=0.0, glare=None))  # the aperture alone
IDEAL = EnergyIntegratingDetector()
STEEL = material("stainless steel")
ONE_ENERGY = XRaySource(spectrum=monochromatic(60.0))


@dataclass(frozen=True)
class Wire:
    """An endless cylinder of steel through the isocenter, across the beam, as a scene of its own."""

    radius_mm: float
    angle_deg: float = 3.0
    steel: Material = STEEL

    device = torch.device("cpu")
    center_world = torch.zeros(3, dtype=torch.float64)

    @property
    def materials(self) -> tuple[Material, ...]:
        return (self.steel,)

    def area_densities(self, view: Camera, *, integration: object, backend: str) -> Tensor:
        source, target = (points.double() for points in view.pixel_rays())
        ray = target - source
        ray = ray / ray.norm(dim=-1, keepdim=True)
        angle = math.radians(self.angle_deg)
        along = ray.new_tensor([math.sin(angle), 0.0, math.cos(angle)])
        across = torch.linalg.cross(ray, along.expand_as(ray))
        distance = (source * across).sum(dim=-1) / across.norm(dim=-1)
        chord_mm = 2 * (self.radius_mm**2 - distance**2).clamp(min=0).sqrt() / across.norm(dim=-1)
        return (0.1 * self.steel.density_g_cm3 * chord_mm)[..., None, :, :]


def camera(pixel_mm: float = 0.194, size: int = 96) -> Camera:
    """AP: the world's z runs up the picture."""
    return Camera.carm(sdd_mm=1020, sid_mm=530, height=size, width=size, pixel_mm=pixel_mm)


def shadow(rays: int, wire: Wire, view: Camera, detector: object = SHARP) -> Tensor:
    """What the wire takes from each row of pixels, as the width of an opaque one, mm."""
    technique = Technique(source=ONE_ENERGY, exposure=None, detector=detector, rays_per_pixel=rays)  # type: ignore[arg-type]
    image = expose(wire, view, technique, ("expected_image",))["expected_image"]
    middle = slice(8, -8)  # beside the blur's border
    return (1 - image).sum(dim=1)[middle].double() * float(view.pixel_spacing_mm[1])


@pytest.mark.parametrize(
    ("wire", "binning", "varies"), [(Wire(0.18), 1, 0.01), (Wire(0.8), 8, 0.03)], ids=["guide wire", "K-wire, binned"]
)
def test_the_shadow_of_a_slanted_wire_is_even(wire: Wire, binning: int, varies: float) -> None:
    view = camera(0.194 * binning)
    one, several = shadow(1, wire, view), shadow(4, wire, view)
    assert float((one.max() - one.min()) / one.mean()) > 0.05  # one ray sees it or not
    assert float((several.max() - several.min()) / several.mean()) < varies  # steps of 1/16 of a pixel at its border
    finest = shadow(16, wire, view).mean()
    assert_close(several.mean(), finest, rtol=0.003, atol=0)


def test_the_aperture_is_applied_once() -> None:
    """The edges of an opaque rod along the columns: a pixel shows the share of it that is free, and nothing rings."""
    view, rod = camera(0.6, 64), Wire(6.0, angle_deg=0.0, steel=material("lead"))
    technique = Technique(source=ONE_ENERGY, exposure=None, detector=SHARP, rays_per_pixel=8)
    row = expose(rod, view, technique, ("expected_image",))["expected_image"][32].double()
    half_mm = 1020 * 6.0 / math.sqrt(530**2 - 6.0**2)
    edges = torch.arange(65).double() * 0.6 - 32 * 0.6
    covered = (edges[1:].clamp(max=half_mm) - edges[:-1].clamp(min=-half_mm)).clamp(min=0) / 0.6
    assert_close(row, 1 - covered, rtol=0, atol=0.02)  # 64 places in the pixel: half a step, and the rod's thin border
    twice = expose(rod, view, replace(technique, rays_per_pixel=1), ("expected_image",))["expected_image"][32].double()
    assert float((twice - (1 - covered)).abs().max()) > 0.1  # a point, then the aperture: it rings


@pytest.mark.parametrize("count", [2, 3, 4])
def test_where_the_rays_go(count: int) -> None:
    """One in each part of the pixel, none in the row or column of another, and their mean in the middle."""
    view = camera()
    found = torch.stack([view.intrinsics - part.intrinsics for part in parts_of_pixels(view, count)])[:, :2, 2]
    assert len({(math.floor((x + 0.5) * count), math.floor((y + 0.5) * count)) for x, y in found.tolist()}) == count**2
    places = (torch.arange(count**2).double() + 0.5) / count**2 - 0.5
    for axis in (0, 1):
        assert_close(found[:, axis].sort().values, places, rtol=0, atol=1e-12)


@pytest.fixture(scope="module")
def water() -> Volume:
    """A ball of water about the isocenter, smooth at its border."""
    place = torch.arange(48, dtype=torch.float64) - 23.5
    radius = (place[:, None, None] ** 2 + place[:, None] ** 2 + place**2).sqrt()
    affine = torch.eye(4, dtype=torch.float64)
    affine[:3, 3] = -23.5
    return Volume.from_array(((15.0 - radius) * 200.0).clamp(-1000.0, 0.0).float(), affine, check_hu="off")


@pytest.mark.parametrize("source", [
    XRaySource(spectrum=tungsten_spectrum(80.0), heel=HeelEffect()),
    XRaySource(spectrum=tungsten_spectrum(80.0), focal_spot=FocalSpot()),
    XRaySource(spectrum=tungsten_spectrum(80.0), focal_spot=FocalSpot(samples=2)),
])  # fmt: skip
def test_a_smooth_image_stays_as_it_is(water: Volume, source: XRaySource) -> None:
    one, two = (
        Projector(water, carm=camera(1.0, 40), spectrum=source, rays_per_pixel=n).project("expected_image", "air_kerma")
        for n in (1, 2)
    )
    # Pixels of half a millimetre in the patient, borders 5 mm wide: a second difference over a pixel.
    for name in one:
        assert_close(two[name], one[name], rtol=3e-3, atol=0)


def test_noise_is_that_of_the_pixel() -> None:
    """The quanta of the whole pixel are drawn, and blurred by its whole aperture, whatever the number of rays."""
    flat = QuantumSignal(torch.full((96, 96), 2.5e4), torch.full((96, 96), 1.25e6))
    one, four = (
        detect(flat, panel, pixel_mm=(0.194, 0.194), generator=torch.Generator().manual_seed(0))
        for panel in (FlatPanel(), FlatPanel(blur=Blur(rays_per_pixel=4)))
    )
    assert_close(four, one)


def test_gradients_of_the_mean(water: Volume) -> None:
    view = camera(4.0, 6)
    pose = view.camera_from_world.clone().requires_grad_()
    focal = view.intrinsics.clone().requires_grad_()
    technique = Technique(exposure=None, detector=IDEAL, rays_per_pixel=2, backend="reference")
    scene = Projector(water, carm=view).scene

    def image(camera_from_world: Tensor, intrinsics: Tensor) -> Tensor:
        moved = replace(view, camera_from_world=camera_from_world, intrinsics=intrinsics)
        return expose(scene, moved, technique, ("expected_image",))["expected_image"].double()

    weights = torch.linspace(0.5, 1.5, 36, dtype=torch.float64).reshape(6, 6)
    by_graph = torch.autograd.grad((image(pose, focal) * weights).sum(), (pose, focal))
    for index, (inputs, entry, step) in enumerate([(0, (0, 3), 1e-3), (0, (2, 3), 1e-2), (1, (0, 2), 1e-3)]):
        moved = []
        for sign in (1, -1):
            changed = [pose.detach().clone(), focal.detach().clone()]
            changed[inputs][entry] += sign * step
            moved.append(float((image(*changed) * weights).sum()))
        numeric = (moved[0] - moved[1]) / (2 * step)
        # Kinks at cell borders within the step.
        assert float(by_graph[inputs][entry]) == pytest.approx(numeric, rel=0.02, abs=1e-5), index


class TestDefault:
    def taken(self, volume: Volume, view: Camera, **fields: object) -> Radiograph:
        return Projector(volume, carm=view, detector=IDEAL, **fields).project("primary_energy")  # type: ignore[arg-type]

    def test_one_for_a_ct(self, water: Volume) -> None:
        found, one = self.taken(water, camera(8.0, 8)), self.taken(water, camera(8.0, 8), rays_per_pixel=1)
        assert torch.equal(found["primary_energy"], one["primary_energy"])

    @pytest.mark.parametrize(("pixel_mm", "rays"), [(0.9, 1), (1.7, 2), (30.0, 4)])
    def test_two_for_each_voxel_of_contrast_in_a_pixel(self, water: Volume, pixel_mm: float, rays: int) -> None:
        """Magnified 1020 / 530 times, a voxel of 1 mm is 1.92 mm on the detector."""
        model = MaterialModel(contrast={"iodine": 20.0 * (water.hu > -500)})
        found = self.taken(water, camera(pixel_mm, 8), materials=model)
        stated = self.taken(water, camera(pixel_mm, 8), materials=model, rays_per_pixel=rays)
        assert torch.equal(found["primary_energy"], stated["primary_energy"])
        if rays > 1:
            other = self.taken(water, camera(pixel_mm, 8), materials=model, rays_per_pixel=1)
            assert not torch.equal(found["primary_energy"], other["primary_energy"])

    def test_an_object_may_state_its_finest_detail(self) -> None:
        view = camera(0.194 * 8, 16)
        technique = Technique(source=ONE_ENERGY, exposure=None, detector=IDEAL)

        class Fine(Wire):
            detail_mm = 0.8

        found = expose(Fine(0.8), view, technique, ("expected_image",))["expected_image"]
        # 0.81 mm of the object in a pixel: three rays for a detail of 0.8 mm.
        three = expose(Wire(0.8), view, replace(technique, rays_per_pixel=3), ("expected_image",))["expected_image"]
        assert torch.equal(found, three)


@pytest.mark.parametrize(("count", "error"), [(0, ValueError), (2.5, TypeError), (True, TypeError)])
def test_numbers_of_rays_that_cannot_be(count: object, error: type[Exception]) -> None:
    with pytest.raises(error, match="rays_per_pixel must be"):
        Technique(rays_per_pixel=count)  # type: ignore[arg-type]


def test_rays_of_the_caller_s_own_are_taken_as_they_are(water: Volume) -> None:
    view, scene = camera(4.0, 6), Projector(water, carm=camera(4.0, 6)).scene
    source, target = view.pixel_rays()
    rays = Rays(source.expand_as(target), target)
    with pytest.raises(ValueError, match="rays_per_pixel needs the camera's own rays"):
        expose(scene, view, Technique(exposure=None, rays_per_pixel=2), ("expected_image",), rays=rays)
