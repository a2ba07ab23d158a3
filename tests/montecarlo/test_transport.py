"""Invariances of photon transport: balance, order, seeds, symmetry; analog against forced; bad input."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import camera_along_z, place, slab
from torch.testing import assert_close

from deepdrr.materials import mass_attenuation, material
from deepdrr.montecarlo import PhotonBeam, PhotonBody, Run, even_beam, panel_of, photon_tables, transport
from deepdrr.spectrum import monochromatic, tungsten_spectrum

CAMERA = camera_along_z(1200.0, 300.0, 8)
PANEL = panel_of(CAMERA, 8, 8)
FEW = Run(histories=40_000)
ANALOG = replace(FEW, estimator="analog")


def beam(kev: float = 60.0) -> PhotonBeam:
    return even_beam(monochromatic(kev), CAMERA)


@pytest.mark.parametrize("name", ["water", "cortical bone", "titanium", "iodine"])
def test_energy_is_absorbed_or_escapes(name: str) -> None:
    found = transport(slab(100.0, name), even_beam(tungsten_spectrum(100.0), CAMERA), PANEL, ANALOG)
    emitted, absorbed, escaped = found.balance.tolist()
    assert absorbed + escaped == pytest.approx(emitted, rel=1e-6)  # each photon's energies are rounded to 1e-7
    assert 0.0 < absorbed < emitted


@pytest.mark.parametrize("run", [FEW, ANALOG], ids=["forced", "analog"])
def test_the_result_does_not_depend_on_the_threads(run: Run) -> None:
    body, more = slab(100.0), replace(run, histories=100_000)
    one = transport(body, beam(), PANEL, more)
    torch.set_num_threads(3)
    three = transport(body, beam(), PANEL, more)
    for name in ("photons", "energy", "square", "group_energy", "history_square", "balance"):
        assert_close(getattr(three, name), getattr(one, name), rtol=0, atol=0)


def test_seeds_are_independent_and_one_seed_is_the_same_twice() -> None:
    body = slab(100.0)
    first, again, other = (transport(body, beam(), PANEL, replace(FEW, seed=seed)) for seed in (1, 1, 2))
    assert_close(first.energy, again.energy, rtol=0, atol=0)
    assert not torch.equal(first.energy, other.energy)


def test_primary_photons_are_those_of_the_ray_integrals() -> None:
    """Behind 5 cm of water; the number is binomial."""
    body = slab(100.0, thick_mm=50.0)
    found = transport(body, beam(), PANEL, replace(ANALOG, histories=200_000))
    steps = (torch.arange(64, dtype=torch.float64) - 31.5) * 300 / 64
    cosine = 1200.0 / torch.sqrt(1200.0**2 + steps[:, None] ** 2 + steps**2)
    weight = cosine**3 / (cosine**3).sum()
    mu_mm = float(mass_attenuation("water", 60.0)) / 10
    expected = float((weight * torch.exp(-mu_mm * 50.0 / cosine)).sum())
    share = float(found.photons[0].sum()) / found.histories
    assert share == pytest.approx(expected, abs=4 * math.sqrt(expected * (1 - expected) / found.histories))


def test_forced_detection_agrees_with_counting() -> None:
    """Per kind, over the whole detector; the errors are those among ten seeds, because rays of a history correlate."""
    body = slab(200.0, thick_mm=100.0)

    def runs(run: Run) -> torch.Tensor:
        found = [transport(body, beam(), PANEL, replace(run, histories=20_000, seed=seed)) for seed in range(10)]
        return torch.stack([one.energy[1:].sum(dim=(1, 2)) / one.histories for one in found])

    counted, forced = runs(ANALOG), runs(FEW)
    error = torch.sqrt((counted.var(dim=0) + forced.var(dim=0)) / 10)
    assert bool(((counted.mean(dim=0) - forced.mean(dim=0)).abs() < 4 * error).all())
    assert bool((error < 0.04 * counted.mean(dim=0)).all())  # or it would agree with anything


def test_the_error_per_cell_is_the_spread_among_seeds() -> None:
    body, fine = slab(200.0, thick_mm=100.0), panel_of(CAMERA, 32, 32)
    runs = [transport(body, beam(), fine, replace(FEW, histories=4_000, seed=seed)) for seed in range(30)]
    spread = torch.stack([run.scatter_energy for run in runs]).var(dim=0).mean().sqrt()
    stated = torch.stack([run.scatter_error**2 for run in runs]).mean().sqrt()
    totals = torch.tensor([float(run.scatter_energy.sum()) for run in runs])
    # A standard deviation of 30 numbers is off by 13 % of itself; three times that.
    assert float(totals.std() / totals.mean()) == pytest.approx(runs[0].total_error, rel=0.4)
    assert float(stated / spread) == pytest.approx(1.0, rel=0.1)  # rays of one history that meet a cell count apart


def test_it_stops_at_the_wanted_error() -> None:
    body = slab(200.0, thick_mm=100.0)
    found = transport(body, beam(), PANEL, Run(histories=10_000_000, error=0.05))
    assert max(found.error_of_most(), found.total_error) <= 0.05
    assert found.histories < 10_000_000


def test_a_turned_room_has_the_same_picture() -> None:
    """Body, source and detector moved together: the same photons, up to rounding of places."""
    turn = torch.tensor([[0, 0, 1, 30], [1, 0, 0, -20], [0, 1, 0, 10], [0, 0, 0, 1]], dtype=torch.float64)
    body = slab(100.0)
    moved = replace(body, box_from_world=body.box_from_world @ torch.linalg.inv(turn))
    camera = CAMERA.moved(turn)
    here = transport(body, beam(), PANEL, ANALOG)
    there = transport(moved, even_beam(monochromatic(60.0), camera), panel_of(camera, 8, 8), ANALOG)
    assert_close(there.balance, here.balance, rtol=1e-3, atol=0)  # a few photons go other ways


def test_free_electrons_and_isotropic_rayleigh_scattering_are_noticed() -> None:
    """montecarlo.md: they cost 10 to 12 % of the scatter of a slab, which the checks must not let pass."""
    body = slab(100.0)
    wrong = photon_tables(body.materials)
    wrong.angle[:, 0] = 1.0
    wrong.angle[:, 1] = 1.0
    xs = np.concatenate([2.0**octave * (1 + np.arange(32) / 32) for octave in range(-10, 5)] + [np.array([32.0])])
    wrong.coherent[:] = xs**2  # the integral of a constant
    free = replace(body)
    free.__dict__["tables"] = wrong
    run = replace(ANALOG, histories=150_000)
    right, less = (transport(b, beam(), PANEL, run).scatter_energy.sum() for b in (body, free))
    assert float(less / right) < 0.95  # its error is below 1 %


def test_a_checkpoint_continues_as_if_never_stopped(tmp_path: Path) -> None:
    body, file = slab(100.0), tmp_path / "sums.npz"
    whole = transport(body, beam(), PANEL, replace(FEW, histories=300_000))
    run = Run(histories=2**18, checkpoint=file)
    transport(body, beam(), PANEL, run)
    rest = transport(body, beam(), PANEL, replace(run, histories=300_000))
    assert rest.histories == whole.histories == 300_000
    assert_close(rest.photons, whole.photons, rtol=0, atol=0)
    with pytest.raises(ValueError, match="checkpoint must be of the same computation"):
        transport(body, beam(50.0), PANEL, run)


def test_regions_and_voxels_hold_the_absorbed_energy() -> None:
    body = slab(100.0)
    regions = torch.zeros(40, 40, 20, dtype=torch.uint8)
    regions[..., 10:] = 7
    found = transport(replace(body, regions=regions), beam(), PANEL, replace(ANALOG, dose=True))
    assert float(found.regions.sum()) == pytest.approx(float(found.balance[1]), rel=1e-9)
    assert float(found.voxels.sum()) == pytest.approx(float(found.balance[1]), rel=1e-9)
    assert float(found.voxels[..., 10:].sum()) == pytest.approx(float(found.regions[7]), rel=1e-9)
    assert float(found.regions[0]) > float(found.regions[7])  # the nearer half


def test_a_grid_that_ends_within_a_block_of_voxels() -> None:
    """13 voxels are two blocks of six and one more: the body must end with it, not with the block."""
    water, middle = material("water"), place(65, 65, -1000)
    thin = PhotonBody(
        densities=torch.ones(1, 13, 13, 13),
        materials=(water,),
        voxel_mm=(10.0,) * 3,
        box_from_world=middle,
    )
    padded = torch.nn.functional.pad(torch.ones(1, 13, 13, 13), (0, 5, 0, 5, 0, 5))
    whole = replace(thin, densities=padded)
    # The density's unit is the same, and so are all photons, but for the roundings at the planes of blocks.
    one, other = (transport(body, beam(), PANEL, ANALOG).balance for body in (thin, whole))
    assert_close(one, other, rtol=2e-3, atol=0)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"histories": 0}, "histories must be at least 1, got 0"),
        ({"seed": -1}, "seed must be at least 0, got -1"),
        ({"estimator": "guess"}, "estimator must be one of analog, forced, got 'guess'"),
        ({"error": 0.0}, "error must be a share above 0 and below 1, or None, got 0"),
        ({"group_kev": 0.0}, "group_kev must be 0.1 to 200 keV, got 0"),
    ],
)
def test_bad_runs_are_told(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Run(**fields)  # type: ignore[arg-type]


def test_bad_bodies_are_told() -> None:
    water, double = (material("water"),), 2 * place(0, 0, 0)
    with pytest.raises(ValueError, match="densities must be finite and not negative, got -1"):
        PhotonBody(densities=-torch.ones(1, 2, 2, 2), materials=water, voxel_mm=(1.0, 1.0, 1.0))
    with pytest.raises(ValueError, match=r"densities must be \[1, I, J, K\]"):
        PhotonBody(densities=torch.ones(2, 2, 2, 2), materials=water, voxel_mm=(1.0, 1.0, 1.0))
    with pytest.raises(ValueError, match="box_from_world must keep lengths"):
        PhotonBody(
            densities=torch.ones(1, 2, 2, 2),
            materials=water,
            voxel_mm=(1.0, 1.0, 1.0),
            box_from_world=double,
        )
    with pytest.raises(ValueError, match="materials must be 1 to 16"):
        photon_tables([material("water")] * 17)


def test_energies_out_of_the_tables_are_told() -> None:
    with pytest.raises(ValueError, match="energies_kev must be 1 to 200 keV for photon transport, got 250 keV"):
        replace(beam(), energies_kev=torch.tensor([250.0]))
