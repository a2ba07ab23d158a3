"""`MonteCarlo` in the picture: units, exposure, batches, grids, other scenes, bad input."""

import math
import warnings
from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from deepdrr import Projector, Volume
from deepdrr.camera import Camera
from deepdrr.detector import EnergyIntegratingDetector, Exposure, Grid
from deepdrr.materials import material
from deepdrr.montecarlo import MonteCarlo, Run, beam_of, body_of, even_beam, panel_of, smoothed, transport
from deepdrr.projector import Scene
from deepdrr.scatter import ScatterModel
from deepdrr.spectrum import HeelEffect, Shutters, XRaySource, monochromatic, tungsten_spectrum
from deepdrr.tools import Tool

QUIET = EnergyIntegratingDetector(quantum_noise=False, electronic_noise_electrons=0.0)
FEW = MonteCarlo(histories=20_000, cells=6, smooth_mm=0.0)
MIDDLE = (95.0, 95.0, 95.0)


@pytest.fixture
def water() -> Volume:
    """20 cm of water, in voxels of 1 cm."""
    return Volume.from_array(torch.zeros(20, 20, 20), torch.diag(torch.tensor([10.0, 10, 10, 1])), check_hu="off")


@pytest.fixture
def camera() -> Camera:
    return Camera.carm(sdd_mm=1000, sid_mm=700, height=24, width=24, pixel_mm=10.0, isocenter=MIDDLE)


def taken(water: Volume, camera: Camera, **fields: object) -> Projector:
    given = {"spectrum": monochromatic(60.0), "detector": QUIET, "scatter": FEW} | fields
    return Projector(water, carm=camera, **given)  # type: ignore[arg-type]


def test_it_is_of_the_kind() -> None:
    assert isinstance(MonteCarlo(), ScatterModel)


def test_the_scatter_is_that_of_the_transport_in_the_exposures_units(water: Volume, camera: Camera) -> None:
    """An ideal detector's total signal is the energy per history times the photons of the open field."""
    shot = taken(water, camera, exposure=Exposure(photons_per_pixel=1000.0)).project("scatter", "primary")
    body = body_of(Scene(water), voxel_mm=3.0)
    source = XRaySource(spectrum=monochromatic(60.0))
    fluence = torch.full((24, 24), 1000.0)
    tally = transport(body, beam_of(source, camera, fluence), panel_of(camera, 6, 6), Run(histories=20_000))
    expected = float(tally.scatter_energy.sum()) * 1000 * 24 * 24
    # 2 % of the photons are at the rim, where cos³θ is below 1, and bilinear interpolation moves 1 % there.
    assert float(shot["scatter"].sum()) == pytest.approx(expected, rel=0.04)


def test_more_exposure_is_more_of_the_same(water: Volume, camera: Camera) -> None:
    one, ten = (taken(water, camera, mas=mas).project("scatter", "primary") for mas in (1.0, 10.0))
    assert_close(ten["scatter"], 10 * one["scatter"], rtol=1e-5, atol=0)


def test_the_ratio_and_what_a_grid_does_to_it(water: Volume, camera: Camera) -> None:
    bare = taken(water, camera).project("scatter", "primary", "scatter_to_primary")
    assert_close(bare["scatter_to_primary"], bare["scatter"] / bare["primary"])
    grid = EnergyIntegratingDetector(grid=Grid(primary=0.7, scatter=0.2))
    behind = taken(water, camera, detector=grid).project("scatter_to_primary")
    assert_close(behind["scatter_to_primary"], bare["scatter_to_primary"] * (0.2 / 0.7))


def test_a_batch_is_its_members(water: Volume, camera: Camera) -> None:
    turned = Camera.carm(
        sdd_mm=1000, sid_mm=700, height=24, width=24, pixel_mm=10.0, isocenter=MIDDLE, angles_deg=(40.0, 0.0, 0.0)
    )
    both = taken(water, Camera.stack([camera, turned])).project("scatter")["scatter"]
    for n, one in enumerate((camera, turned)):
        assert_close(
            both[n], taken(water, one).project("scatter")["scatter"], rtol=1e-3, atol=0
        )  # mean energies of groups are those of both


def test_a_seed_gives_the_same_picture_and_another_seed_another(water: Volume, camera: Camera) -> None:
    again = [taken(water, camera, scatter=MonteCarlo(histories=5000, cells=4, seed=n))() for n in (1, 1, 2)]
    assert_close(again[0], again[1], rtol=0, atol=0)
    assert not torch.equal(again[0], again[2])


def test_by_name(water: Volume, camera: Camera) -> None:
    assert taken(water, camera, scatter="monte carlo").technique.scatter == MonteCarlo()
    with pytest.raises(ValueError, match="unknown scatter model 'monte-carlo'; did you mean 'monte carlo'"):
        taken(water, camera, scatter="monte-carlo")


def test_air_scatters_nothing_and_is_told(camera: Camera) -> None:
    air = Volume.from_array(torch.full((8, 8, 8), -1000.0), torch.eye(4), check_hu="off")
    with pytest.raises(ValueError, match="the scene must hold a body, got no voxel above"):
        body_of(Scene(air), voxel_mm=3.0)


def test_shutters_and_heel_shape_the_beam(camera: Camera) -> None:
    shape = (24, 24)
    spectrum = tungsten_spectrum(80.0)
    plain = beam_of(XRaySource(spectrum=spectrum), camera, torch.ones(shape))
    assert float(plain.photons.sum()) == pytest.approx(24 * 24 * float(spectrum.photons.sum()), rel=1e-9)
    heel = beam_of(XRaySource(spectrum=spectrum, heel=HeelEffect(cathode="top")), camera, torch.ones(shape))
    assert float(heel.photons[0].sum()) > float(heel.photons[-1].sum())  # the cathode's side is brighter
    half = torch.ones(shape)
    half[:, :12] = 0.0
    assert float(beam_of(XRaySource(spectrum=spectrum), camera, half).photons[:, :12].sum()) == 0.0


def test_a_collimated_beam_scatters_less(water: Volume, camera: Camera) -> None:
    blades = Shutters(left_mm=30.0, right_mm=30.0, top_mm=30.0, bottom_mm=30.0)
    source = XRaySource(spectrum=monochromatic(60.0), shutters=blades)
    wide, narrow = (taken(water, camera, spectrum=s).project("scatter")["scatter"] for s in (None, source))
    assert float(narrow.sum()) < 0.25 * float(wide.sum())


def test_fine_voxels_are_averaged_with_their_mass() -> None:
    torch.manual_seed(0)
    hu = 200.0 * torch.rand(31, 22, 17)
    ct = Volume.from_array(hu, torch.eye(4), check_hu="off")
    fine, coarse = (body_of(Scene(ct), voxel_mm=size) for size in (1.0, 3.0))
    assert coarse.densities.shape == (3, 11, 8, 6)
    assert float(coarse.mass_g.sum()) == pytest.approx(float(fine.mass_g.sum()), rel=1e-5)


def test_a_scene_with_a_tool_holds_its_mass(water: Volume) -> None:
    """A ball of titanium in water displaces it: sampled along rays, one in each cube of 4 mm."""
    ball = Tool.make("ball", diameter_mm=60.0, material="titanium")
    place = torch.eye(4, dtype=torch.float64)
    place[:3, 3] = torch.tensor(MIDDLE)
    ball.world_from_tool = place
    alone, both = (body_of(Scene(*objects), voxel_mm=4.0) for objects in ((water,), (water, ball)))
    titanium = both.densities[both.materials.index(material("titanium"))]
    assert float(titanium.sum()) * 0.064 == pytest.approx(float(ball.mass_g), rel=0.01)  # 2800 rays through its disc
    lost = float(alone.mass_g.sum()) + float(ball.mass_g) - float(both.mass_g.sum())
    displaced = float(ball.volume_mm3) / 1000 * float(alone.densities[:, 0, 0, 0].sum())
    assert lost == pytest.approx(displaced, rel=0.03)  # 3 g in 8 kg of water, whose faces the cubes sample too


@pytest.mark.parametrize("direction", [(0, 1, 0), (1, 0, 0), (1, 1, 0.3)])
def test_a_wire_thinner_than_a_cube_holds_its_mass(water: Volume, direction: tuple[float, float, float]) -> None:
    """One ray through each cube of 3 mm had five times the mass of a wire of 1.5 mm along the rays, or none of it."""
    wire = Tool.make("k-wire", diameter_mm=1.5, length_mm=60.0)
    wire.align(tip=(95.3, 95.0, 95.7), direction=direction)
    body = body_of(Scene(water, wire), voxel_mm=3.0)
    steel = body.densities[body.materials.index(wire.material)]
    assert float(steel.sum()) * 0.027 == pytest.approx(float(wire.mass_g), rel=0.2)  # nine rays of 0.5 mm pitch in it


def test_cubes_larger_than_the_ct_hold_its_density() -> None:
    grid = torch.diag(torch.tensor([0.01, 0.01, 0.01, 1.0]))
    tiny = Scene(Volume.from_array(torch.zeros(3, 3, 3), grid, check_hu="off"))
    (one, large), wanted = (body_of(tiny, voxel_mm=size) for size in (0.01, 1e9)), (1, 1, 1)
    assert tuple(large.densities.shape[1:]) == wanted
    assert torch.allclose(large.densities.flatten(), one.densities.mean(dim=(1, 2, 3)))


def test_cubes_that_do_not_fit_are_told_before_any_ray_is_cast(water: Volume) -> None:
    scene = Scene(water, Tool.make("ball", diameter_mm=5.0))
    with pytest.raises(MemoryError, match=r"densities in cubes of 0\.001 mm of shape"):
        body_of(scene, voxel_mm=0.001)


@pytest.mark.parametrize(("kev", "aside_mm"), [(60.0, 900.0), (5.0, 0.0)])
def test_nothing_that_scatters_into_the_picture_is_no_scatter(
    water: Volume, camera: Camera, kev: float, aside_mm: float
) -> None:
    """A beam that passes the body, and one that the body swallows."""
    place = torch.eye(4, dtype=torch.float64)
    place[0, 3] = aside_mm
    aside = replace(camera, camera_from_world=camera.camera_from_world @ place)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the beam misses the CT: that is the case
        shot = taken(water, aside, spectrum=monochromatic(kev)).project("scatter")
    assert float(shot["scatter"].abs().max()) == 0.0


def test_smoothing_keeps_slopes_and_takes_noise() -> None:
    row = torch.arange(20, dtype=torch.float64)
    slope = 5.0 + row[:, None] + 2 * row
    assert_close(smoothed(slope, (2.0, 3.0)), slope)
    noise = 100 + torch.randn(20, 20, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    # σ of 2 cells leaves 1 / (2 √π 2) = 0.14 of it inside, more along the borders.
    assert float(smoothed(noise, (2.0, 2.0)).std()) < 0.25
    assert_close(smoothed(noise, (0.0, 0.0)), noise)


def test_even_beam_is_one_photon(camera: Camera) -> None:
    assert even_beam(monochromatic(60.0), camera).total_photons == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        ({"histories": 0}, ValueError, "histories must be at least 1, got 0"),
        ({"cells": 0}, ValueError, "cells must be at least 1, got 0"),
        ({"voxel_mm": 0.0}, ValueError, "voxel_mm must be positive, got 0"),
        ({"voxel_mm": math.inf}, ValueError, "voxel_mm must be finite, got inf"),
        ({"voxel_mm": "3"}, TypeError, "voxel_mm must be a number, got '3'"),
        ({"error": "5 %"}, TypeError, "error must be a number, got '5 %'"),
        ({"error": 1.0}, ValueError, "error must be a share above 0 and below 1, or None, got 1.0"),
        ({"group_kev": None}, TypeError, "group_kev must be a number, got None"),
        ({"smooth_mm": -1.0}, ValueError, "smooth_mm must not be negative, got -1"),
        ({"seed": 1.5}, TypeError, "seed must be an integer, got 1.5"),
    ],
)
def test_bad_settings_are_told(fields: dict[str, object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        MonteCarlo(**fields)  # type: ignore[arg-type]


def test_parallel_rays_are_told(water: Volume, camera: Camera) -> None:
    with pytest.raises(ValueError, match="camera must be one perspective camera"):
        panel_of(replace(camera, orthographic=True), 4, 4)


@pytest.mark.parametrize("sigma", [0.0, 1e-3, 0.02, 0.1])
def test_smoothing_over_less_than_a_cell_changes_nothing(sigma: float) -> None:
    """Weights of neighbours that are 0 to the computer left 0/0."""
    cells = torch.rand(2, 4, 5, dtype=torch.float64)
    assert_close(smoothed(cells, (sigma, sigma)), cells, rtol=1e-12, atol=0)
