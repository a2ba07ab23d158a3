"""`Scene`: the objects in the beam."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import partial
from typing import Literal, Protocol, TypeAlias, get_args

import torch
from torch import Tensor

from deepdrr._arguments import checked_device
from deepdrr._snapshot import Kept, Snapshot, wants_grad
from deepdrr.camera import Camera
from deepdrr.data import Source
from deepdrr.geometry import finest_dtype
from deepdrr.materials import Densities, DensityModel, Material, attenuation_matrix, scaled
from deepdrr.projector._area_sums import areas_of, summed
from deepdrr.projector._beyond import Beyond, Continuation, continuations
from deepdrr.projector._labels import (
    LabelChannels,
    LabelSelection,
    attenuation_field,
    check_selection,
    label_channels,
    unknown_label,
)
from deepdrr.projector._overlap import displaced
from deepdrr.projector._scene_checks import check_volumes, one_each
from deepdrr.raycast import Exact, Field, Integration, Rays, project, with_kernel_layout

__all__ = ["Body", "Overlap", "Scene"]

Overlap: TypeAlias = Literal["displace", "add"]

_EXACT = Exact()


class Body(Protocol):
    """A CT that stands in the room; a `deepdrr.data.Volume` is one.

    A body may stand for another object: its `owner` is then the object whose densities are kept, and `watched` are the
    tensors from which they are computed.
    """

    @property
    def hu(self) -> Tensor:
        """Hounsfield units [I, J, K]."""

    @property
    def labels(self) -> Tensor | None:
        """Label of each voxel [I, J, K], 0 for background, or None."""

    @property
    def label_names(self) -> dict[int, str]:
        """Names of labels."""

    @property
    def source(self) -> Source:
        """Origin of the scan."""

    @property
    def ijk_from_world(self) -> Tensor:
        """Affine transform [4, 4] from the room, mm, to voxel indices."""

    @property
    def center_in_world(self) -> Tensor:
        """Centre of the grid [3], mm."""


@dataclass(frozen=True, eq=False)
class _Prepared:
    """Densities [M, I, J, K] in g/cm³ as a field for the ray integrals, and the M materials."""

    field: Field
    materials: tuple[Material, ...]


class Scene:
    """The objects in the beam: one or several volumes, each with its place in the room and its material model.

    Densities are computed when first needed, kept while voxels and models are unchanged, and move with the volumes.

    Where grids overlap, a rule decides. `"displace"`: the matter of a volume displaces that of all volumes named before
    it: a voxel of theirs becomes empty if its centre lies in a voxel of the later volume with more than 0.1 g/cm³. So
    name the patient first, then a fragment or a tool; their air displaces nothing. `"add"`:
    densities add up, as those of a contrast medium would.

    Args:
        volumes: the patient, then the other volumes in the beam.
        materials: how HU become materials: `"continuous"`, `"three_class"`, or a model such as `MaterialModel`; one for
            all, or a list with one per volume.
        overlap: the rule where grids overlap.
        device: device of the densities and the rays, `"cpu"` or a GPU.
        beyond: what is beyond the faces at which a CT cuts through the body: `"air"`; `"repeat"`: the values at the
            face for 400 mm; `"fade"`: these values, falling to nothing over 100 mm. Labels end with the CT.
        kept: holder of densities, to share them with other scenes of the same volumes; None for this scene alone.

    Raises:
        TypeError: if anything other than volumes or models is given.
        ValueError: if there is no volume, one is named twice, the number of models differs, or the rule is unknown.

    Example:
        >>> from deepdrr import Volume
        >>> from deepdrr.camera import Camera
        >>> water = Volume.from_array(torch.zeros(20, 20, 20), torch.eye(4), check_hu="off")
        >>> scene = Scene(water)
        >>> camera = Camera.carm(sdd_mm=1000, sid_mm=500, height=1, width=1, pixel_mm=1.0, isocenter=(9.5, 9.5, 9.5))
        >>> [material.name for material in scene.materials]
        ['adipose 3', 'soft tissue', 'cortical bone']
        >>> round(float(scene.area_densities(camera).sum()), 2)  # g/cm² in 20 mm of tissue of 0 HU
        2.04
    """

    def __init__(
        self,
        *volumes: Body,
        materials: DensityModel | str | Sequence[DensityModel | str] = "continuous",
        overlap: Overlap = "displace",
        device: torch.device | str = "cpu",
        beyond: Beyond = "air",
        kept: Kept | None = None,
    ) -> None:
        check_volumes(volumes)
        if beyond not in get_args(Beyond):
            raise ValueError(f"beyond must be one of {', '.join(get_args(Beyond))}, got {beyond!r}")
        if overlap not in get_args(Overlap):
            raise ValueError(f"overlap must be one of {', '.join(get_args(Overlap))}, got {overlap!r}")
        self.volumes = volumes
        self.models = one_each(materials, len(volumes))
        self.overlap: Overlap = overlap
        self.beyond: Beyond = beyond
        self.device = checked_device(device)
        self._kept = Kept() if kept is None else kept

    def __setattr__(self, name: str, value: object) -> None:
        """Refuse what no image would look at: another scene is made, not this one changed."""
        if hasattr(self, "_kept"):
            raise AttributeError(f"a Scene stays as it was made, got an assignment to {name!r}: make another Scene")
        object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        return f"Scene({', '.join(map(repr, self.volumes))})"

    @property
    def materials(self) -> tuple[Material, ...]:
        """The M basis materials of all volumes, in order."""
        return tuple(dict.fromkeys(m for prepared in self._prepared() for m in prepared.materials))

    @property
    def center_world(self) -> Tensor:
        """Centre of the first volume, the patient [3], mm."""
        return self.volumes[0].center_in_world

    @property
    def anatomical_from_world(self) -> Tensor | None:
        """Transform [4, 4] into the first patient's RAS frame, mm; None if the volume does not know it."""
        found: Tensor | None = getattr(self.volumes[0], "anatomical_from_world", None)
        return found

    def label_channels(self, labels: LabelSelection = None) -> tuple[str, ...]:
        """Names of the L channels of the label outputs, a label's number where it has no name.

        For each volume with labels: those chosen, in the order of the choice, or all in ascending order.

        Args:
            labels: labels by name or number, such as `["heart", 5]`; None for all.

        Raises:
            ValueError: if no volume has labels, or one that was chosen.
            TypeError: if the choice is no list of names and numbers.
        """
        return tuple(name for channels in self._label_channels(labels) for name in channels.names)

    def area_densities(
        self, view: Camera | Rays, *, integration: Integration = _EXACT, backend: str = "auto"
    ) -> Tensor:
        r"""Area density of each material along every ray, \( a_m = \int \rho_m\,\mathrm{d}\ell \).

        Args:
            view: a camera (all its pixels), or explicit rays on the scene's device.
            integration, backend: see `deepdrr.raycast.project`. The reference returns float64.

        Returns:
            [*batch, M, H, W], g/cm², of `materials`; differentiable with respect to the camera, the placement of the
            volumes and everything with respect to which the models are differentiable.
        """
        if isinstance(view, Camera):
            view = view.to(finest_dtype(self.device)).to(self.device)
        found = []
        for n, (prepared, model) in enumerate(zip(self._prepared(), self.models, strict=True)):
            integrals = project(prepared.field, view, integration=integration, backend=backend)
            for part in self._beyond(n, prepared.field):
                integrals = integrals + project(part, view, integration=integration, backend=backend)
            areas = scaled(areas_of(integrals, backend), prepared.materials, _factors(model))
            found.append((areas, prepared.materials))
        return found[0][0] if len(found) == 1 else summed(found)

    def label_fields(self, labels: LabelSelection = None) -> Iterator[Field]:
        """Fields of path lengths per label; their channels after the first correspond, in order, to `label_channels`.

        Other volumes do not displace labels.

        Args:
            labels: as for `label_channels`, which also says what is raised.
        """
        for volume, channels in zip(self._labeled(), self._label_channels(labels), strict=True):
            yield from (replace(field, ijk_from_world=self._place(volume)) for field in channels.fields)

    def label_attenuation_fields(self, energy_kev: Tensor, labels: LabelSelection = None) -> Iterator[Field]:
        """The same fields with the attenuation of the matter in them, 1/mm at an energy, as values.

        Args:
            energy_kev: the energy [1], keV.
            labels: as for `label_channels`, which also says what is raised.
        """
        matter = dict(zip(self.volumes, zip(self._prepared(), self.models, strict=True), strict=True))
        for volume, channels in zip(self._labeled(), self._label_channels(labels), strict=True):
            prepared, model = matter[volume]
            mu = attenuation_matrix(prepared.materials, energy_kev.reshape(1))[..., None]
            mu = scaled(mu, prepared.materials, _factors(model))[..., 0, 0]
            if mu.dim() > 1:
                raise ValueError(f"label_line_integrals takes one density factor for all views, got {tuple(mu.shape)}")
            for field in channels.fields:
                yield attenuation_field(replace(field, ijk_from_world=self._place(volume)), prepared.field, mu)

    def _label_channels(self, labels: LabelSelection) -> list[LabelChannels]:
        chosen, volumes = check_selection(labels), self._labeled()
        found = []
        for volume in volumes:
            assert volume.labels is not None  # it was chosen for them
            snapshot = Snapshot(volume.labels, sorted(volume.label_names.items()), chosen)
            make = partial(label_channels, volume, chosen, self.device)
            found.append(self._kept.get(_owner(volume), "labels", snapshot, make))
        if unknown := [one for one in chosen or () if all(one in channels.absent for channels in found)]:
            raise unknown_label(unknown[0], volumes)
        return found

    def prepare(self) -> None:
        """Compute the densities now instead of at the first image."""
        self._prepared()

    def release(self) -> None:
        """Release the densities; the next image computes them again."""
        self._kept.clear()

    def _labeled(self) -> list[Body]:
        found = [volume for volume in self.volumes if volume.labels is not None]
        if not found:
            raise ValueError("the volume has no labels: load it with labels=… to project them")
        return found

    def _prepared(self) -> list[_Prepared]:
        """The densities of all volumes at their current places."""
        alone = [self._alone(n) for n in range(len(self.volumes))]
        if self.overlap == "add":
            return alone
        return [self._beside(n, alone) for n in range(len(alone))]

    def _alone(self, index: int) -> _Prepared:
        """The densities of one volume in the kernel layout."""
        volume, model = self.volumes[index], self.models[index]

        def make() -> _Prepared:
            found = model.densities(volume)
            if not isinstance(found, Densities):
                raise TypeError(f"materials must be a model that gives Densities, got {type(found).__name__} from it")
            double = _watched(volume)[0].dtype == torch.float64
            values = found.values.to(self.device, torch.float64 if double else found.values.dtype)
            return _Prepared(_laid_out(Field(values, self._place(volume))), found.materials)

        # Densities that carry a gradient are computed for each image: a graph can be used for one backward pass only.
        if wants_grad(*_watched(volume), *_inputs(model)):
            return make()
        snapshot = Snapshot(_watched(volume), sorted(volume.label_names.items()), model)
        found = self._kept.get(_owner(volume), "alone", snapshot, make)
        return self._placed(found, volume)

    def _beside(self, index: int, alone: list[_Prepared]) -> _Prepared:
        """The densities of one volume without the matter that later volumes displace."""
        own, *later = alone[index:]
        if not later:
            return own
        volume, fields = self.volumes[index], [own.field, *(prepared.field for prepared in later)]

        def make() -> _Prepared:
            return replace(own, field=_laid_out(displaced(*fields)))

        if wants_grad(own.field.values):
            return make()
        places = [field.ijk_from_world.tolist() for field in fields]
        found = self._kept.get(
            _owner(volume), "beside others", Snapshot([field.values for field in fields], places), make
        )
        return self._placed(found, volume)

    def _beyond(self, index: int, field: Field) -> list[Field]:
        """The body beyond the faces of a volume's densities, at their place."""
        if self.beyond == "air":
            return []
        volume, values = self.volumes[index], field.values
        assert values is not None  # densities are values

        def make() -> tuple[Continuation, ...]:
            spacing_mm = torch.linalg.inv(volume.ijk_from_world.detach().cpu().double())[:3, :3].norm(dim=0)
            return continuations(values, spacing_mm, self.beyond)

        snapshot = Snapshot(values, self.beyond)
        found = make() if values.requires_grad else self._kept.get(_owner(volume), "beyond", snapshot, make)
        return [_laid_out(part.placed(field.ijk_from_world)) for part in found]

    def _placed(self, prepared: _Prepared, volume: Body) -> _Prepared:
        """The densities at the current place of the volume."""
        return replace(prepared, field=replace(prepared.field, ijk_from_world=self._place(volume)))

    def _place(self, volume: Body) -> Tensor:
        return volume.ijk_from_world.to(self.device)


def _owner(volume: Body) -> object:
    return getattr(volume, "owner", volume)


def _watched(volume: Body) -> tuple[Tensor, Tensor | None]:
    found: tuple[Tensor, Tensor | None] | None = getattr(volume, "watched", None)
    return (volume.hu, volume.labels) if found is None else found


def _laid_out(field: Field) -> Field:
    """A field in the kernel layout; itself if compiled backends cannot read it or it carries a gradient."""
    assert field.values is not None  # densities are values
    read = field.device.type in ("cpu", "cuda") and field.dtype == torch.float32 and not field.values.requires_grad
    return with_kernel_layout(field) if read else field


def _inputs(model: DensityModel) -> tuple[object, ...]:
    """The inputs that a model's densities may carry a gradient to: the compared fields of a dataclass."""
    return tuple(getattr(model, f.name) for f in fields(model) if f.compare) if is_dataclass(model) else ()


def _factors(model: DensityModel) -> Mapping[Material | str, float | Tensor]:
    return getattr(model, "density_factors", {})
