"""The keywords of `render` beyond one effective energy: the technique of an exposure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Tensor

from deepdrr.camera import Camera
from deepdrr.data import Subject
from deepdrr.detector import EnergyIntegratingDetector
from deepdrr.drr._scene import subject_scene
from deepdrr.materials import DensityModel, as_density_model
from deepdrr.projector import OUTPUTS, BeamFields, OutputName, Technique, TechniqueFields, expose
from deepdrr.raycast import Integration, Rays

__all__ = ["Physics", "Shot", "exposed", "shot_of"]


class Physics(BeamFields, total=False):
    """The keywords of `render` beyond one effective energy: the technique, as in `Projector`.

    kvp, spectrum: the open beam, such as `tungsten_spectrum(80.0)`, or an `XRaySource` with heel effect, focal spot and
        shutters. Gradients flow to its tube voltage and the thickness of its filters, if these are tensors that
        require one.
    mas, exposure: exposure of the frame. Without it images are relative to the open beam, 1 in air; with it they are
        the detector's mean signal per pixel, in its unit.
    detector: any detector of `deepdrr.detector`; by default `EnergyIntegratingDetector()`, whose signal is the energy
        that arrives.
    scatter: a `deepdrr.scatter.ScatterModel`; None for no scatter.
    technique: all of these as one `Technique`; other keywords override its parts, and `n_samples` and `backend` of the
        call its integration and backend.
    materials: how Hounsfield units become materials: ``"continuous"`` (default), ``"three_class"`` or a model such as
        `deepdrr.materials.MaterialModel`, with metal by label, contrast media, and factors on the densities.
    output: which result to return, a name in `deepdrr.projector.OUTPUTS`; default ``"expected_image"``.
    generator: source of the noise, for `output="image"`.
    """

    technique: Technique | None
    materials: DensityModel | str | None
    output: OutputName | None
    generator: torch.Generator | None


@dataclass(frozen=True, eq=False)
class Shot:
    """The request in the keywords of `render`.

    Attributes:
        technique: how the image is taken.
        model: how HU become materials.
        output: the requested result.
        generator: source of the noise, or None.
    """

    technique: Technique
    model: DensityModel
    output: OutputName
    generator: torch.Generator | None


def shot_of(physics: Physics, integration: Integration, backend: str, *, labeled: bool) -> Shot | None:
    """The request in the keywords of `render`, or None if there are no keywords.

    Args:
        physics: the keywords.
        integration, backend: how rays are integrated, and by which backend.
        labeled: whether soft labels were requested.

    Raises:
        TypeError, ValueError: if a keyword is unacceptable, or conflicts with another.
    """
    if unknown := sorted(physics.keys() - Physics.__annotations__.keys()):
        raise TypeError(f"render takes {', '.join(Physics.__annotations__)} besides its camera, got {unknown[0]}")
    given = {name: value for name, value in physics.items() if value is not None}
    if not given:
        return None
    if labeled:
        raise ValueError("soft_labels have no meaning with a spectrum: intensities of labels do not add up")
    if not given.keys() & {"spectrum", "kvp", "technique"}:
        raise TypeError("spectrum must be a Spectrum, such as tungsten_spectrum(80.0), got None")
    base = given.get("technique", Technique(exposure=None, detector=EnergyIntegratingDetector()))
    if not isinstance(base, Technique):
        raise TypeError(f"technique must be a Technique, got {base!r}")
    beam = {name: value for name, value in physics.items() if name in BeamFields.__annotations__}
    return Shot(
        technique=replace(base.changed(**cast(TechniqueFields, beam)), integration=integration, backend=backend),
        model=as_density_model(given.get("materials", "continuous")),
        output="expected_image" if (output := physics.get("output")) is None else output,
        generator=physics.get("generator"),
    )


def exposed(subject: Subject | Sequence[Subject], shot: Shot, camera: Camera, rays: Rays | None) -> Tensor:
    """The requested result of one exposure, with channels: [*batch, 1, H, W], or [*batch, K, H, W].

    Args:
        subject: one subject, or N, one for each index of the first axis of the batch of views.
        shot: the request.
        camera: the cameras of all views.
        rays: rays to use instead of the camera's, or None.

    Raises:
        ValueError: if labels are requested of several subjects, whose numbers of labels differ.
    """
    poses = len(camera.batch_shape)
    output = OUTPUTS.get(shot.output)
    if output is not None and "L" in output.axes and not isinstance(subject, Subject):
        raise ValueError(f"output must be one without labels for several subjects, got {shot.output!r}: render each")
    scene = subject_scene(subject, shot.model, poses)
    found = expose(scene, camera, shot.technique, (shot.output,), shot.generator, rays=rays)[shot.output]
    return found.unsqueeze(-3) if found.ndim == poses + 2 else found
