"""`visualize_scene`: patient, sources, beams and detectors with their images."""

from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from deepdrr._extras import require
from deepdrr.data import Subject
from deepdrr.drr import render
from deepdrr.plot import picture
from deepdrr.scene._cameras import beams
from deepdrr.scene._surface import Mesh, iso_surface, label_surface

if TYPE_CHECKING:
    from pyvista import Plotter

__all__ = ["Culling", "visualize_scene"]

Culling = Literal["front", "back", "frontface", "backface", "f", "b"]

_FRUSTUM = 0.125  # fraction of the beam's length


def visualize_scene(
    subject: Subject,
    k_inv: Tensor,
    rt_inv: Tensor,
    sdd: Tensor | float,
    height: int,
    width: int,
    render_mesh: bool = True,
    render_imgs: bool = True,
    single_channel: bool = False,
    culling: Culling | None = "back",
    use_label: bool = False,
    cutoff: float | None = 0.01,
    plotter: "Plotter | None" = None,
    verbose: bool = False,
    **kwargs: Any,
) -> "Plotter":
    """Render the views of a subject and show each on its detector, around the surface of the subject.

    Args:
        subject: the patient.
        k_inv: inverse intrinsics [B, 3, 3].
        rt_inv: world_from_camera [B, 4, 4].
        sdd: source-to-detector distance [B] or a number, mm. Each of the three may have a batch of one.
        height, width: rows and columns of the detector.
        render_mesh: show the subject's surface.
        render_imgs: render the images and put them on the detectors.
        single_channel: add up the channels of labels; otherwise they are coloured.
        culling: faces of the surface to leave out, `"back"` or `"front"`, or None.
        use_label: show the surfaces of the labels instead of that of the image.
        cutoff: attenuation at the surface, 1/mm; by default half that of water. None: the image's values are
            labels.
        plotter: the plotter to add everything to, e.g. `pyvista.Plotter(off_screen=True)`; None: a new one.
        verbose: show a bar while the surface is made.
        kwargs: arguments of `render`, e.g. `n_samples` or `orthographic`.

    Returns:
        The plotter; its `show()` opens a window, its `screenshot(path)` writes a picture.

    Raises:
        ImportError: if PyVista is not installed.
        ValueError: for arguments that `render` refuses, a cutoff that is not positive, or more than 256 labels.
    """
    pyvista = require("pyvista", "scene", "a scene")
    mesh = _surface(subject, use_label, cutoff, verbose) if render_mesh else None
    placed = beams(k_inv, rt_inv, sdd, height, width, orthographic=kwargs.get("orthographic", False))
    images: list[Tensor | None] = [None] * len(placed)
    if render_imgs:
        with torch.no_grad():
            rendered = render(subject, k_inv, rt_inv, sdd, height, width, **kwargs)
        images = list(rendered.sum(dim=1, keepdim=True) if single_channel else rendered)
    scene = pyvista.Plotter() if plotter is None else plotter
    if mesh is not None and mesh.n_cells:
        scene.add_mesh(mesh, culling=culling, show_scalar_bar=False)
    for beam, image in zip(placed, images, strict=True):
        if image is not None:
            texture = pyvista.numpy_to_texture(picture(image))
            scene.add_mesh(beam.detector(), texture=texture, lighting=False, culling="back")
        scene.add_mesh(beam.frustum(_FRUSTUM), show_edges=True, line_width=3, culling="back")
        scene.add_mesh(beam.central_ray(), line_width=3, color="lime")
    return scene


def _surface(subject: Subject, use_label: bool, cutoff: float | None, verbose: bool) -> Mesh:
    if use_label:
        return label_surface(subject.label, subject.voxel_to_world, progress=verbose)
    if cutoff is None:
        return label_surface(subject.image, subject.voxel_to_world, progress=verbose)
    return iso_surface(subject.image, subject.voxel_to_world, cutoff, progress=verbose)
