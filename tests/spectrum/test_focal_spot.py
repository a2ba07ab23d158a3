"""The focal spot: its transfer function, the two ways to it, and the penumbra of the shutters."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from deepdrr.camera import Camera
from deepdrr.spectrum import (
    FocalSpot,
    Shutters,
    focal_spot_blur,
    focal_spot_transfer,
    sampled_sources,
    shutter_transmission,
)

PIXEL = (0.2, 0.2)


def line(width: int = 256) -> Tensor:
    """[1, width] a bright column."""
    image = torch.zeros(1, width, dtype=torch.float64)
    image[0, width // 2] = 1.0
    return image


@pytest.mark.parametrize("shape", ["gaussian", "uniform"])
@pytest.mark.parametrize("size_mm", [0.3, 0.6, 1.2])
def test_the_blur_has_the_transfer_of_the_spot(shape: str, size_mm: float) -> None:
    """Half of Nyquist's frequency; beyond, taps on whole pixels cannot follow and stay above the truth."""
    spot = FocalSpot(width_mm=size_mm, height_mm=size_mm, shape=shape)  # type: ignore[arg-type]
    spread = focal_spot_blur(line(), spot, magnification=1.9, pixel_mm=PIXEL)[0]
    frequency = torch.arange(0, 129) / (256 * 0.2)
    low = frequency <= 1.25
    found = torch.fft.rfft(spread).abs()[low]
    expected = focal_spot_transfer(frequency[low].double(), size_mm, shape, 1.9).abs()
    # Acceptance for an MTF; the edges of a uniform spot fall between pixels, where positive taps are rounder than it.
    torch.testing.assert_close(found, expected, rtol=0, atol={"gaussian": 0.02, "uniform": 0.03}[shape])


def test_known_figures_of_the_transfer() -> None:
    """A uniform spot of 1 mm at M = 2 has its zero at 1/mm, a Gaussian one exp(−π²/(4 ln 2))."""
    assert float(focal_spot_transfer(torch.tensor(1.0), 1.0, "uniform", 2.0)) == pytest.approx(0.0, abs=1e-6)
    found = float(focal_spot_transfer(torch.tensor(1.0), 1.0, "gaussian", 2.0))
    assert found == pytest.approx(math.exp(-(math.pi**2) / (4 * math.log(2))), rel=1e-6)


def test_blur_keeps_the_mean_and_never_goes_below_zero(generator: torch.Generator) -> None:
    image = torch.zeros(2, 40, 50, dtype=torch.float64)
    image[:, 15:25, 20:30] = torch.rand(2, 10, 10, generator=generator, dtype=torch.float64)
    spot = FocalSpot(width_mm=1.0, height_mm=0.5, shape="uniform")
    found = focal_spot_blur(image, spot, magnification=2.0, pixel_mm=PIXEL)
    assert float(found.sum()) == pytest.approx(float(image.sum()))
    assert float(found.min()) >= 0
    flat = torch.full((8, 8), 3.0)
    torch.testing.assert_close(focal_spot_blur(flat, spot, magnification=2.0, pixel_mm=PIXEL), flat)


def test_no_magnification_no_blur() -> None:
    assert torch.equal(focal_spot_blur(line(), FocalSpot(), magnification=1.0, pixel_mm=PIXEL), line())


@pytest.mark.parametrize("viewed_from", ["detector", "source"])
def test_sampled_sources_leave_the_detector_where_it_is(viewed_from: str) -> None:
    camera = Camera.carm(
        sdd_mm=1000, sid_mm=600, height=40, width=60, pixel_mm=1.0, angles_deg=(20, 10, 5), viewed_from=viewed_from
    )
    moved = sampled_sources(camera, FocalSpot(width_mm=2.0, height_mm=1.0, samples=3))
    assert moved.batch_shape == (9,)
    pixels = torch.tensor([[0.5, 0.5], [30.0, 20.0], [59.5, 3.5]], dtype=torch.float64)
    here = camera.backproject(pixels)
    torch.testing.assert_close(moved.backproject(pixels.expand(9, 3, 2)), here.expand(9, 3, 3), rtol=0, atol=1e-9)
    shift = moved.source_world - camera.source_world
    torch.testing.assert_close(shift.mean(dim=0), torch.zeros(3, dtype=torch.float64), rtol=0, atol=1e-9)
    axis = camera.principal_axis_world
    torch.testing.assert_close(shift @ axis, torch.zeros(9, dtype=torch.float64), rtol=0, atol=1e-9)
    variance = (shift**2).sum(dim=1).mean()
    assert float(variance) == pytest.approx((2.0**2 + 1.0**2) / (8 * math.log(2)))  # of a Gaussian, both directions


@pytest.mark.parametrize("shape", ["gaussian", "uniform"])
def test_sampling_and_blur_agree_on_a_thin_edge(shape: str) -> None:
    """The shadow of an opaque half plane at M = 2, seen by 64 sources, against the blur of the shadow of one."""
    spot = FocalSpot(width_mm=1.0, height_mm=0.0, shape=shape, samples=64)  # type: ignore[arg-type]
    camera = Camera.carm(sdd_mm=1000, sid_mm=500, height=1, width=80, pixel_mm=0.1)
    edge_world = camera.backproject(torch.tensor([[40.0, 0.5]], dtype=torch.float64), 500.0)
    shadow = sampled_sources(camera, spot).project_points(edge_world)[:, 0, 0]
    pixels = torch.arange(80, dtype=torch.float64) + 0.5
    sampled = (pixels > shadow[:, None]).double().mean(dim=0)
    blurred = focal_spot_blur((pixels > 40.0).double()[None], spot, magnification=2.0, pixel_mm=(0.1, 0.1))[0]
    # 64 equal steps of the sampled one are each 1/64 high; the largest group of equal ones is a pixel's share.
    torch.testing.assert_close(blurred, sampled, rtol=0, atol=0.03)


def test_shutters_and_their_penumbra() -> None:
    """A spot of 1 mm, blades at 250 of 1000 mm: the penumbra is 3 mm wide, half of the beam at the nominal edge."""
    camera = Camera.carm(sdd_mm=1000, sid_mm=500, height=20, width=200, pixel_mm=0.5)
    blades = Shutters(left_mm=20.0, right_mm=10.0, distance_mm=250.0, leakage=0.01)
    found = shutter_transmission(camera, blades, FocalSpot(width_mm=1.0))
    position = (torch.arange(200, dtype=torch.float64) + 0.5 - 100) * 0.5
    assert found.shape == (20, 200)
    row = found[10]
    assert bool((row[(position > -18.4) & (position < 8.4)] == 1).all())
    torch.testing.assert_close(row[position > 11.6], torch.full_like(row[position > 11.6], 0.01))
    beside = row[(position - 10.0).abs() < 0.5]
    assert float(beside.mean()) == pytest.approx(0.505)
    inside = ((row - 0.01) / 0.99).sum() * 0.5
    assert float(inside) == pytest.approx(30.0)  # a penumbra moves no area


def test_sharp_shutters_count_parts_of_pixels() -> None:
    camera = Camera.carm(sdd_mm=1000, sid_mm=500, height=4, width=4, pixel_mm=1.0)
    found = shutter_transmission(camera, Shutters(top_mm=0.75, bottom_mm=2.0))
    assert found[:, 0].tolist() == pytest.approx([0.0, 0.75, 1.0, 1.0])
    assert torch.equal(shutter_transmission(camera, Shutters()), torch.ones(4, 4, dtype=torch.float64))


def test_open_sides_have_a_finite_gradient() -> None:
    """With respect to the size of a pixel: an edge at 0.25 mm leaves 3/4 of a pixel of 1 mm, 0.25 / s + 1/2."""
    camera = Camera.carm(sdd_mm=1000, sid_mm=500, height=1, width=3, pixel_mm=1.0)
    scale = torch.ones((), dtype=torch.float64, requires_grad=True)
    wider = replace(camera, sdd_mm=camera.sdd_mm * scale)
    shutter_transmission(wider, Shutters(left_mm=0.25)).sum().backward()
    assert scale.grad is not None
    assert float(scale.grad) == pytest.approx(-0.25)


def test_bad_input() -> None:
    camera = Camera.carm(sdd_mm=1000, sid_mm=500, height=4, width=4, pixel_mm=1.0)
    with pytest.raises(ValueError, match="width_mm of a focal spot must be from 0 to 10 mm, got -1"):
        FocalSpot(width_mm=-1.0)
    with pytest.raises(ValueError, match="shape must be"):
        FocalSpot(shape="round")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="samples must be"):
        FocalSpot(samples=0)
    with pytest.raises(ValueError, match=r"magnification must be 1 or more, got 0\.5"):
        focal_spot_blur(line(), FocalSpot(), magnification=0.5, pixel_mm=PIXEL)
    with pytest.raises(ValueError, match="spot with samples"):
        sampled_sources(camera, FocalSpot())
    with pytest.raises(ValueError, match="must leave a field between the blades"):
        Shutters(left_mm=10.0, right_mm=-10.0)
    with pytest.raises(ValueError, match="leakage must be"):
        Shutters(leakage=1.0)
    with pytest.raises(ValueError, match="left_mm must be a number"):
        Shutters(left_mm=math.nan)
    with pytest.raises(ValueError, match="distance_mm must be less than the detector's 1000 mm"):
        shutter_transmission(camera, Shutters(distance_mm=1200.0))
