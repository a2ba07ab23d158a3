"""Solids in a scene: what they displace, what they put there, who wins, and how the image follows their pose."""

import math
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))

from placed import TURNED, Placed
from solids import box, cylinder, sphere

from deepdrr import Volume
from deepdrr.camera import Camera
from deepdrr.geometry import rotation_about, translation
from deepdrr.materials import G_CM2_PER_MM, mass_attenuation, material
from deepdrr.projector import Scene, Technique, expose
from deepdrr.raycast import Rays, Step
from deepdrr.spectrum import tungsten_spectrum
from deepdrr.tools import Tool, inside, path_lengths

DOUBLE = torch.float64
CENTER = (0.0, 0.0, 0.0)
METAL = 4.54  # g/cm³ of titanium


def water(hu: Tensor | None = None, **options: Any) -> Volume:
    """40 mm of water about the origin, in voxels of 1 mm."""
    affine = torch.eye(4, dtype=DOUBLE)
    affine[:3, 3] = -19.5
    values = torch.zeros(40, 40, 40) if hu is None else hu
    return Volume.from_array(values, affine, check_hu="off", **options)


def camera(height: int = 24, width: int = 28, pixel_mm: float = 2.0, **pose: Any) -> Camera:
    return Camera.carm(sdd_mm=1000, sid_mm=500, height=height, width=width, pixel_mm=pixel_mm, **pose)


def areas(scene: Scene, view: Camera | Rays, **options: Any) -> dict[str, Tensor]:
    found = scene.area_densities(view, **options)
    return {m.name: one for m, one in zip(scene.materials, found.unbind(-3), strict=True)}


def tissue(scene: Scene, view: Camera | Rays, **options: Any) -> Tensor:
    """Area density of all but the metal."""
    return sum(one for name, one in areas(scene, view, **options).items() if name != "titanium")


# -- what is taken out, and what is put there --------------------------------------------------------------------------


MESHES = {"box": box(6.0, 8.0, 10.0), "ball": sphere(7.0, 32), "rod": cylinder(2.0, 30.0, 24)}


@pytest.mark.parametrize("shape", list(MESHES))
@pytest.mark.parametrize("backend", ["auto", "reference"])
def test_a_tool_in_water_is_water_without_its_part_and_the_tool(shape, backend):
    view, rod = camera(), Placed(MESHES[shape], TURNED)
    alone = tissue(Scene(water()), view, backend=backend)
    scene = Scene(water(), rod)
    lengths = path_lengths(inside(scene.cross(view)))[0]
    assert float(lengths.max()) > 3.0
    density = float(tissue(Scene(water()), camera(1, 1))) / (G_CM2_PER_MM * 40.0)  # of water in this model
    expected = alone.double() - density * G_CM2_PER_MM * lengths
    assert_close(tissue(scene, view, backend=backend).double(), expected, rtol=0, atol=4e-4)  # 1e-4 of 4 g/cm²
    metal = areas(scene, view, backend=backend)["titanium"].double()
    assert_close(metal, METAL * G_CM2_PER_MM * lengths, rtol=1e-6, atol=1e-6)


def test_what_sticks_out_displaces_nothing_outside():
    """The part of a rod that is in the water, by the water's own chord with the rod as limits."""
    rod = Placed(cylinder(3.0, 60.0, 32), rotation_about((1.0, 0.3, 0.0), 90.0, CENTER))
    view, scene = camera(30, 80), Scene(water(), rod)
    part = inside(scene.cross(view))
    source, target = part.lines.ends(part.ray)
    inner = tissue(Scene(water()), Rays(source[None], target[None], part.enter[None], part.leave[None]))[0]
    lost = (tissue(Scene(water()), view) - tissue(scene, view)).reshape(-1)
    expected = torch.zeros_like(lost).index_add(0, part.ray, inner)
    assert float(expected.max()) > 0.5
    assert len(part.ray) > int((expected > 0).sum())  # some rays meet the rod outside the water alone
    assert_close(lost, expected, rtol=0, atol=4e-6)  # float32 of 4 g/cm²


def test_a_tool_beside_the_patient_and_a_tool_alone():
    far = Placed(box(10.0, 10.0, 10.0), translation((0.0, 60.0, 5.0)))
    view = camera()
    beside, alone = Scene(water(), far), Scene(far)
    assert_close(tissue(beside, view), tissue(Scene(water()), view), rtol=0, atol=0)
    assert [m.name for m in alone.materials] == ["titanium"]
    assert_close(areas(alone, view)["titanium"], areas(beside, view)["titanium"], rtol=0, atol=0)
    assert float(areas(alone, view)["titanium"].max()) == pytest.approx(METAL, rel=1e-2)  # 10 mm, nearly upright
    assert alone.center_world.tolist() == [0.0, 60.0, 5.0]


def test_displaced_anatomy_is_reported():
    view, scene = camera(), Scene(water(), Placed(sphere(7.0, 32), TURNED))
    lost = scene.displaced_area_densities(scene.occupancy(scene.cross(view)))
    whole = Scene(water()).area_densities(view)
    assert_close(lost[: len(whole)], whole - scene.area_densities(view)[: len(whole)], rtol=0, atol=2e-6)
    assert float(lost[len(whole) :].abs().max()) == 0.0


def test_steps_are_taken_out_as_they_were_added():
    view, rod = camera(), Placed(box(6.0, 8.0, 10.0), TURNED)
    scene = Scene(water(), rod)
    exact, steps = tissue(scene, view), tissue(scene, view, integration=Step(mm=0.1))
    assert_close(steps, exact, rtol=0, atol=4e-5)  # ends of sums of steps


def test_several_volumes_views_and_rays():
    """A batch is its views, and rays are the camera's."""
    other = water(torch.full((40, 40, 40), 500.0))
    other.world_from_anatomical = translation((0.0, 0.0, 30.0))
    rods = [Placed(sphere(6.0, 16), translation((0.0, 0.0, 12.0)), "a"), Placed(box(4.0, 30.0, 4.0), TURNED, "b")]
    scene, one = Scene(water(), other, *rods), camera(20, 22)
    views = Camera.stack([one, one.moved(rotation_about((0.0, 0.0, 1.0), 35.0, CENTER))])
    batch = scene.area_densities(views)
    for n in range(2):
        assert_close(batch[n], scene.area_densities(views[n]), rtol=1e-5, atol=1e-5)
    assert_close(scene.area_densities(Rays.from_camera(one)), scene.area_densities(one), rtol=1e-5, atol=1e-5)
    reference = scene.area_densities(one, backend="reference").float()
    assert_close(scene.area_densities(one), reference, rtol=0, atol=1e-4)


def test_moving_everything_together_is_moving_the_arm_the_other_way():
    motion = rotation_about((1.0, 2.0, 3.0), 25.0, (10.0, -5.0, 3.0))
    noise = torch.rand(40, 40, 40, generator=torch.Generator().manual_seed(3)) * 400
    still, rod = water(noise), Placed(box(6.0, 8.0, 30.0), TURNED)
    moved = water(noise)
    moved.world_from_anatomical = motion @ moved.world_from_anatomical
    found = Scene(moved, rod.at(motion @ TURNED)).area_densities(camera())
    expected = Scene(still, rod).area_densities(camera().moved(torch.linalg.inv(motion)))
    assert_close(found, expected, rtol=0, atol=2e-5)


def test_a_tool_moves_without_preparing_the_patient_again():
    asked = []

    class Counted:
        def densities(self, volume: Any) -> Any:
            from deepdrr.materials import MaterialModel

            asked.append(volume)
            return MaterialModel().densities(volume)

    rod = Placed(sphere(5.0, 12))
    scene = Scene(water(), rod, materials=Counted())
    first = scene.area_densities(camera())
    rod.world_from_tool = translation((0.0, 0.0, 9.0))
    assert not torch.equal(scene.area_densities(camera()), first)
    assert len(asked) == 1


# -- who is there ------------------------------------------------------------------------------------------------------


def pair(**second: Any) -> list[Placed]:
    """A ball of titanium, and inside it a smaller one of steel."""
    steel = {"material": material("stainless steel"), "name": "steel", **second}
    return [Placed(sphere(8.0, 24), name="titanium"), Placed(sphere(4.0, 24), **steel)]


def on_axis(scene: Scene) -> dict[str, float]:
    """mm of each material on the central ray, and of water."""
    found = areas(scene, camera(1, 1))
    dense = {"titanium": METAL, "stainless steel": 8.0}
    lengths = {name: float(found.pop(name)) / (dense[name] * G_CM2_PER_MM) for name in dense}
    whole = float(tissue(Scene(water()), camera(1, 1)))
    return {**lengths, "water": 40.0 * float(sum(found.values())) / whole}


@pytest.mark.parametrize(
    ("second", "rules", "expected"),
    [
        ({}, None, (8.0, 8.0, 24.0)),  # the later one of two alike
        ({"priority": -1}, None, (16.0, 0.0, 24.0)),
        ({"priority": 1}, None, (8.0, 8.0, 24.0)),
        ({"mode": "add"}, None, (16.0, 0.0, 24.0)),  # a wire in a vessel is not full of contrast
        ({"mode": "add", "priority": 1}, None, (16.0, 8.0, 24.0)),
        ({}, {("titanium", "steel"): "titanium"}, (16.0, 0.0, 24.0)),
        ({}, {("steel", "titanium"): "add"}, (16.0, 8.0, 24.0)),
    ],
)
def test_where_tools_overlap(second, rules, expected):
    """Chords of balls of 24 sides: 2 % short, but through their corners, on the axis."""
    found = on_axis(Scene(water(), *pair(**second), rules=rules))
    assert [found[name] for name in ("titanium", "stainless steel", "water")] == pytest.approx(
        expected, rel=0.02, abs=1e-3
    )


def test_contrast_adds_to_the_anatomy():
    found = on_axis(Scene(water(), *(replace(one, mode="add") for one in pair())))
    assert found == {
        "titanium": pytest.approx(16, rel=0.02),
        "stainless steel": pytest.approx(8, rel=0.02),
        "water": 40.0,
    }


def test_many_tools_on_a_ray_leave_no_anatomy_twice(generator):
    """Balls at random, all displacing: what is left of the water is what is in none of them; by a voxel of each ray."""
    places = torch.rand(10, 3, generator=generator, dtype=DOUBLE) * 24 - 12
    balls = [Placed(sphere(5.0, 8), translation(place), f"ball {n}") for n, place in enumerate(places)]
    view = camera(6, 7, 6.0)
    scene = Scene(water(), *balls)
    source, target = view.pixel_rays()
    t = torch.linspace(0.475, 0.525, 2001, dtype=DOUBLE)
    points = source[..., None, :] + t[:, None] * (target - source)[..., None, :]
    free = (points.abs() < 20).all(dim=-1)
    for mesh, place in ((ball.mesh, place) for ball, place in zip(balls, places, strict=True)):
        a, b, c = mesh.corners.unbind(dim=1)
        normal = torch.linalg.cross(b - a, c - a)
        free &= ~((torch.einsum("hwnc,fc->hwnf", points - place, normal) < (normal * a).sum(-1)).all(dim=-1))
    length = free.double().sum(dim=-1) * 0.05 / 2000 * (target - source).norm(dim=-1)
    density = float(tissue(Scene(water()), camera(1, 1))) / 40.0
    assert_close(tissue(scene, view).double() / density, length, rtol=0, atol=0.2)  # 0.025 mm a step, 20 ends


# -- refused -----------------------------------------------------------------------------------------------------------


def test_refused():
    rod = Placed(box(1.0, 1.0, 1.0))
    with pytest.raises(ValueError, match="each solid must have a name of its own, got 2 of the name 'tool'"):
        Scene(water(), rod, replace(rod))
    with pytest.raises(ValueError, match="got one of the 2 twice"):
        Scene(rod, rod)
    with pytest.raises(ValueError, match="unknown solid 'tol'; did you mean 'tool'"):
        Scene(rod, rules={("tool", "tol"): "add"})
    with pytest.raises(ValueError, match=r"'other'\) must be one of the two, or 'add', got 'wire'"):
        Scene(rod, replace(rod, name="other"), rules={("tool", "other"): "wire"})
    with pytest.raises(ValueError, match=r"must be of two solids, .* got \('tool', 'tool'\)"):
        Scene(rod, rules={("tool", "tool"): "tool"})  # it would displace itself
    with pytest.raises(ValueError, match="each pair must have one rule, got two of other and tool"):
        Scene(rod, replace(rod, name="other"), rules={("tool", "other"): "tool", ("other", "tool"): "other"})
    with pytest.raises(TypeError, match="rules must be a mapping from pairs"):
        Scene(rod, rules=[("tool", "other")])


def test_a_name_that_became_anothers_is_refused_at_the_next_image():
    one, other = Tool.make("ball", name="one"), Tool.make("ball", name="other")
    scene = Scene(one, other)
    other.name = "one"
    with pytest.raises(ValueError, match="each solid must have a name of its own, got 2 of the name 'one'"):
        scene.area_densities(camera(2, 2))


# -- gradients ---------------------------------------------------------------------------------------------------------

# Turns and shifts of a tool or a patient: three degrees-like numbers and three mm.
STEPS = {"shift x": 0, "shift z": 2, "turn x": 3, "turn y": 4}


def moved_by(motion: Tensor) -> Tensor:
    """A rigid transform of a shift, mm, and small turns [6], to first order and exactly at 0."""
    x, y, z, a, b, c = motion.unbind()
    zero, one = torch.zeros_like(x), torch.ones_like(x)
    rows = [one, -c, b, x, c, one, -a, y, -b, a, one, z, zero, zero, zero, one]
    return torch.stack(rows).reshape(4, 4)


def signal(motion_of_tool: Tensor, motion_of_patient: Tensor, backend: str) -> Tensor:
    """Log of the mean detector signal, through spectrum and detector, of smooth tissue with a tool in it."""
    at = torch.linspace(-1, 1, 40)
    smooth = 300 * torch.exp(-(at[:, None, None] ** 2 + 2 * at[:, None] ** 2 + at**2) + at[:, None, None] * at)
    ct = water(smooth.double() if backend == "reference" else smooth)
    ct.world_from_anatomical = moved_by(motion_of_patient) @ ct.world_from_anatomical
    rod = Placed(sphere(9.0, 10), moved_by(motion_of_tool) @ TURNED)
    view = camera(12, 13, 5.0)
    shot = expose(Scene(ct, rod), view, Technique(backend=backend), ("expected_image",))
    weights = torch.linspace(0.5, 1.5, 12 * 13, dtype=DOUBLE).reshape(12, 13)
    return (shot["expected_image"].double() * weights).mean().log()


@pytest.mark.parametrize("name", list(STEPS))
@pytest.mark.parametrize("of", ["tool", "patient"])
def test_gradients_of_the_detector_signal(of, name):
    """Against central differences of the reference in float64, silhouettes of a convex body included."""
    nothing, step = torch.zeros(6, dtype=DOUBLE), 1e-3
    along = torch.zeros(6, dtype=DOUBLE)
    along[STEPS[name]] = 1.0 if "shift" in name else 1.0 / 20  # a turn moves what is 20 mm away by as much

    def at(s: Tensor | float, backend: str) -> Tensor:
        motion = along * s
        return signal(*((motion, nothing) if of == "tool" else (nothing, motion)), backend)

    with torch.no_grad():
        expected = float(at(step, "reference") - at(-step, "reference")) / (2 * step)
    share = 2e-3 if of == "tool" else 1e-2  # the image of a grid bends where rays pass its edges
    for backend in ("reference", "auto"):
        s = torch.zeros((), dtype=DOUBLE, requires_grad=True)
        (slope,) = torch.autograd.grad(at(s, backend), s)
        assert abs(expected) > 1e-5
        assert float(slope) == pytest.approx(expected, rel=share), backend


# -- metal -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kvp", [60.0, 80.0, 100.0, 120.0])
@pytest.mark.parametrize("name", ["stainless steel", "titanium", "tungsten"])
def test_metal_hardens_the_beam_as_the_direct_sum_does(name, kvp):
    """3 mm: photons and energy that pass, by a sum over the spectrum's bins."""
    plate = Placed(box(60.0, 3.0, 60.0), material=material(name))
    beam = tungsten_spectrum(kvp)
    view = camera(1, 1)
    shots = [
        expose(scene, view, Technique().changed(spectrum=beam), ("primary_photons", "primary_energy"))
        for scene in (Scene(plate), Scene(plate.at(translation((0.0, 0.0, 400.0)))))
    ]
    passing = torch.exp(-mass_attenuation(material(name), beam.energies_kev) * material(name).density_g_cm3 * 0.3)
    for output, weights in (("primary_photons", 1.0), ("primary_energy", beam.energies_kev)):
        found = float(shots[0][output] / shots[1][output])
        direct = float((beam.photons * weights * passing).sum() / (beam.photons * weights).sum())
        assert found == pytest.approx(direct, rel=5e-3)
    hardened = [float(shot["primary_energy"] / shot["primary_photons"]) for shot in shots]
    assert hardened[0] > 1.05 * hardened[1]
    assert math.isfinite(hardened[0])
