"""Where rays cross meshes: closed forms, watertightness, and the kernels against the reference."""

import math
from collections.abc import Callable

import pytest
import torch
from compiled_operator import EVERY_BUILD, OF_THE_BUILDS, OF_THE_THREADS, build_of, on_any_number_of_threads
from placed import TURNED, Placed
from solids import box, cylinder, sphere, torus, tube, turned_around
from torch import Tensor
from torch.autograd import gradcheck
from torch.testing import assert_close

from deepdrr._kernels import load_kernels
from deepdrr.camera import Camera
from deepdrr.geometry import rotation_about, transform_points, translation
from deepdrr.raycast import Rays
from deepdrr.tools import Crossings, Mesh, cross, entry_depths, hit_counts, inside, path_lengths
from deepdrr.tools.crossings import _tree

DOUBLE = torch.float64
# The faces are those of a line displaced by 1e-6 of the mesh's radius, here up to 30 mm; faces lie no nearer to the
# direction of a ray than 1 : 100.
VALUE_MM = 3e-3


def carm(height: int = 60, width: int = 64, **pose: tuple[float, ...]) -> Camera:
    return Camera.carm(sdd_mm=1000, sid_mm=500, height=height, width=width, pixel_mm=1.0, **pose)


SHAPES: dict[str, Callable[[int], Mesh]] = {
    "sphere": lambda n: sphere(12.0, n),
    "cylinder": lambda n: cylinder(5.0, 30.0, n),
    "box": lambda n: box(10.0, 15.0, 20.0),
    "tube": lambda n: tube(4.0, 7.0, 25.0, n),
    "torus": lambda n: torus(10.0, 4.0, n),
}
EVERY_SHAPE = pytest.mark.parametrize("shape", list(SHAPES))


# -- closed forms ------------------------------------------------------------------------------------------------------


def in_ball(radius: float) -> Callable[[Tensor, Tensor], Tensor]:
    """The length of lines p + t d, |d| = 1, in a ball about the origin."""

    def chord(p: Tensor, d: Tensor) -> Tensor:
        nearest = p - (p * d).sum(-1, keepdim=True) * d
        return 2 * (radius**2 - nearest.square().sum(-1)).clamp(min=0).sqrt()

    return chord


def in_cylinder(radius: float, height: float) -> Callable[[Tensor, Tensor], Tensor]:
    def chord(p: Tensor, d: Tensor) -> Tensor:
        a, b = d[..., :2].square().sum(-1), (p[..., :2] * d[..., :2]).sum(-1)
        root = b.square() - a * (p[..., :2].square().sum(-1) - radius**2)
        ends = [(-b + sign * root.clamp(min=0).sqrt()) / a for sign in (-1, 1)]
        caps = [(sign * height / 2 - p[..., 2]) / d[..., 2] for sign in (-1, 1)]
        enter, leave = torch.maximum(ends[0], torch.minimum(*caps)), torch.minimum(ends[1], torch.maximum(*caps))
        return torch.where(root > 0, (leave - enter).clamp(min=0), 0.0)

    return chord


def in_tube(inner: float, outer: float, height: float) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda p, d: in_cylinder(outer, height)(p, d) - in_cylinder(inner, height)(p, d)


def in_torus(ring: float, radius: float) -> Callable[[Tensor, Tensor], Tensor]:
    """Sums of 20000 steps: errors of 0.002 mm."""

    def chord(p: Tensor, d: Tensor) -> Tensor:
        near = p - (p * d).sum(-1, keepdim=True) * d
        steps = torch.linspace(-30, 30, 20001, dtype=DOUBLE)
        total = torch.zeros(p.shape[:-1], dtype=DOUBLE)
        for part in steps.split(500):
            at = near[..., None, :] + part[:, None] * d[..., None, :]
            off = at[..., :2].norm(dim=-1) - ring
            total += (off.square() + at[..., 2].square() < radius**2).sum(-1) * 60 / 20000
        return total

    return chord


FORMS = {
    "sphere": in_ball(12.0),
    "cylinder": in_cylinder(5.0, 30.0),
    "tube": in_tube(4.0, 7.0, 25.0),
    "torus": in_torus(10.0, 4.0),
}


@pytest.mark.parametrize("shape", list(FORMS))
def test_lengths_are_those_of_the_body_and_nearer_the_finer_the_mesh(shape):
    """A chord's error falls with the square of the edges; at the silhouette, with the edges: the mean is in between."""
    camera = carm(40, 44)
    source, target = (transform_points(torch.linalg.inv(TURNED), end) for end in camera.pixel_rays())
    expected = FORMS[shape](source, torch.nn.functional.normalize(target - source, dim=-1))
    errors = [
        float((path_lengths(inside(cross([Placed(SHAPES[shape](n), TURNED)], camera)))[0] - expected).abs().mean())
        for n in (48, 96)
    ]
    assert errors[1] < 0.4 * errors[0]
    assert errors[1] < 0.01 * float(expected[expected > 0].mean())


def test_a_box_is_exact():
    """A ray's part in a box is the overlap of its parts between three pairs of planes; faces are exact in float64."""
    camera = carm()
    source, target = (transform_points(torch.linalg.inv(TURNED), end) for end in camera.pixel_rays())
    half, way = torch.tensor([5.0, 7.5, 10.0], dtype=DOUBLE), target - source
    ends = torch.stack([(-half - source) / way, (half - source) / way])
    expected = (ends.amax(0).amin(-1) - ends.amin(0).amax(-1)).clamp(min=0) * way.norm(dim=-1)
    found = path_lengths(inside(cross([Placed(SHAPES["box"](0), TURNED)], camera)))[0]
    assert_close(found, expected, rtol=0, atol=VALUE_MM)
    assert float((found - expected).abs().mean()) < 1e-7  # but for the silhouette


def test_one_pixel_by_hand():
    shot = cross([Placed(box(10.0, 10.0, 10.0))], carm(1, 1))
    assert_close(path_lengths(inside(shot)), torch.tensor([[[10.0]]], dtype=DOUBLE))
    assert_close(entry_depths(inside(shot)), torch.tensor([[[495.0]]], dtype=DOUBLE))
    assert hit_counts(shot).tolist() == [[[2]]]


# -- watertight --------------------------------------------------------------------------------------------------------


def changes(crossings: Crossings) -> Tensor:
    """The sum of the winding number's changes for every ray and solid."""
    total = torch.zeros(crossings.lines.shape.numel() * crossings.solids, dtype=torch.int64)
    return total.index_add(0, crossings.ray * crossings.solids + crossings.solid, crossings.winding.long())


def through(mesh: Mesh, count: int, generator: torch.Generator) -> Rays:
    """Rays through the bounding ball at random, and from random points through every corner and along every edge."""

    def points(n: int, radius: float) -> Tensor:
        return radius * torch.nn.functional.normalize(torch.randn(n, 3, generator=generator, dtype=DOUBLE), dim=-1)

    radius, edges = mesh.radius_mm, torch.cat([mesh.faces[:, :2], mesh.faces[:, 1:]])
    a, b = mesh.vertices[edges].unbind(dim=1)
    middle = torch.rand(len(a), 1, generator=generator, dtype=DOUBLE)
    targets = torch.cat([points(count, radius), mesh.vertices, a + middle * (b - a), b])
    sources = torch.cat([points(len(targets) - len(a), 2 * radius), a - (b - a)])
    axes = torch.eye(3, dtype=DOUBLE).repeat(len(mesh.vertices), 1) * 3 * radius  # along the axes, through the corners
    corners = mesh.vertices.repeat_interleave(3, dim=0)
    sources, targets = torch.cat([sources, corners - axes]), torch.cat([targets, corners + axes])
    return Rays(sources[None], targets[None])


def assert_watertight(mesh: Mesh, rays: Rays) -> None:
    crossings = cross([Placed(mesh)], rays)
    assert int(changes(crossings).abs().sum()) == 0
    assert int(hit_counts(crossings).sum()) == len(crossings.ray) > 0
    assert not bool((hit_counts(crossings) % 2).any())


@EVERY_SHAPE
def test_no_ray_crosses_a_closed_surface_an_odd_number_of_times(shape, generator):
    mesh = SHAPES[shape](24)
    assert_watertight(mesh, through(mesh, 20_000, generator))


@pytest.mark.slow
@EVERY_SHAPE
def test_of_ten_million_rays_none_crosses_an_odd_number_of_times(shape, generator):
    mesh = SHAPES[shape](200)
    for _ in range(2):
        assert_watertight(mesh, through(mesh, 1_000_000, generator))


def test_a_grid_of_rays_through_the_corners_of_a_grid_of_faces(generator):
    """Rays through corners and edges, exactly: a face is a plane of squares, and the rays are upright."""
    n = 21
    x, y = torch.meshgrid(torch.arange(n, dtype=DOUBLE), torch.arange(n, dtype=DOUBLE), indexing="ij")
    top, bottom = (torch.stack([x, y, torch.full_like(x, z)], dim=-1).reshape(-1, 3) for z in (1.0, -1.0))
    here = torch.arange(n * n).reshape(n, n)
    a, b, c, d = (t.reshape(-1) for t in (here[:-1, :-1], here[1:, :-1], here[1:, 1:], here[:-1, 1:]))
    above = torch.cat([torch.stack([a, b, c], -1), torch.stack([a, c, d], -1)])
    rim = torch.cat([here[:-1, 0], here[-1, :-1], here[1:, -1].flip(0), here[0, 1:].flip(0)])
    after, low = rim.roll(-1), n * n
    side = torch.cat([torch.stack([rim, rim + low, after + low], -1), torch.stack([rim, after + low, after], -1)])
    mesh = Mesh(torch.cat([top, bottom]), torch.cat([above, above.flip(-1) + low, side]))
    at = torch.cartesian_prod(torch.arange(-1, 42, dtype=DOUBLE) / 2, torch.arange(-1, 42, dtype=DOUBLE) / 2)
    up = torch.cat([at, torch.full((len(at), 1), 9.0, dtype=DOUBLE)], dim=-1)
    down = up * torch.tensor([1.0, 1.0, -1.0], dtype=DOUBLE)
    for rays in (Rays(up[None], down[None]), Rays(down[None], up[None])):
        lengths = path_lengths(inside(cross([Placed(mesh)], rays)))[0, 0]
        within = ((at > 0) & (at < n - 1)).all(dim=-1)
        assert_close(lengths[within], torch.full((int(within.sum()),), 2.0, dtype=DOUBLE))
        assert float(lengths[((at < 0) | (at > n - 1)).any(dim=-1)].abs().max()) == 0.0


# -- against the reference ---------------------------------------------------------------------------------------------


@EVERY_BUILD
@OF_THE_BUILDS
@EVERY_SHAPE
def test_every_build_has_the_crossings_of_the_reference(shape, build):
    if not hasattr(load_kernels(build_of(build)), "mesh_crossings"):
        pytest.skip(f"the build {build} is older than the kernels' sources")
    solid, camera = Placed(SHAPES[shape](20), TURNED), carm()
    found, expected = (cross([solid], camera, backend=engine) for engine in (build, "reference"))
    same = (hit_counts(found) == hit_counts(expected)).double().mean()
    assert float(same) > 0.999  # but for rays along the silhouette
    assert_close(path_lengths(inside(found)), path_lengths(inside(expected)), rtol=0, atol=VALUE_MM)


@OF_THE_BUILDS
def test_without_the_kernels_torch_computes(without_kernels):
    solid, camera = Placed(sphere(12.0, 12), TURNED), carm(12, 12)
    found, expected = (cross([solid], camera, backend=engine) for engine in ("auto", "reference"))
    assert torch.equal(found.t, expected.t)


@OF_THE_THREADS
def test_any_number_of_threads_gives_the_same_crossings():
    solids = [Placed(sphere(12.0), TURNED), Placed(torus(14.0, 4.0), TURNED, "ring")]
    first, *others = on_any_number_of_threads(lambda: cross(solids, carm(90, 80)))
    for name in ("ray", "solid", "face", "winding", "t"):
        assert all(torch.equal(getattr(first, name), getattr(other, name)) for other in others)


def test_a_camera_sees_what_its_rays_see():
    """Only the pixels of a solid's box are looked at; of rays without a camera all are."""
    pose = {"angles_deg": (20.0, -10.0, 0.0)}
    small = [Placed(sphere(3.0, 16), translation(p), f"at {p}") for p in ((10.0, 5.0, 8.0), (0.0, 0.0, 0.0))]
    for camera in (carm(**pose), Camera.carm(sdd_mm=1000, sid_mm=500, height=9, width=10, pixel_mm=6.0, **pose)):
        found, expected = (path_lengths(inside(cross(small, view))) for view in (camera, Rays.from_camera(camera)))
        assert float(expected[0].max()) > 5.0
        assert_close(found, expected, rtol=0, atol=1e-9)  # the ends of rays are sums of other numbers


def test_views_of_a_batch_and_parallel_rays():
    camera = carm(20, 22)
    batch = Camera.stack([camera, camera.moved(rotation_about((0, 1, 0), 50.0, (0, 0, 0)))])
    solid = Placed(SHAPES["torus"](24), TURNED)
    found = path_lengths(inside(cross([solid], batch)))
    assert found.shape == (2, 1, 20, 22)
    for n in range(2):
        assert_close(found[n], path_lengths(inside(cross([solid], batch[n]))), rtol=0, atol=1e-9)
    _, target = camera.pixel_rays()
    along = torch.tensor([0.0, -900.0, 30.0], dtype=DOUBLE)
    parallel = path_lengths(inside(cross([solid], Rays(target + along, target))))
    expected = path_lengths(inside(cross([solid], Rays(target + along, target), backend="reference")))
    assert_close(parallel, expected, rtol=0, atol=VALUE_MM)


# -- inside and outside ------------------------------------------------------------------------------------------------


def test_shells_count_by_winding():
    """A hollow takes its inside away; what is wound like the shell around it changes nothing; overlaps count once."""
    outer, small = box(20.0, 20.0, 20.0), box(8.0, 8.0, 8.0)
    hollow = Mesh(torch.cat([outer.vertices, small.vertices]), torch.cat([outer.faces, turned_around(small)[1] + 8]))
    doubled = Mesh.joined(outer, small)
    crossed = Mesh.joined(outer, outer.transformed(translation((0.0, 5.0, 0.0))))
    for mesh, length_mm, hits in ((hollow, 12.0, 4), (doubled, 20.0, 4), (crossed, 25.0, 4)):
        shot = cross([Placed(mesh)], Rays(torch.tensor([[[0.3, -90.0, 0.2]]]), torch.tensor([[[0.3, 90.0, 0.2]]])))
        assert_close(path_lengths(inside(shot)).item(), length_mm, rtol=1e-6, atol=0)  # ends of float32
        assert hit_counts(shot).item() == hits


def test_a_reflection_and_a_scale_in_the_placement():
    mesh = SHAPES["tube"](24)
    mirror = torch.diag(torch.tensor([-2.0, 2.0, 2.0, 1.0], dtype=DOUBLE))
    for place in (mirror, TURNED @ mirror):
        found = path_lengths(inside(cross([Placed(mesh, place)], carm())))
        expected = path_lengths(inside(cross([Placed(mesh.transformed(place))], carm())))
        assert float(found.max()) > 10.0
        assert_close(found, expected, rtol=0, atol=VALUE_MM)


def test_only_the_way_between_source_and_target_counts():
    ends = torch.tensor([[[-50.0, 0.3, 0.2], [50.0, 0.3, 0.2]]], dtype=DOUBLE)
    along = torch.tensor([1.0, 0.0, 0.0], dtype=DOUBLE)
    solid = Placed(box(20.0, 20.0, 20.0))

    def length(source: float, target: float, *limits: float) -> float:
        to = ends + along * torch.tensor([[50 - 50 * source], [50 * target - 50]], dtype=DOUBLE)
        rays = Rays(to[:, :1], to[:, 1:], *(torch.full((1, 1), t, dtype=DOUBLE) for t in limits))
        return float(path_lengths(inside(cross([solid], rays))))

    assert length(1.0, 1.0) == pytest.approx(20.0)
    assert length(0.0, 1.0) == pytest.approx(10.0)  # from its middle
    assert length(1.0, 0.1) == pytest.approx(15.0)  # to 5 mm beyond its middle
    assert length(1.0, -0.5) == 0.0  # ends before it
    assert length(1.0, 1.0, 0.45, 0.55) == pytest.approx(10.0)


def test_a_ray_without_a_length_and_no_solid():
    nowhere = Rays(torch.zeros(1, 3, 3), torch.zeros(1, 3, 3))
    assert path_lengths(inside(cross([Placed(box(1.0, 1.0, 1.0))], nowhere))).abs().sum() == 0
    assert path_lengths(inside(cross([], carm(4, 5)))).shape == (0, 4, 5)
    empty = Rays(torch.zeros(0, 3, 3), torch.zeros(0, 3, 3))
    assert path_lengths(inside(cross([Placed(box(1.0, 1.0, 1.0))], empty))).shape == (1, 0, 3)


def test_a_solid_behind_the_source_or_around_it_is_looked_at():
    camera = carm(8, 8)
    source = camera.source_world
    around = Placed(box(30.0, 30.0, 30.0), translation(source))
    expected = path_lengths(inside(cross([around], Rays.from_camera(camera))))
    assert float(expected.min()) >= 14.9
    assert_close(path_lengths(inside(cross([around], camera))), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("view", "backend", "error", "words"),
    [
        ("AP", "auto", TypeError, "view must be a Camera or Rays, got str"),
        (carm(2, 2), "gpu", ValueError, "backend must be 'auto' or one of"),
    ],
)
def test_refused(view, backend, error, words):
    with pytest.raises(error, match=words):
        cross([Placed(box(1.0, 1.0, 1.0))], view, backend=backend)


# -- the tree ----------------------------------------------------------------------------------------------------------


def test_the_tree_is_built_once_while_the_solid_moves():
    mesh = SHAPES["sphere"](16)
    first = _tree.tree_of(mesh)
    cross([Placed(mesh, TURNED)], carm(4, 4))
    assert _tree.tree_of(mesh) is first
    mesh.vertices.mul_(2.0)
    assert _tree.tree_of(mesh) is not first


@OF_THE_BUILDS
def test_faces_in_one_place_and_in_a_row_have_a_tree():
    """Many equal boxes cannot be told apart by their places, and sizes that double each time make a deep tree."""
    many = Mesh.joined(*[box(1.0, 1.0, 1.0)] * 40)
    growing = Mesh.joined(*[box(2.0**n, 2.0**n, 2.0**n).transformed(translation((2.0**n, 0, 0))) for n in range(30)])
    for mesh in (many, growing):
        nodes = _tree.tree_of(mesh).nodes
        leaves = nodes[nodes[:, 7] > 0]
        assert sorted(_tree.tree_of(mesh).faces.tolist()) == list(range(len(mesh.faces)))
        assert int(leaves[:, 7].sum()) == len(mesh.faces)
    assert float(path_lengths(inside(cross([Placed(many)], carm(1, 1))))) == pytest.approx(1.0, rel=1e-6)


# -- gradients ---------------------------------------------------------------------------------------------------------


def weighted(solids: list[Placed], view: Rays | Camera) -> Tensor:
    lengths = path_lengths(inside(cross(solids, view)))
    return lengths.reshape(-1) * torch.linspace(0.5, 1.5, lengths.numel(), dtype=DOUBLE)


def few_rays() -> Rays:
    """Rays that stay away from the silhouette under steps of 1e-6 mm."""
    return Rays.from_camera(Camera.carm(sdd_mm=1000, sid_mm=500, height=5, width=6, pixel_mm=7.0))


@EVERY_SHAPE
def test_gradients_are_those_of_finite_differences(shape):
    mesh, rays = SHAPES[shape](10), few_rays()

    def lengths(place: Tensor, vertices: Tensor, source: Tensor, target: Tensor) -> Tensor:
        return weighted([Placed(Mesh(vertices, mesh.faces), place)], Rays(source, target))

    inputs = TURNED[:3], mesh.vertices, rays.source[:1, :1].contiguous(), rays.target
    given = [t.clone().requires_grad_() for t in inputs]
    last = torch.tensor([[0.0, 0.0, 0.0, 1.0]], dtype=DOUBLE)
    assert gradcheck(lambda place, *others: lengths(torch.cat([place, last]), *others), given, fast_mode=True)


def test_the_gradient_goes_to_scale_and_camera():
    mesh = SHAPES["torus"](12)

    def lengths(log_scale: Tensor, shift: Tensor) -> Tensor:
        place = TURNED * torch.cat([log_scale.exp().expand(3), torch.ones(1, dtype=DOUBLE)])
        camera = Camera.carm(sdd_mm=1000, sid_mm=500, height=5, width=6, pixel_mm=7.0)
        motion = torch.eye(4, dtype=DOUBLE)
        motion = torch.cat([motion[:, :3], torch.cat([shift, torch.ones(1, dtype=DOUBLE)])[:, None]], dim=1)
        return weighted([Placed(mesh, place)], camera.moved(motion))

    given = [torch.zeros(1, dtype=DOUBLE), torch.tensor([0.3, -0.2, 0.1], dtype=DOUBLE)]
    assert gradcheck(lengths, [t.requires_grad_() for t in given])


def test_values_do_not_depend_on_whether_a_gradient_is_wanted():
    plain = cross([Placed(SHAPES["tube"](24), TURNED)], carm())
    asked = cross([Placed(SHAPES["tube"](24), TURNED.clone().requires_grad_())], carm())
    assert torch.equal(plain.t, asked.t)


def test_the_volume_is_the_sum_of_lengths():
    """Parallel rays of 1 mm² each; the border's pixels err by half a chord each, at random."""
    mesh = SHAPES["torus"](64)
    at = torch.linspace(-19.5, 19.5, 40, dtype=DOUBLE)
    y, z = torch.meshgrid(at, at, indexing="ij")
    target = torch.stack([torch.full_like(y, 50.0), y, z], dim=-1)
    source = target * torch.tensor([-1.0, 1.0, 1.0], dtype=DOUBLE)
    total = float(path_lengths(inside(cross([Placed(mesh, TURNED)], Rays(source, target)))).sum())
    assert total == pytest.approx(float(mesh.volume_mm3), rel=0.01)
    assert math.isclose(float(mesh.volume_mm3), 2 * math.pi**2 * 10 * 16, rel_tol=0.01)
