"""`Projector`: X-ray images from a scene and a C-arm."""

import math
import warnings
from collections.abc import Sequence
from dataclasses import replace
from types import TracebackType
from typing import Protocol, Self, Unpack

import torch
from torch import Tensor

from deepdrr._arguments import checked_device
from deepdrr._state import NamedState
from deepdrr.camera import Camera
from deepdrr.data import Volume
from deepdrr.detector import Exposure
from deepdrr.geometry import finest_dtype
from deepdrr.materials import DensityModel
from deepdrr.projector._aim import warn_if_missed
from deepdrr.projector._beyond import Beyond
from deepdrr.projector._clearance import check_clearance
from deepdrr.projector._clearance_of_tools import check_tools_clear
from deepdrr.projector._cut import warn_if_cut
from deepdrr.projector._expose import expose
from deepdrr.projector._labels import LabelSelection
from deepdrr.projector._metal import shaded_by_metal
from deepdrr.projector._outputs import OutputName, check_outputs
from deepdrr.projector._radiograph import Radiograph
from deepdrr.projector._scene import Body, Scene
from deepdrr.projector._technique import Technique, TechniqueFields
from deepdrr.raycast import Integration, Step
from deepdrr.tools import Solid

__all__ = ["Positioned", "Projector"]


class Positioned(Protocol):
    """Any object with a camera: a C-arm or another device."""

    @property
    def camera(self) -> Camera:
        """Current position of source and detector."""


class Projector(NamedState):
    """Takes X-ray images of a scene: it holds the scene, a C-arm and a technique, and calls `expose`.

    Densities are computed at the first image, or when a `with` block begins, kept while the voxels are unchanged, and
    released at the end of the block. Volumes and C-arm may be moved at any time, and another technique or C-arm may be
    assigned: every image uses their current state, and no densities are computed again.

    Args:
        scene: the patient, a `Volume`; or several volumes, the patient first, and tools; or a `Scene`.
        carm: a `MobileCArm`, a `SimpleDevice`, anything with a `camera`, or a `Camera` (which may be batched).
        technique: how images are taken; default `Technique()`: 80 kV, 25 mAs, a CsI flat panel, exact integrals.
        materials: how HU become materials: `"continuous"`, `"three_class"` or a model such as `MaterialModel`; one for
            all volumes, or one each. A `Scene` has its own.
        device: device of densities and all stages, `"cpu"` or a GPU, `"cuda"`; results stay there. A `Scene` has its
            own.
        beyond: what is beyond the faces at which a CT cuts through the body, `"air"` (with a warning, if the beam goes
            there), `"repeat"` or `"fade"`, see `Scene`, which has its own.
        fields: changes of the technique: `kvp`, `mas`, `spectrum`, `exposure`, `detector`, `scatter`,
            `integration`, `backend`; see `TechniqueFields`.

    Raises:
        TypeError: if an argument is of another type.
        ValueError: if two arguments state the same quantity, or a value is out of range.

    Example:
        >>> from deepdrr import MobileCArm, Volume
        >>> from deepdrr.resources import resource_path
        >>> ct = Volume.from_nifti(resource_path("data/ct/pelvis.nii.gz"))
        >>> ct.orient_patient(head_first=True, supine=True)
        >>> carm = MobileCArm()
        >>> with Projector(ct, carm=carm.camera.resized(64, 64), kvp=90, mas=2) as projector:
        ...     image = projector()
        >>> image.shape
        torch.Size([64, 64])
    """

    scene: Scene
    carm: Positioned | Camera
    technique: Technique

    INSTEAD = "projector.scene = Scene(…) or projector.carm = … changes what it follows from"

    def __init__(
        self,
        scene: Body | Solid | Sequence[Body | Solid] | Scene,
        *,
        carm: Positioned | Camera,
        technique: Technique | None = None,
        materials: "Materials | None" = None,
        device: torch.device | str | None = None,
        beyond: Beyond | None = None,
        **fields: Unpack[TechniqueFields],
    ) -> None:
        self.scene = _as_scene(scene, materials, device, beyond)
        self.carm = carm
        if technique is not None and not isinstance(technique, Technique):
            raise TypeError(f"technique must be a Technique, got {technique!r}")
        self.technique = (Technique() if technique is None else technique).changed(**fields)

    def __setattr__(self, name: str, value: object) -> None:
        """Refuse attributes that no image would use, and values with which no image could be taken."""
        if name in _PARTS and not hasattr(type(self), name):
            way = f"projector.technique = projector.technique.changed({name}=…)"
            raise AttributeError(f"unknown attribute of a Projector {name!r}; it belongs to the technique: {way}")
        if name == "carm" and not isinstance(value, Camera) and not isinstance(getattr(value, "camera", None), Camera):
            raise TypeError(f"carm must be a Camera or have one as .camera, got {type(value).__name__}")
        if name == "scene" and not isinstance(value, Scene):
            raise TypeError(f"scene must be a Scene, such as Scene(volume), got {type(value).__name__}")
        if name == "technique":
            if not isinstance(value, Technique):
                raise TypeError(f"technique must be a Technique, got {type(value).__name__}")
            _check_step(value.integration, self.scene)
        super().__setattr__(name, value)

    def __repr__(self) -> str:
        carm = repr(self.carm)
        if isinstance(self.carm, Camera):  # its own has all matrices, in lines
            carm = f"Camera of {self.carm.height}×{self.carm.width} pixels"
        objects = map(repr, (*self.scene.volumes, *self.scene.solids))
        return f"Projector({', '.join([*objects, carm, self.technique.in_words])})"

    def __enter__(self) -> Self:
        self.scene.prepare()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.scene.release()

    @property
    def camera(self) -> Camera:
        """Current position of source and detector."""
        return self.carm if isinstance(self.carm, Camera) else self.carm.camera

    @property
    def volume(self) -> Body:
        """The patient: the first volume of the scene.

        Raises:
            ValueError: if there are only tools in it.
        """
        if not self.scene.volumes:
            raise ValueError(f"the scene must hold a volume, got only the tools in {self!r}")
        return self.scene.volumes[0]

    @property
    def kvp(self) -> float | None:
        """Tube voltage, kV; None without a tube. Assigning one gives another beam of the usual tube."""
        return self.technique.spectrum.kvp

    @kvp.setter
    def kvp(self, kvp: float) -> None:
        if kvp is None:  # `changed` leaves the voltage as it is
            raise TypeError("kvp must be a tube voltage in kV, got None")
        self.technique = self.technique.changed(kvp=kvp)

    @property
    def exposure(self) -> Exposure | None:
        """Exposure of one frame; it may be assigned."""
        return self.technique.exposure

    @exposure.setter
    def exposure(self, exposure: Exposure | None) -> None:
        self.technique = replace(self.technique, exposure=exposure)

    @property
    def mas(self) -> float | None:
        """Tube load of one frame, mAs; None if the exposure is stated otherwise. It may be assigned."""
        return None if self.exposure is None else self.exposure.mas

    @mas.setter
    def mas(self, mas: float) -> None:
        self.exposure = Exposure(mas=mas)

    @property
    def material_names(self) -> tuple[str, ...]:
        """Names of the M channels of `"area_densities"`, in order. Prepares the scene if no image was taken yet."""
        return tuple(material.name for material in self.scene.materials)

    @property
    def label_channels(self) -> tuple[str, ...]:
        """Names of the L channels of the label results of all labels, in order.

        `Volume.label_names` maps numbers to the names that were given; here every label in the voxels has its place.

        Raises:
            ValueError: if there are no labels.
        """
        return self.scene.label_channels()

    @property
    def label_names(self) -> tuple[str, ...]:
        """The former name of `label_channels`."""
        warnings.warn("Projector.label_names is now Projector.label_channels", DeprecationWarning, stacklevel=2)
        return self.label_channels

    def __call__(self, generator: torch.Generator | None = None) -> Tensor:
        """One X-ray image.

        Args:
            generator: source of the noise; without it the result is the mean image.

        Returns:
            [*batch, H, W], raw detector signal in the detector's unit, by default keV absorbed per pixel, 0 where no
            photon arrives. See `deepdrr.display` for pictures.
        """
        name = "expected_image" if generator is None else "image"
        return expose(self.scene, self._checked_camera()[0], self.technique, (name,), generator)[name]

    def project(
        self, *outputs: OutputName, labels: LabelSelection = None, generator: torch.Generator | None = None
    ) -> Radiograph:
        """Several results of one exposure, with each stage computed only once.

        Args:
            outputs: names of results, see the table `OUTPUTS`.
            labels: labels by name or number, such as `["heart", 5]`: the channels of the label results in this order;
                None for all.
            generator: source of the noise; `"image"` needs it.

        Returns:
            The tensors by name, with units, camera and technique, on the device where they were computed.

        Raises:
            ValueError: for an unknown name, a label that no volume has, or a pose inside the patient.
            TypeError: if `"image"` is requested without a generator.
        """
        check_outputs(outputs, self.technique)
        camera, whole = self._checked_camera()
        shot = expose(self.scene, camera, self.technique, outputs, generator, labels=labels)
        metal = shaded_by_metal(self.scene, camera, shot.get("area_densities"))
        if metal is not None:
            whole = ~metal if whole is None else whole & ~metal
        return replace(shot, isocenter_world=_isocenter(self.carm), whole=whole)

    def _checked_camera(self) -> tuple[Camera, Tensor | None]:
        """The camera, outside the patient, and where the CT holds all of the body, if that is known.

        A beam that misses the CT, or that goes beyond its ends, is warned of.
        """
        camera = self.camera
        for volume in self.scene.volumes:
            check_clearance(volume, camera)
        check_tools_clear(self.scene.solids, camera)
        if not self.scene.volumes:
            return camera, None
        warn_if_missed(self.scene.volumes, camera)
        if self.scene.beyond != "air":
            return camera, None
        return camera, warn_if_cut(self.scene.volumes, camera, self.technique.source.shutters)


_PARTS = frozenset(TechniqueFields.__annotations__)


Materials = DensityModel | str | Sequence[DensityModel | str]


def _as_scene(
    scene: object, materials: Materials | None, device: torch.device | str | None, beyond: Beyond | None
) -> Scene:
    if isinstance(scene, Scene):
        for name, value in (("materials", materials), ("beyond", beyond), ("device", device)):
            if value is not None:
                raise ValueError(f"{name} belongs to the Scene, which has its own, got {value!r}")
        _double_precision(scene.device)
        return scene
    objects = scene if isinstance(scene, Sequence) else (scene,)
    for thing in objects:
        if not isinstance(thing, Volume | Solid):
            raise TypeError(_no_object(thing))
    models = "continuous" if materials is None else materials
    where = _double_precision("cpu" if device is None else device)
    return Scene(*objects, materials=models, device=where, beyond="air" if beyond is None else beyond)


def _no_object(thing: object) -> str:
    kind = type(thing).__name__
    if hasattr(thing, "vertices") and hasattr(thing, "faces"):
        way = "Tool(Mesh(mesh.vertices, mesh.faces), 'titanium') is a tool, with vertices in mm"
        return f"a mesh needs a material, got {kind}: {way}"
    return f"volume must be a deepdrr.Volume, or a deepdrr.tools.Tool beside one, got {kind}"


def _isocenter(carm: Positioned | Camera) -> tuple[float, float, float] | None:
    """The point about which a C-arm turns, or None if it has none."""
    point = getattr(carm, "isocenter", None)
    if point is None:
        return None
    x, y, z = (float(c) for c in point)
    return x, y, z


def _double_precision(device: torch.device | str) -> torch.device:
    found = checked_device(device)
    if finest_dtype(found) != torch.float64:
        raise ValueError(f"device must have double precision, such as 'cpu' or 'cuda', got {str(device)!r}")
    return found


def _check_step(integration: Integration, scene: Scene) -> None:
    """Refuse steps longer than a voxel's diagonal: they skip whole voxels, and the result is not a valid image."""
    for volume in scene.volumes:
        diagonal = math.hypot(*getattr(volume, "spacing_mm", (math.inf,)))
        if isinstance(integration, Step) and integration.mm > diagonal:
            raise ValueError(
                f"integration must have steps of at most {diagonal:.3g} mm, a voxel's diagonal, got {integration}"
            )
