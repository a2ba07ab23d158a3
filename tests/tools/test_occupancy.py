"""What is where along rays: the kernel's sweep is that of torch, for any overlaps."""

from dataclasses import replace

import pytest
import torch
from placed import Placed
from solids import box, sphere, torus
from torch import Tensor
from torch.testing import assert_close

from deepdrr.camera import Camera
from deepdrr.geometry import rotation_about, translation
from deepdrr.raycast import Rays
from deepdrr.tools import Intervals, Occupancy, cross, displacements, inside, occupancy, settle

DOUBLE = torch.float64
CAMERA = Camera.carm(sdd_mm=1000, sid_mm=500, height=30, width=34, pixel_mm=2.0)


def many(count: int, generator: torch.Generator) -> list[Placed]:
    """Solids at random that overlap each other."""
    found = []
    for n in range(count):
        shift, axis = ((torch.rand(3, generator=generator, dtype=DOUBLE) - 0.5) * s for s in (24.0, 2.0))
        place = translation(shift) @ rotation_about(axis.tolist(), 70.0 * n, (0.0, 0.0, 0.0))
        mesh = (box(6.0, 8.0, 20.0), sphere(7.0, 12), torus(8.0, 3.0, 12))[n % 3]
        found.append(Placed(mesh, place, f"solid {n}", priority=n % 4, mode="add" if n % 5 == 4 else "displace"))
    return found


def ordered(parts: Intervals) -> tuple[Tensor, ...]:
    """Parts by ray, solid and place."""
    order = torch.argsort(parts.enter.detach(), stable=True)
    for key in (parts.solid, parts.ray):
        order = order[torch.argsort(key[order], stable=True)]
    return tuple(t[order] for t in (parts.ray, parts.solid, parts.enter, parts.leave, parts.ray_mm))


def assert_same(found: Occupancy, expected: Occupancy) -> None:
    for one, other in ((found.present, expected.present), (found.displaced, expected.displaced)):
        nameless = (replace(p, solid=torch.zeros_like(p.solid)) for p in (one, other))
        parts = (one, other) if one is found.present else nameless
        for a, b in zip(*map(ordered, parts), strict=True):
            assert_close(a, b, rtol=0, atol=1e-12)


@pytest.mark.parametrize("count", [1, 2, 9, 64, 65])
@pytest.mark.parametrize("limited", [False, True])
def test_the_kernel_sweeps_as_torch_does(count, limited, generator):
    solids, view = many(count, generator), CAMERA
    if limited:
        rays = Rays.from_camera(CAMERA)
        start = torch.rand(30, 34, generator=generator, dtype=DOUBLE) * 0.1 + 0.42
        view = Rays(rays.source, rays.target, start, start + 0.08)
    crossings, displaces = cross(solids, view), displacements(solids)
    found = occupancy(crossings, displaces)
    assert_same(found, settle(inside(crossings), displaces))
    assert len(found.present.ray) > 20 * min(count, 9)


def test_the_crossings_of_the_reference_are_in_the_same_order(generator):
    """They were in the order of the solids: a sweep of rays then finds no overlap, and both are there."""
    solids = many(3, generator)
    few = Camera.carm(sdd_mm=1000, sid_mm=500, height=10, width=11, pixel_mm=6.0)
    crossings, displaces = cross(solids, few, backend="reference"), displacements(solids)
    along = crossings.ray * 3 + crossings.solid
    assert bool((along[1:] >= along[:-1]).all())
    assert bool((crossings.t[1:] >= crossings.t[:-1])[along[1:] == along[:-1]].all())
    assert_same(occupancy(crossings, displaces), settle(inside(crossings), displaces))


def test_its_parts_have_the_gradient_of_their_crossings(generator):
    solids = many(6, generator)
    moving = solids[2].world_from_tool.requires_grad_()
    crossings, displaces = cross(solids, CAMERA), displacements(solids)
    slopes = [
        torch.autograd.grad(found.present.length_mm.square().sum() + found.displaced.length_mm.sum(), moving)[0]
        for found in (occupancy(crossings, displaces), settle(inside(cross(solids, CAMERA)), displaces))
    ]
    assert float(slopes[0].abs().max()) > 1.0
    assert_close(slopes[0], slopes[1], rtol=1e-9, atol=1e-6)


def test_nothing_is_where_nothing_is_crossed():
    away = [Placed(sphere(5.0, 8), translation((0.0, 0.0, 900.0)))]
    found = occupancy(cross(away, CAMERA), displacements(away))
    assert len(found.present.ray) == len(found.displaced.ray) == 0
