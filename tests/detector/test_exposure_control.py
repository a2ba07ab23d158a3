"""Automatic exposure control."""

import pytest
import torch

from deepdrr.camera import Camera
from deepdrr.detector import Exposure, air_kerma_map, central_field, controlled_mas, fluence_scale
from deepdrr.spectrum import air_kerma_ugy, filtered, tungsten_spectrum

BEAM = tungsten_spectrum(80.0)
CAMERA = Camera.carm(sdd_mm=1000.0, sid_mm=530.0, height=5, width=5, pixel_mm=0.2)


@pytest.mark.parametrize("depth_mm", [0.0, 200.0])
def test_kerma_is_that_of_the_filtered_beam(depth_mm: float) -> None:
    depth = torch.full((1, 5, 5), depth_mm / 10, dtype=torch.float64)
    fluence = fluence_scale(Exposure(mas=3.0), BEAM, CAMERA)
    found = air_kerma_map(depth, BEAM, ["water"], fluence=fluence, pixel_mm=(0.2, 0.2))
    expected = 3.0 * 1000.0 * float(air_kerma_ugy(filtered(BEAM, "water", depth_mm)))
    assert float(found[2, 2]) == pytest.approx(expected, rel=1e-6)  # water of 1 g/cm³; 1e-10 of the photons are cut


def test_the_exposure_states_the_kerma_of_the_open_beam() -> None:
    fluence = fluence_scale(Exposure(air_kerma_ngy=50.0), BEAM, CAMERA)
    nothing = torch.zeros(1, 5, 5, dtype=torch.float64)
    found = air_kerma_map(nothing, BEAM, ["water"], fluence=fluence, pixel_mm=(0.2, 0.2))
    assert float(found[2, 2]) == pytest.approx(50.0, rel=1e-6)


def test_the_target_is_met_in_the_dominant() -> None:
    level = torch.full((40, 60), 100.0)
    level[10:30, 20:40] = 4.0  # the patient, in the middle
    dominant = torch.zeros(40, 60, dtype=torch.bool)
    dominant[:5] = True
    assert controlled_mas(level, 2.0, 100.0, dominant) == pytest.approx(2.0)
    middle = controlled_mas(level, 2.0, 20.0)
    assert float((level * middle / 2.0)[central_field(40, 60)].mean()) == pytest.approx(20.0)


def test_the_central_field_is_a_disk() -> None:
    disk = central_field(100, 200, 0.5)
    assert int(disk.sum()) == pytest.approx(3.1416 * 25**2, rel=0.02)
    assert bool(disk[50, 100])
    assert bool(central_field(1, 1).all())


def test_controls_that_cannot_be() -> None:
    level = torch.ones(4, 4)
    with pytest.raises(ValueError, match="target must be positive and finite, got 0"):
        controlled_mas(level, 1.0, 0.0)
    with pytest.raises(ValueError, match="level must have a positive mean over the dominant, got 0"):
        controlled_mas(0 * level, 1.0, 1.0)
    with pytest.raises(ValueError, match=r"dominant must be bool \(4, 4\) with a pixel in it"):
        controlled_mas(level, 1.0, 1.0, torch.zeros(4, 4, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"level must be one image \[H, W\], got \(2, 4, 4\)"):
        controlled_mas(level.expand(2, 4, 4), 1.0, 1.0)
    with pytest.raises(ValueError, match=r"fraction must be in \(0, 1\], got 1.5"):
        central_field(4, 4, 1.5)
