"""Positions of the objects in the scene, and drawing without a screen."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

pyvista = pytest.importorskip("pyvista", reason="scenes need the extra deepdrr[scene]", exc_type=ImportError)


from deepdrr.camera import make_k_inv, make_rt_inv, project_points  # noqa: E402
from deepdrr.data import Subject  # noqa: E402
from deepdrr.scene import visualize_scene  # noqa: E402
from deepdrr.scene._cameras import beams  # noqa: E402
from deepdrr.scene._surface import iso_surface, label_surface  # noqa: E402

HEIGHT, WIDTH, SDD = 20, 30, 1000.0

OBLIQUE = torch.tensor([[1.5, 0.2, 0.0, -30.0], [-0.2, 1.4, 0.1, 5.0], [0.0, -0.1, 2.0, 40.0], [0, 0, 0, 1]])
MIRRORED = OBLIQUE @ torch.diag(torch.tensor([-1.0, 1.0, 1.0, 1.0]))


def ball(radius: float = 6.0, shape: tuple[int, int, int] = (20, 22, 24)) -> Tensor:
    """[D, H, W], 1/mm: falls through 0.01 at a distance of `radius` voxels from voxel 10 on each axis."""
    axes = [torch.arange(n, dtype=torch.float32) - 10.0 for n in shape]
    z, y, x = torch.meshgrid(*axes, indexing="ij")
    return (0.01 + 0.01 * (radius - (x**2 + y**2 + z**2).sqrt())).clamp(min=0.0)


def camera(*angles: float, pixel_mm: float = 10.0) -> tuple[Tensor, Tensor, Tensor]:
    """Intrinsics, poses about the origin, and distances, for one angle about z each."""
    k_inv = make_k_inv(SDD, pixel_mm, 1.2 * pixel_mm, 1.5, -0.7, HEIGHT, WIDTH)
    rotation = torch.tensor([[angle, 0.0, 0.0] for angle in angles])
    rt_inv = make_rt_inv(rotation, torch.tensor([[0.0, 600.0, 0.0]]).expand(len(angles), 3))
    return k_inv, rt_inv, torch.tensor([SDD])


def subject(values: Tensor | None = None, label: Tensor | None = None) -> Subject:
    image = ball() if values is None else values
    matrix = torch.eye(4)
    matrix[:3, 3] = -10.0
    return Subject(image[None, None], matrix, None if label is None else label[None, None], convert_to_mu=False)


def signed_volume(mesh: pyvista.PolyData) -> float:
    """Positive where the triangles face outward."""
    a, b, c = (np.asarray(mesh.points, dtype=np.float64)[mesh.regular_faces[:, i]] for i in range(3))
    return float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6.0)


@pytest.mark.parametrize("world_from_voxel", [OBLIQUE, MIRRORED], ids=["oblique", "mirrored"])
def test_the_surface_is_where_the_values_say_in_the_world(world_from_voxel: Tensor) -> None:
    mesh = iso_surface(ball(), world_from_voxel, 0.01)
    matrix = world_from_voxel.double().numpy()
    voxels = np.linalg.solve(matrix[:3, :3], (np.asarray(mesh.points) - matrix[:3, 3]).T).T
    # Linear between voxels on a line along an axis, where the ball's radius is not quite: h² / 8r = 0.02.
    np.testing.assert_allclose(np.linalg.norm(voxels - 10.0, axis=1), 6.0, atol=0.03)
    expected = 4.0 / 3.0 * np.pi * 6.0**3 * abs(np.linalg.det(matrix[:3, :3]))
    # Inscribed facets, up to √2 voxels long: less by (√2 / 2r)² ≈ 1.4 %, and the radius by up to 0.3 %.
    assert signed_volume(mesh) == pytest.approx(expected, rel=0.02)


def test_a_body_that_the_volume_cuts_off_is_closed() -> None:
    mesh = iso_surface(torch.ones(4, 5, 6), torch.eye(4), 0.5)
    assert mesh.n_open_edges == 0
    # From the middle of the outermost voxels half a voxel further, to where the value falls through a half.
    np.testing.assert_allclose(mesh.bounds, (-0.5, 5.5, -0.5, 4.5, -0.5, 3.5), atol=1e-6)


def test_labels_have_a_surface_and_a_color_each() -> None:
    labels = torch.zeros(20, 20, 20)
    labels[4:14, 5:15, 2:9] = 1.0
    labels[4:14, 5:15, 9:18] = 3.0
    mesh = label_surface(labels, torch.eye(4))
    assert set(np.unique(mesh["boundary_labels"])) == {1, 3}
    # Between the voxels' centres, pulled in by the smoothing by less than half a voxel.
    np.testing.assert_allclose(mesh.bounds, (1.5, 17.5, 4.5, 14.5, 3.5, 13.5), atol=0.5)


@pytest.mark.parametrize("orthographic", [False, True])
def test_the_corners_of_the_detector_are_those_of_its_pixels(orthographic: bool) -> None:
    k_inv, rt_inv, sdd = camera(0.0, 35.0)
    for index, view in enumerate(beams(k_inv, rt_inv, sdd, HEIGHT, WIDTH, orthographic=orthographic)):
        corners = torch.from_numpy(view.corners).float()
        pose = rt_inv[index : index + 1]
        uv, _ = project_points(corners, k_inv, pose, sdd=sdd, orthographic=orthographic)
        expected = torch.tensor([[0.0, 0.0], [WIDTH, 0.0], [WIDTH, HEIGHT], [0.0, HEIGHT]])
        torch.testing.assert_close(uv[0], expected, rtol=0.0, atol=1e-3)  # float32 of some 1000 mm by pixels of 10 mm
        rays = view.corners - view.sources
        along = rays @ pose[0, :3, 2].double().numpy()
        np.testing.assert_allclose(along, SDD, rtol=1e-6)
        if orthographic:
            np.testing.assert_allclose(np.linalg.norm(rays, axis=1), SDD, rtol=1e-6)
        else:
            np.testing.assert_allclose(view.sources, np.tile(pose[0, :3, 3].numpy(), (4, 1)), rtol=1e-6)


def test_the_beam_is_drawn_from_the_source_on() -> None:
    (view,) = beams(*camera(0.0), HEIGHT, WIDTH)
    frustum = view.frustum(0.125)
    np.testing.assert_allclose(np.asarray(frustum.points).max(axis=0)[1], 600.0)
    np.testing.assert_allclose(np.asarray(frustum.points).min(axis=0)[1], 600.0 - 125.0)
    ray = np.asarray(view.central_ray().points)
    np.testing.assert_allclose(ray, [view.sources[0], view.corners.mean(axis=0)])


def test_one_detector_beam_and_ray_for_each_view_and_one_surface() -> None:
    plotter = pyvista.Plotter(off_screen=True)
    scene = visualize_scene(subject(), *camera(0.0, 90.0), HEIGHT, WIDTH, plotter=plotter, n_samples=50)
    assert scene is plotter
    assert len(scene.actors) == 1 + 2 * 3
    plotter.close()
    bare = pyvista.Plotter(off_screen=True)
    visualize_scene(subject(), *camera(0.0), HEIGHT, WIDTH, render_mesh=False, render_imgs=False, plotter=bare)
    assert len(bare.actors) == 2
    bare.close()


def test_channels_of_labels_color_the_detector_unless_they_are_added_up() -> None:
    label = (ball() > 0.03).float()
    textures = []
    for single in (False, True):
        plotter = pyvista.Plotter(off_screen=True)
        visualize_scene(subject(label=label), *camera(0.0), HEIGHT, WIDTH, single_channel=single, plotter=plotter)
        textures.append(next(a.texture for a in plotter.actors.values() if a.texture is not None).to_array())
        plotter.close()
    colored, gray = (np.ptp(texture.astype(int), axis=-1).max() for texture in textures)
    assert colored > 20
    assert gray == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"cutoff": 0.0}, "cutoff must be positive, or None for labels, got 0.0"),
        ({"cutoff": None}, r"labels must be whole numbers \(cutoff=None takes those of the image\)"),
    ],
)
def test_surfaces_that_cannot_be(options: dict[str, float | None], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        visualize_scene(subject(), *camera(0.0), HEIGHT, WIDTH, render_imgs=False, **options)  # type: ignore[arg-type]


def test_views_that_do_not_fit_together() -> None:
    k_inv, rt_inv, sdd = camera(0.0, 90.0)
    with pytest.raises(ValueError, match=r"k_inv must be \[B, 3, 3\] and rt_inv \[B, 4, 4\], got shapes \(3, 3\)"):
        beams(k_inv[0], rt_inv, sdd, HEIGHT, WIDTH)
    with pytest.raises(ValueError, match=r"one batch size or 1, got \[2, 3\]"):
        beams(k_inv.expand(3, 3, 3), rt_inv, sdd, HEIGHT, WIDTH)
    assert len(beams(k_inv, rt_inv, SDD, HEIGHT, WIDTH)) == 2


def test_a_subject_of_air_has_no_surface() -> None:
    plotter = pyvista.Plotter(off_screen=True)
    visualize_scene(subject(torch.zeros(4, 4, 4)), *camera(0.0), HEIGHT, WIDTH, render_imgs=False, plotter=plotter)
    assert len(plotter.actors) == 2
    plotter.close()


def can_draw() -> bool:
    """In another process: without any OpenGL, VTK ends the one that asks."""
    program = "import pyvista as p; q = p.Plotter(off_screen=True); q.add_mesh(p.Cube()); assert q.screenshot().any()"
    return subprocess.run([sys.executable, "-c", program], capture_output=True).returncode == 0


def test_without_a_screen_the_image_is_on_the_detector_the_right_way_round(tmp_path: Path) -> None:
    """Seen from the source, the detector shows the picture: a mark at the right shoulder is at its top left."""
    if not can_draw():
        pytest.skip("VTK finds no OpenGL here, on the screen or off it")
    marked = torch.zeros(20, 22, 24)
    marked[14:18, 8:12, 15:19] = 1.0  # toward the patient's head and right, +z and +x in RAS
    view_mm = camera(0.0, pixel_mm=2.0)
    plotter = pyvista.Plotter(off_screen=True, window_size=(240, 160))
    visualize_scene(subject(marked), *view_mm, HEIGHT, WIDTH, render_mesh=False, plotter=plotter)
    (view,) = beams(*view_mm, HEIGHT, WIDTH)
    plotter.camera.position = view.sources[0]
    plotter.camera.focal_point = view.corners.mean(axis=0)
    plotter.camera.up = view.corners[0] - view.corners[3]
    plotter.camera.view_angle = 3.0  # the detector, 48 of 1000 mm high, nearly fills the window
    for actor in plotter.actors.values():
        actor.visibility = actor.texture is not None
    plotter.set_background("blue")
    plotter.reset_camera_clipping_range()
    pixels = plotter.screenshot(tmp_path / "scene.png", return_img=True)
    plotter.close()
    assert (tmp_path / "scene.png").exists()
    rows, columns = np.nonzero(pixels[..., 0] > 128)
    assert rows.mean() < 80
    assert columns.mean() < 120
