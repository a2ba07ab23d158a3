"""The source's heel, size, shutters and air path in the projector's images."""

import math
from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from deepdrr import MobileCArm, Volume
from deepdrr.camera import Camera
from deepdrr.detector import EnergyIntegratingDetector, Exposure, equivalent_mas
from deepdrr.projector import DEFAULT_EXPOSURE, Projector
from deepdrr.resources import resource_path
from deepdrr.spectrum import (
    FocalSpot,
    HeelEffect,
    Shutters,
    XRaySource,
    air_kerma_ugy,
    filtered,
    focal_spot_blur,
    monochromatic,
    tungsten_spectrum,
    xray_source,
)

IDEAL = EnergyIntegratingDetector()


@pytest.fixture(scope="module")
def ct() -> Volume:
    """The pelvis on 6 mm voxels, on the table."""
    volume = Volume.from_nifti(resource_path("data/ct/pelvis.nii.gz")).resample(6.0)
    volume.orient_patient(head_first=True, supine=True)
    return volume


def view(pixels: int = 48) -> Camera:
    return MobileCArm().camera.resized(pixels, pixels)


def through(ct: Volume, camera: Camera | None = None, **shape: object) -> Projector:
    source = XRaySource(spectrum=tungsten_spectrum(80.0), **shape)  # type: ignore[arg-type]
    return Projector(ct, carm=camera or view(), spectrum=source, detector=IDEAL)


def test_a_bare_source_is_its_spectrum(ct: Volume) -> None:
    plain = Projector(ct, carm=view(), spectrum=tungsten_spectrum(80.0), detector=IDEAL)()
    assert torch.equal(through(ct)(), plain)


def test_air_kerma_falls_with_the_square_of_the_distance() -> None:
    """A chamber faces the source wherever it stands: cos²θ, where photons per pixel go with cos³θ."""
    kerma = through(cube(-1000.0), WIDE).project("air_kerma")["air_kerma"]
    mas = float(equivalent_mas(DEFAULT_EXPOSURE, tungsten_spectrum(80.0), WIDE))
    on_axis_ngy = mas * 1e3 * float(air_kerma_ugy(tungsten_spectrum(80.0)))  # at 1 m
    for (row, column), off_axis_mm in {(1, 1): 0.0, (0, 1): 150.0, (0, 0): 150.0 * math.sqrt(2)}.items():
        expected = on_axis_ngy / (1 + (off_axis_mm / 1000.0) ** 2)
        assert float(kerma[row, column]) == pytest.approx(expected, rel=1e-5)  # float32


BOTH = (True, False)
WIDE = Camera.carm(sdd_mm=1000, sid_mm=500, height=3, width=3, pixel_mm=150.0)


def cube(hu: float) -> Volume:
    """10 cm around the isocenter."""
    affine = torch.eye(4, dtype=torch.float64)
    affine[:3, 3] = -49.5
    return Volume.from_array(torch.full((100, 100, 100), hu), affine, check_hu="off")


class TestAirPath:
    def test_it_takes_what_a_filter_of_air_takes(self) -> None:
        beam = tungsten_spectrum(80.0)
        found, vacuum = (through(cube(-1000.0), WIDE, air_path=air).project("air_kerma")["air_kerma"] for air in BOTH)
        for (row, column), way_mm in {(1, 1): 1000.0, (0, 0): math.sqrt(1000.0**2 + 2 * 150.0**2)}.items():
            expected = float(air_kerma_ugy(filtered(beam, "air", way_mm)) / air_kerma_ugy(beam))
            assert float(found[row, column] / vacuum[row, column]) == pytest.approx(expected, rel=1e-5)  # float32
        assert float(found[1, 1] / vacuum[1, 1]) == pytest.approx(0.968, abs=0.003)

    def test_the_patient_displaces_air(self) -> None:
        found, vacuum = (through(cube(0.0), WIDE, air_path=air).project("air_kerma")["air_kerma"] for air in BOTH)
        hard = filtered(tungsten_spectrum(80.0), "water", 100.0)
        expected = float(air_kerma_ugy(filtered(hard, "air", 900.0)) / air_kerma_ugy(hard))
        # The tissue of 0 HU has not quite the composition of water; a tenth of the air is 0.0026.
        assert float(found[1, 1] / vacuum[1, 1]) == pytest.approx(expected, abs=4e-4)

    @pytest.mark.parametrize("exposure", [Exposure(photons_per_pixel=50.0), Exposure(air_kerma_ngy=20.0)])
    def test_a_stated_exposure_is_what_arrives(self, exposure: Exposure) -> None:
        cameras = Camera.stack([WIDE, Camera.carm(sdd_mm=1200, sid_mm=500, height=3, width=3, pixel_mm=150.0)])
        source = XRaySource(spectrum=tungsten_spectrum(80.0), air_path=True)
        seen = Projector(cube(-1000.0), carm=cameras, spectrum=source, exposure=exposure, detector=IDEAL)
        shot = seen.project("air_kerma", "primary_photons")
        found = shot["air_kerma"] if exposure.air_kerma_ngy else shot["primary_photons"]
        stated = exposure.air_kerma_ngy or exposure.photons_per_pixel
        assert_close(found[:, 1, 1].double(), torch.full((2,), stated).double(), rtol=1e-5, atol=0)  # float32

    def test_with_a_heel_and_relative(self, ct: Volume) -> None:
        """Air and heel are layers of their own; relative images are shares of the open beam behind the air."""
        shapes = {"heel": HeelEffect(), "air_path": True}
        relative = through(ct, view(8), **shapes)
        relative.exposure = None
        assert float(relative.project("expected_image")["expected_image"].max()) <= 1.0 + 1e-5
        dim, bright = (through(ct, view(8), heel=HeelEffect(), air_path=air).project("open_field") for air in BOTH)
        assert bool((dim["open_field"] < 0.99 * bright["open_field"]).all())

    def test_parallel_rays_come_from_no_point(self) -> None:
        seen = through(cube(0.0), replace(WIDE, orthographic=True), air_path=True)
        seen.exposure = Exposure(photons_per_pixel=5.0)
        with pytest.raises(ValueError, match="camera must be perspective for an air path"):
            seen.project("expected_image")


def test_a_faster_sum(ct: Volume) -> None:
    assert_close(through(ct, tolerance=1e-4)(), through(ct)(), rtol=1.1e-4, atol=0)  # and float32's rounding


def test_heel(ct: Volume) -> None:
    """Brighter toward the cathode; the central ray keeps its exposure; image and open field see the same."""
    tilted = through(ct, view(49), heel=HeelEffect(cathode="top")).project("open_field", "expected_image")
    straight = through(ct, view(49)).project("open_field", "expected_image")
    ratio = tilted["open_field"] / straight["open_field"]
    assert float(ratio[24, 24]) == pytest.approx(1.0, abs=1e-9)
    assert float(ratio[0, 24]) > 1.015  # of the energy: hard photons lean toward the anode
    assert float(ratio[-1, 24]) < 0.8
    behind = tilted["expected_image"] / straight["expected_image"]
    # The body takes the soft photons that the anode would have taken, and hard ones lean toward the anode: behind it
    # the heel is weaker, and on the cathode's side within 1 % of none (SpekPy: 0.994 behind 30 cm of water).
    assert bool(((behind[0] - 1.0).abs() < 0.015).all() & (behind[-1] < 0.9).all())
    assert bool((behind[-1] > ratio[-1]).all())


def test_blurred_focal_spot(ct: Volume) -> None:
    """The plane of the volume's centre, which lies at the isocenter: M = 1020 / 530."""
    spot = FocalSpot(width_mm=9.0, height_mm=9.0)  # of the size of these coarse pixels
    camera = view()
    pixel = float(camera.pixel_spacing_mm[0])
    expected = focal_spot_blur(through(ct)(), spot, magnification=1020 / 530, pixel_mm=(pixel, pixel))
    assert_close(through(ct, focal_spot=spot)(), expected, rtol=1e-5, atol=0)


def test_sampled_focal_spot_is_near_the_blurred_one(ct: Volume) -> None:
    """A body is not a plane: its near and far sides are blurred more and less than its middle, yet blur they are."""
    size = {"width_mm": 10.0, "height_mm": 10.0}
    sharp = through(ct)()
    blurred = through(ct, focal_spot=FocalSpot(**size))()  # type: ignore[arg-type]
    sampled = through(ct, focal_spot=FocalSpot(**size, samples=5))()  # type: ignore[arg-type]
    inside = (slice(4, -4), slice(4, -4))
    off_sharp = (sampled[inside] / sharp[inside]).log().std()
    off_blurred = (sampled[inside] / blurred[inside]).log().std()
    assert float(off_blurred) < 0.7 * float(off_sharp)  # measured 0.58; magnifications here run from 1.6 to 2.4


def test_one_sample_is_a_point(ct: Volume) -> None:
    one = through(ct, focal_spot=FocalSpot(samples=1))()
    assert_close(one, through(ct)(), rtol=1e-5, atol=0)


def test_shutters(ct: Volume) -> None:
    blades = Shutters(left_mm=50.0, right_mm=100.0)
    found = through(ct, shutters=blades).project("expected_image", "open_field", "air_kerma")
    free = through(ct).project("expected_image", "open_field", "air_kerma")
    position = (torch.arange(48) + 0.5 - 24) * 1536 * 0.194 / 48
    inside, outside = (position > -43) & (position < 93), (position < -57) | (position > 107)
    for name, image in found.items():
        assert torch.equal(image[:, inside], free[name][:, inside])
        assert float(image[:, outside].abs().max()) == 0.0


def test_a_batch_is_its_members(ct: Volume) -> None:
    views = [MobileCArm(alpha=a).camera.resized(24, 24) for a in (0, 40)]
    shape = {"heel": HeelEffect(), "focal_spot": FocalSpot(width_mm=9.0), "shutters": Shutters(top_mm=80.0)}
    stack = through(ct, Camera.stack(views), **shape)()
    for image, camera in zip(stack, views, strict=True):
        assert_close(image, through(ct, camera, **shape)(), rtol=1e-5, atol=0)


def test_presets_make_images(ct: Volume) -> None:
    for name in ("c-arm fluoroscopy", "radiography"):
        image = Projector(ct, carm=view(24), spectrum=xray_source(name, 80.0), exposure=Exposure(mas=1.0))()
        assert bool((image > 0).all())


def test_a_heel_needs_a_voltage() -> None:
    with pytest.raises(ValueError, match="spectrum must have a tube voltage for a heel effect"):
        XRaySource(spectrum=monochromatic(60.0), heel=HeelEffect())
    with pytest.raises(ValueError, match="unknown source 'fluoroscopy'; did you mean 'c-arm fluoroscopy'"):
        xray_source("fluoroscopy", 80.0)
    with pytest.raises(TypeError, match=r"spectrum must be a .*Spectrum, got str"):
        XRaySource(spectrum="80 kVp")  # type: ignore[arg-type]
