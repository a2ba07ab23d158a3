"""The source's heel, size and shutters in the projector's images."""

import pytest
import torch
from torch.testing import assert_close

from deepdrr import MobileCArm, Volume
from deepdrr.camera import Camera
from deepdrr.detector import EnergyIntegratingDetector, Exposure
from deepdrr.projector import Projector
from deepdrr.resources import resource_path
from deepdrr.spectrum import (
    FocalSpot,
    HeelEffect,
    Shutters,
    XRaySource,
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


def test_a_faster_sum(ct: Volume) -> None:
    assert_close(through(ct, tolerance=1e-4)(), through(ct)(), rtol=1.1e-4, atol=0)  # and float32's rounding


def test_heel(ct: Volume) -> None:
    """Brighter toward the cathode; the central ray keeps its exposure; image and open field see the same."""
    tilted = through(ct, view(49), heel=HeelEffect(cathode="top")).project("open_field", "expected_image")
    straight = through(ct, view(49)).project("open_field", "expected_image")
    ratio = tilted["open_field"] / straight["open_field"]
    assert float(ratio[24, 24]) == pytest.approx(1.0, abs=1e-9)
    assert float(ratio[0, 24]) > 1.03
    assert float(ratio[-1, 24]) < 0.8
    behind = tilted["expected_image"] / straight["expected_image"]
    # The body takes the soft photons that the anode would have taken: behind it the heel is weaker, never reversed.
    assert bool((behind[0] > 1.0).all() & (behind[-1] < 1.0).all())
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
