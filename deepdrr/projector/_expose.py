"""`expose`: the image chain from a scene to a radiograph."""

from collections.abc import Sequence

import torch

from deepdrr.camera import Camera
from deepdrr.projector._cast import cast_rays
from deepdrr.projector._labels import LabelSelection
from deepdrr.projector._outputs import Output, OutputName, check_outputs
from deepdrr.projector._radiograph import Radiograph
from deepdrr.projector._rays_per_pixel import rays_per_pixel
from deepdrr.projector._scene import Scene
from deepdrr.projector._stages import Stages
from deepdrr.projector._technique import Technique
from deepdrr.projector._tool_results import names_of_key_points
from deepdrr.raycast import Rays, check_fits
from deepdrr.scatter import InBeam

__all__ = ["expose"]


def expose(
    scene: InBeam,
    camera: Camera,
    technique: Technique,
    outputs: tuple[OutputName, ...] = ("image",),
    generator: torch.Generator | None = None,
    *,
    rays: Rays | None = None,
    labels: LabelSelection = None,
) -> Radiograph:
    """Take one X-ray exposure of a scene.

    The stages are the area densities, the attenuation of the spectrum (with heel effect, focal spot and shutters of the
    source), scatter, and the detector with grid, blur, noise and readout. Each stage is a public function; it is
    computed at most once, and only if an output needs it.

    Args:
        scene: the objects in the beam, a `Scene`.
        camera: position of source and detector [*batch].
        technique: how the image is taken.
        outputs: names of results, see `OUTPUTS`.
        generator: source of the noise; `"image"` needs it for a detector with noise.
        rays: rays [*batch, H, W] to use instead of those of the camera's pixels, only for a source without heel effect,
            focal spot and shutters, because rays do not tell where these are, and without exposure, scatter and labels.
        labels: labels by name or number, such as `["heart", 5]`: the channels of the label results; None for all.

    Returns:
        The results by name, on the device where they were computed. All but the noise are differentiable with respect
        to camera, placement, voxels, materials and beam.

    Raises:
        ValueError: for an unknown output, or one that the technique cannot produce.
        TypeError: if an argument has the wrong type, or an image with noise is requested without a generator.
        MemoryError: if the images would not fit into the free memory.

    Example:
        >>> from deepdrr import Volume
        >>> from deepdrr.projector import Scene, Technique
        >>> water = Volume.from_array(torch.zeros(20, 20, 20), torch.eye(4), check_hu="off")
        >>> camera = Camera.carm(sdd_mm=1000, sid_mm=500, height=4, width=4, pixel_mm=1.0, isocenter=(9.5, 9.5, 9.5))
        >>> shot = expose(Scene(water), camera, Technique(exposure=None), ("expected_image",))
        >>> round(float(shot["expected_image"].mean()), 2)  # of an 80 kV beam passes 2 cm of water
        0.62
    """
    _check_kinds(scene, camera, technique, outputs, generator)
    table = check_outputs(outputs, technique)
    _check_memory(camera)
    if rays is not None:
        _check_rays(technique, table)
    if any(output.name == "image" for output in table):
        _check_generator(technique, generator)
    names = _label_channels(scene, table, labels)
    count = 1 if rays is not None else rays_per_pixel(scene, camera, technique)
    needed = _needs_rays(table, technique, count)
    cast = cast_rays(scene, camera if rays is None else rays, technique) if needed else None
    stages = Stages(scene, camera, technique, generator, cast, labels, count)
    seed = None if generator is None else generator.initial_seed()
    results = {}
    for output in table:
        results[output.name] = output.compute(stages)
    return Radiograph(
        results=results,
        camera=camera,
        technique=technique,
        material_names=tuple(material.name for material in stages.materials),
        label_channels=names,
        seed=seed,
        anatomical_from_world=getattr(scene, "anatomical_from_world", None),
        tool_names=tuple(solid.name for solid in scene.solids) if isinstance(scene, Scene) else (),
        key_point_names=names_of_key_points(scene) if isinstance(scene, Scene) else (),
    )


def _label_channels(scene: InBeam, table: tuple[Output, ...], labels: LabelSelection) -> tuple[str, ...]:
    """Names of the channels of the label results; empty if there are none."""
    if any("L" in output.axes for output in table):
        return scene.label_channels(labels) if isinstance(scene, Scene) else ()
    if labels is not None:
        raise ValueError(f"labels chooses channels of label results, but none of them was asked for, got {labels!r}")
    return ()


def _needs_rays(table: tuple[Output, ...], technique: Technique, rays_per_pixel: int) -> bool:
    """Whether the rays of the camera itself are needed: points of a focal spot and parts of pixels have their own."""
    spot = technique.source.focal_spot
    sampled = ((spot is not None and spot.samples is not None) or rays_per_pixel > 1) and technique.scatter is None
    return any(output.along == "axis" or (output.along == "beam" and not sampled) for output in table)


def _check_memory(camera: Camera) -> None:
    # Measured at 2500² pixels with the default detector: a peak of 130 bytes per pixel, including rays and results.
    shape = (*camera.batch_shape, camera.height, camera.width, 17)
    check_fits("the image with its rays, in 17 planes", shape, dtype=torch.float64)


def _check_kinds(scene: object, camera: object, technique: object, outputs: object, generator: object) -> None:
    if not callable(getattr(scene, "area_densities", None)):
        raise TypeError(f"scene must be a Scene, such as Scene(volume), got {scene!r}")
    if not isinstance(camera, Camera):
        raise TypeError(f"camera must be a Camera, got {camera!r}")
    if not isinstance(technique, Technique):
        raise TypeError(f"technique must be a Technique, got {technique!r}")
    if isinstance(outputs, str) or not isinstance(outputs, Sequence):
        raise TypeError(f"outputs must be a tuple of names, such as ('image',), got {outputs!r}")
    if generator is not None and not isinstance(generator, torch.Generator):
        raise TypeError(f"generator must be a torch.Generator or None, got {generator!r}")


def _check_rays(technique: Technique, table: tuple[Output, ...]) -> None:
    source = technique.source
    given = [name for name in ("exposure", "scatter", "rays_per_pixel") if getattr(technique, name) is not None]
    given += [name for name in ("heel", "focal_spot", "shutters") if getattr(source, name) is not None]
    given += [output.name for output in table if "L" in output.axes]
    if given:
        raise ValueError(f"{given[0]} needs the camera's own rays, but other rays were given: leave it or them out")


def _check_generator(technique: Technique, generator: torch.Generator | None) -> None:
    if technique.exposure is not None and technique.detector.draws and generator is None:
        raise TypeError(
            "generator must be a torch.Generator for a detector with noise, got None; 'expected_image' is the mean and "
            "needs none"
        )
