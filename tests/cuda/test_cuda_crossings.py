"""The CUDA crossings of rays with meshes against the reference; watertight as those of the CPU."""

import sys
from dataclasses import replace
from pathlib import Path

import torch
from cuda_machine import Gpu
from torch import Tensor
from torch.testing import assert_close

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))

from placed import TURNED, Placed
from solids import box, sphere, torus, tube

from deepdrr.camera import Camera
from deepdrr.geometry import rotation_about, translation
from deepdrr.raycast import Rays
from deepdrr.tools import Crossings, cross, displacements, hit_counts, inside, path_lengths, settle

# As on the CPU: faces are those of a line displaced by 1e-6 of the mesh's radius.
VALUE_MM = 3e-3


def solids() -> list[Placed]:
    mirror = torch.diag(torch.tensor([-1.5, 1.5, 1.5, 1.0], dtype=torch.float64))
    return [
        Placed(sphere(9.0, 12), translation((8.0, 0.0, 5.0)), "ball"),
        Placed(torus(10.0, 3.0, 12), TURNED, "ring"),
        Placed(tube(2.0, 4.0, 20.0, 12), TURNED @ mirror, "tube"),
    ]


def views() -> Camera:
    one = Camera.carm(sdd_mm=1000, sid_mm=500, height=19, width=22, pixel_mm=3.0)
    return Camera.stack([one, one.moved(rotation_about((0, 1, 1), 40.0, (0, 0, 0)))])


def on_host(crossings: Crossings) -> Crossings:
    moved = {name: getattr(crossings, name).cpu() for name in ("ray", "solid", "face", "winding", "t")}
    return replace(crossings, **moved)


def test_crossings_are_those_of_the_reference(gpu: Gpu, launched: list[str]) -> None:
    found = on_host(cross(solids(), gpu.rays(Rays.from_camera(views())), backend="cuda"))
    assert launched == ["count_crossings", "write_crossings"]
    expected = cross(solids(), Rays.from_camera(views()), backend="reference")
    assert float((hit_counts(found) == hit_counts(expected)).double().mean()) > 0.999  # but for the silhouette
    assert_close(path_lengths(inside(found)), path_lengths(inside(expected)), rtol=0, atol=VALUE_MM)
    order = found.ray * found.solids + found.solid
    assert bool((order.diff() >= 0).all())
    assert bool((found.t.diff() >= 0)[order.diff() == 0].all())


def test_no_ray_crosses_an_odd_number_of_times(gpu: Gpu, generator: torch.Generator) -> None:
    """Rays through all corners from random places, and along the axes."""
    for mesh in (torus(10.0, 3.0, 12), box(3.0, 4.0, 5.0)):
        away = 40 * torch.nn.functional.normalize(
            torch.randn(len(mesh.vertices), 3, generator=generator).double(), dim=-1
        )
        axes = 40 * torch.eye(3, dtype=torch.float64).repeat(len(mesh.vertices), 1)
        corners = mesh.vertices.repeat_interleave(3, dim=0)
        source, target = torch.cat([away, corners - axes]), torch.cat([mesh.vertices, corners + axes])
        found = on_host(cross([Placed(mesh)], gpu.rays(Rays(source[None], target[None])), backend="cuda"))
        total = torch.zeros(len(source), dtype=torch.int64).index_add(0, found.ray, found.winding.long())
        assert len(found.ray) > 0
        assert int(total.abs().sum()) == 0


def test_gradients_are_those_of_the_reference(gpu: Gpu) -> None:
    def slope(device: torch.device, backend: str) -> Tensor:
        placed = solids()
        place = placed[1].world_from_tool.clone().requires_grad_()
        placed[1] = placed[1].at(place)
        view = Rays.from_camera(views())
        crossings = cross(placed, gpu.rays(view) if backend == "cuda" else view, backend=backend)
        there = settle(inside(crossings), displacements(placed)).present
        (found,) = torch.autograd.grad(there.length_mm.square().sum(), place)
        return found

    found, expected = slope(gpu.device, "cuda"), slope(torch.device("cpu"), "reference")
    assert_close(found, expected, rtol=1e-3, atol=1e-3 * float(expected.abs().max()))  # but for the silhouette


def test_no_rays_launch_nothing(gpu: Gpu, launched: list[str]) -> None:
    nothing = torch.zeros(0, 3, 3, dtype=torch.float64)
    assert len(cross(solids(), gpu.rays(Rays(nothing, nothing)), backend="cuda").ray) == 0
    assert launched == []


def test_a_mesh_is_sent_once(gpu: Gpu) -> None:
    from deepdrr.tools.crossings import _cuda

    one = Placed(sphere(9.0, 12))
    first = _cuda._on_device(one.mesh, gpu.device)
    cross([one.at(TURNED)], gpu.rays(Rays.from_camera(views())), backend="cuda")
    assert all(a is b for a, b in zip(_cuda._on_device(one.mesh, gpu.device), first, strict=True))
