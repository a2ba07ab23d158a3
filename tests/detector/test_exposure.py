"""Exposure by photons, air kerma or mAs, and its fall-off over the detector."""

import math
from typing import Any

import pytest
import torch

from deepdrr.camera import Camera
from deepdrr.detector import Exposure, equivalent_mas, fluence_scale, obliquity_factor
from deepdrr.spectrum import air_kerma_ugy, tungsten_spectrum

BEAM = tungsten_spectrum(80.0, anode_angle_deg=12.0, filters=[("aluminium", 2.5)])


def camera(sdd_mm: float = 1020.0, pixels: int = 101, pixel_mm: float = 0.194) -> Camera:
    """An odd number of pixels, so that one of them is on the detector's normal."""
    return Camera.carm(sdd_mm=sdd_mm, sid_mm=530, height=pixels, width=pixels, pixel_mm=pixel_mm)


def photons_in_the_middle(exposure: Exposure, **geometry: Any) -> float:
    return float(fluence_scale(exposure, BEAM, camera(**geometry))[50, 50] * BEAM.photons.sum())


def test_photons_per_pixel_are_those_on_the_normal() -> None:
    assert photons_in_the_middle(Exposure(photons_per_pixel=57.0)) == pytest.approx(57.0, rel=1e-12)


def test_air_kerma_brings_the_photons_of_the_physics_reference() -> None:
    # 18 590 photons/mm²/µGy: SpekPy (casim) for this beam. 3 %: the limit for photons per air kerma, physics.md §6.
    expected = 18590 * 0.050 * 0.194**2
    assert photons_in_the_middle(Exposure(air_kerma_ngy=50.0)) == pytest.approx(expected, rel=0.03)


def test_mas_follows_the_inverse_square_law() -> None:
    near, far = (photons_in_the_middle(Exposure(mas=2.0), sdd_mm=sdd) for sdd in (600.0, 1200.0))
    assert near / far == pytest.approx(4.0, rel=1e-12)
    assert far == pytest.approx(2.0 * float(BEAM.photons.sum()) * 0.194**2 / 1.2**2, rel=1e-12)


def test_the_pixels_share_out_the_solid_angle() -> None:
    """The photons of all pixels are those that leave the source into the detector's solid angle."""
    scale = fluence_scale(Exposure(mas=1.0), BEAM, camera(sdd_mm=600, pixels=480, pixel_mm=1.0))
    a, d = 480.0, 600.0
    solid_angle = 4 * math.asin(a**2 / (a**2 + 4 * d**2))  # of a square plate seen from above its middle
    # 1e-5: a pixel's centre stands for its area; the relative error is of the order (pixel / d)² / 24.
    assert float(scale.sum()) == pytest.approx(solid_angle * 1000.0**2, rel=1e-5)


def test_obliquity_holds_for_a_tilted_off_center_detector() -> None:
    cameras = Camera.stack([camera().cropped(-200, 30, 40, 60), camera(sdd_mm=700).cropped(10, -90, 40, 60)])
    source, target = cameras.pixel_rays()
    rays = target - source
    cosine = torch.einsum("bhwk,bk->bhw", rays, cameras.principal_axis_world) / rays.norm(dim=-1)
    torch.testing.assert_close(obliquity_factor(cameras), cosine**3, rtol=1e-12, atol=0)


@pytest.mark.parametrize("exposure", [Exposure(mas=3.0), Exposure(photons_per_pixel=9.0), Exposure(air_kerma_ngy=70.0)])
def test_every_way_of_stating_it_has_a_tube_load(exposure: Exposure) -> None:
    load = equivalent_mas(exposure, BEAM, camera())
    expected = fluence_scale(exposure, BEAM, camera())
    torch.testing.assert_close(fluence_scale(Exposure(mas=float(load)), BEAM, camera()), expected)


def test_air_kerma_of_a_tube_load_at_one_meter_is_the_spectrum_s_own() -> None:
    kerma = Exposure(air_kerma_ngy=1000.0 * float(air_kerma_ugy(BEAM)))
    assert float(equivalent_mas(kerma, BEAM, camera(sdd_mm=1000.0))) == pytest.approx(1.0)


def test_parallel_rays_are_the_same_everywhere() -> None:
    pinhole = camera()
    parallel = Camera(pinhole.intrinsics, pinhole.camera_from_world, pinhole.sdd_mm, 101, 101, orthographic=True)
    scale = fluence_scale(Exposure(photons_per_pixel=10.0), BEAM, parallel)
    assert float(scale.min()) == float(scale.max())
    with pytest.raises(ValueError, match=r"mas needs a source at a distance.* orthographic"):
        fluence_scale(Exposure(mas=1.0), BEAM, parallel)


def test_the_scale_is_differentiable_in_the_camera() -> None:
    distance = torch.tensor(1000.0, dtype=torch.float64, requires_grad=True)
    fixed = camera(pixels=3)
    moved = Camera(fixed.intrinsics, fixed.camera_from_world, distance, 3, 3)
    # The pixel grows with the distance at fixed focal length in pixels: area / distance² stays.
    fluence_scale(Exposure(mas=1.0), BEAM, moved).sum().backward()
    assert distance.grad is not None
    assert float(distance.grad) == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
@pytest.mark.parametrize("name", ["photons_per_pixel", "air_kerma_ngy", "mas"])
def test_an_exposure_is_positive(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name} must be a positive finite number, got {value}"):
        Exposure(**{name: value})


@pytest.mark.parametrize("given", [{}, {"mas": 1.0, "air_kerma_ngy": 50.0}])
def test_an_exposure_is_stated_once(given: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="exactly one of photons_per_pixel, air_kerma_ngy and mas"):
        Exposure(**given)


def test_an_exposure_is_a_number() -> None:
    with pytest.raises(TypeError, match="mas must be a number, got '5'"):
        Exposure(mas="5")  # type: ignore[arg-type]
