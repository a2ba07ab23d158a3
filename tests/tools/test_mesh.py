"""`Mesh`: what it measures, and what it refuses."""

import math

import numpy as np
import pytest
import torch
from solids import box, cylinder, sphere, torus, tube, turned_around
from torch.autograd import gradcheck

from deepdrr.geometry import rotation_about
from deepdrr.tools import Mesh, defects


@pytest.mark.parametrize(
    ("make", "volume_mm3", "area_mm2"),
    [
        (lambda n: sphere(10.0, n), 4 / 3 * math.pi * 1000, 400 * math.pi),
        (lambda n: cylinder(5.0, 40.0, n), 1000 * math.pi, 450 * math.pi),
        (lambda n: tube(3.0, 5.0, 40.0, n), 640 * math.pi, 672 * math.pi),
        (lambda n: torus(20.0, 5.0, n), 2 * math.pi**2 * 500, 4 * math.pi**2 * 100),
    ],
    ids=["sphere", "cylinder", "tube", "torus"],
)
def test_volume_and_area_are_those_of_the_body(make, volume_mm3, area_mm2):
    """Errors of an inscribed polyhedron fall with the square of the edges."""
    coarse, fine = (make(n) for n in (40, 80))
    for what, expected in (("volume_mm3", volume_mm3), ("area_mm2", area_mm2)):
        off, nearer = (expected - float(getattr(mesh, what)) for mesh in (coarse, fine))
        assert 0 < off < 0.02 * expected
        assert nearer == pytest.approx(off / 4, rel=0.05)  # terms of the fourth order are left out


def test_a_box_is_exact():
    mesh = box(10.0, 20.0, 30.0)
    assert float(mesh.volume_mm3) == 6000.0
    assert float(mesh.area_mm2) == 2200.0
    assert mesh.bounds.tolist() == [[-5, -10, -15], [5, 10, 15]]
    assert mesh.shells == 1


def test_the_volume_has_a_gradient():
    mesh = box(1.0, 2.0, 3.0)
    assert gradcheck(lambda v: Mesh(v, mesh.faces).volume_mm3, (mesh.vertices.clone().requires_grad_(),))


def test_a_motion_keeps_the_volume_and_a_reflection_the_outside():
    mesh = torus(20.0, 5.0, 12)
    turned = mesh.transformed(rotation_about((1, 2, 3), 40.0, (5, 6, 7)))
    mirrored = mesh.transformed(torch.diag(torch.tensor([-1.0, 1.0, 1.0, 1.0])))
    for other in (turned, mirrored):
        assert float(other.volume_mm3) == pytest.approx(float(mesh.volume_mm3))


def test_shells_are_counted_and_a_hollow_is_taken_away():
    outer, hollow = box(10.0, 10.0, 10.0), turned_around(box(4.0, 4.0, 4.0))
    both = Mesh(torch.cat([outer.vertices, hollow[0]]), torch.cat([outer.faces, hollow[1] + 8]))
    assert both.shells == 2
    assert float(both.volume_mm3) == 1000.0 - 64.0
    apart = Mesh.joined(outer, outer.transformed([[1, 0, 0, 20], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]))
    assert apart.shells == 2
    assert float(apart.volume_mm3) == 2000.0


def test_corners_that_no_face_uses_are_no_shell():
    mesh = box(1.0, 1.0, 1.0)
    assert Mesh(torch.cat([mesh.vertices, torch.ones(2, 3)]), mesh.faces).shells == 1


def test_a_mesh_stays_as_it_was_made():
    with pytest.raises(AttributeError, match="got an assignment to 'vertices'"):
        box(1.0, 1.0, 1.0).vertices = torch.zeros(8, 3)


BOX = box(10.0, 10.0, 10.0)


def with_flat_face() -> tuple[torch.Tensor, torch.Tensor]:
    """A box with one edge cut in two by a face without an area."""
    vertices = torch.cat([BOX.vertices, BOX.vertices[:2].mean(dim=0, keepdim=True)])
    faces = BOX.faces.tolist()
    edge = next(n for n, face in enumerate(faces) if {0, 1} <= set(face))
    a, b, c = faces[edge]
    return vertices, torch.tensor([*faces[:edge], *faces[edge + 1 :], *split(a, b, c)])


def split(a: int, b: int, c: int) -> list[list[int]]:
    while {a, b} != {0, 1}:
        a, b, c = b, c, a
    return [[a, 8, c], [8, b, c], [a, b, 8]]


@pytest.mark.parametrize(
    ("vertices", "faces", "error", "words"),
    [
        (np.zeros((0, 3)), [], ValueError, r"vertices must be \[V, 3\], got shape \(0, 3\)"),
        (BOX.vertices, [], ValueError, "faces must hold at least one triangle, got none: the mesh is empty"),
        (BOX.vertices, np.zeros((0, 3)), ValueError, "the mesh is empty"),
        (BOX.vertices, BOX.faces.double(), TypeError, "faces must be whole numbers of vertices, got dtype"),
        (BOX.vertices, BOX.faces[:, :2], ValueError, r"triangles \[F, 3\], got shape \(12, 2\)"),
        (BOX.vertices, BOX.faces + 1, ValueError, "numbers of vertices, 0 to 7, got 1 to 8"),
        (BOX.vertices, BOX.faces - 1, ValueError, "numbers of vertices, 0 to 7, got -1 to 6"),
        ("screw.stl", BOX.faces, TypeError, "vertices must be an array of numbers"),
        (BOX.vertices * torch.nan, BOX.faces, ValueError, "NaN or infinity in 8 of 8, first in number 0"),
        (BOX.vertices, BOX.faces[1:], ValueError, r"3 open edges, the first at \(-5, "),
        (*turned_around(BOX), ValueError, "1 of 1 shells inside out, the first at"),
        (*with_flat_face(), ValueError, r"1 faces without an area, the first at \(-5, -5, 0\) mm"),
    ],
)
def test_refused(vertices, faces, error, words):
    with pytest.raises(error, match=words):
        Mesh(vertices, faces)


def test_a_face_that_is_wound_the_other_way():
    faces = BOX.faces.clone()
    faces[3] = faces[3].flip(-1)
    assert defects(BOX.vertices.numpy(), faces.numpy()).in_words.startswith(
        "3 edges between faces of opposite winding, the first at ("
    )


def test_edges_of_three_faces_and_of_four():
    """Two wedges that share an edge are two bodies; a fin on one is no surface of a body."""
    corners = torch.tensor([[0.0, 0, 0], [0, 0, 1], [1, 0, 0], [0, 1, 0], [-1, 0, 0], [0, -1, 0]])
    wedges = torch.tensor([[0, 3, 2], [1, 2, 3], [0, 2, 1], [0, 1, 3], [0, 5, 4], [1, 4, 5], [0, 4, 1], [0, 1, 5]])
    assert float(Mesh(corners, wedges).volume_mm3) == pytest.approx(1 / 3)
    fin = torch.cat([wedges[:4], torch.tensor([[0, 1, 5]])])
    assert "1 edges whose faces do not pair up" in defects(corners.double().numpy(), fin.numpy()).in_words


def test_a_shell_inside_out_beside_another_is_no_hollow():
    away = turned_around(BOX)[0] + 30.0
    with pytest.raises(ValueError, match="1 of 2 shells inside out"):
        Mesh(torch.cat([BOX.vertices, away]), torch.cat([BOX.faces, BOX.faces.flip(-1) + 8]))
