"""`Scene`: the objects in the beam."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import get_args

import torch
from torch import Tensor

from deepdrr._arguments import checked_device
from deepdrr._snapshot import Kept, Snapshot
from deepdrr.camera import Camera
from deepdrr.geometry import finest_dtype, transform_points
from deepdrr.materials import DensityModel, Material, attenuation_matrix, scaled
from deepdrr.projector._anatomy import Anatomy, Overlap, Prepared, factors, owner
from deepdrr.projector._area_sums import areas_of, summed
from deepdrr.projector._beyond import Beyond
from deepdrr.projector._body import Body
from deepdrr.projector._bounds import bounds_world
from deepdrr.projector._labels import (
    LabelChannels,
    LabelSelection,
    attenuation_field,
    check_selection,
    label_channels,
    unknown_label,
)
from deepdrr.projector._scene_checks import check_names, check_rules, one_each, sorted_out
from deepdrr.projector._solids import areas_of_solids, integrals_inside, summed_up, taken_out
from deepdrr.raycast import Exact, Field, Integration, Rays, project
from deepdrr.tools import Crossings, Occupancy, PairRules, Solid, cross, displacements, occupancy

__all__ = ["Body", "Overlap", "Scene"]

_EXACT = Exact()


class Scene:
    """The objects in the beam: volumes, each with its place in the room and its material model, and solids.

    Densities are computed when first needed, kept while voxels and models are unchanged, and move with the volumes.

    Where grids overlap, a rule decides. `"displace"`: the matter of a volume displaces that of all volumes named before
    it: a voxel of theirs becomes empty if its centre lies in a voxel of the later volume with more than 0.1 g/cm³. So
    name the patient first, then a fragment or a tool; their air displaces nothing. `"add"`:
    densities add up, as those of a contrast medium would.

    A solid (a tool, an implant) has a surface, a material and a place. Along each ray, anatomy is taken out between the
    places where the ray enters and leaves it, and the solid's material is put there; where solids overlap, the one of
    higher priority is there, see `deepdrr.tools.Solid`.

    Args:
        objects: the patient, then the other volumes in the beam, and solids, in any order beside each other.
        materials: how HU become materials: `"continuous"`, `"three_class"`, or a model such as `MaterialModel`; one for
            all, or a list with one per volume.
        overlap: the rule where grids overlap.
        device: device of the densities and the rays, `"cpu"` or a GPU.
        beyond: what is beyond the faces at which a CT cuts through the body: `"air"`; `"repeat"`: the values at the
            face for 400 mm; `"fade"`: these values, falling to nothing over 100 mm. Labels end with the CT.
        kept: holder of densities, to share them with other scenes of the same volumes; None for this scene alone.
        rules: for pairs of solids by name, `{("screw", "plate"): "screw"}`: which of the two is there where they
            overlap, or `"add"` for both; other pairs follow their priorities.

    Raises:
        TypeError: if anything other than volumes, solids or models is given.
        ValueError: if there is nothing, an object is given twice, two solids have one name, the number of models
            differs, or a rule is unknown.

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
        *objects: Body | Solid,
        materials: DensityModel | str | Sequence[DensityModel | str] = "continuous",
        overlap: Overlap = "displace",
        device: torch.device | str = "cpu",
        beyond: Beyond = "air",
        kept: Kept | None = None,
        rules: PairRules | None = None,
    ) -> None:
        volumes, solids = sorted_out(objects)
        if beyond not in get_args(Beyond):
            raise ValueError(f"beyond must be one of {', '.join(get_args(Beyond))}, got {beyond!r}")
        if overlap not in get_args(Overlap):
            raise ValueError(f"overlap must be one of {', '.join(get_args(Overlap))}, got {overlap!r}")
        self.volumes, self.solids = volumes, solids
        self.rules = check_rules(rules, solids)
        self.models = one_each(materials, len(volumes))
        self.overlap: Overlap = overlap
        self.beyond: Beyond = beyond
        self.device = checked_device(device)
        kept = Kept() if kept is None else kept
        self._anatomy = Anatomy(volumes, self.models, overlap=overlap, beyond=beyond, device=self.device, kept=kept)
        self._kept = kept

    def __setattr__(self, name: str, value: object) -> None:
        """Refuse what no image would look at: another scene is made, not this one changed."""
        if hasattr(self, "_kept"):
            raise AttributeError(f"a Scene stays as it was made, got an assignment to {name!r}: make another Scene")
        object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        return f"Scene({', '.join(map(repr, (*self.volumes, *self.solids)))})"

    @property
    def materials(self) -> tuple[Material, ...]:
        """The M basis materials of all volumes, in order, then those of the solids."""
        anatomy = [material for prepared in self._anatomy.all() for material in prepared.materials]
        return tuple(dict.fromkeys((*anatomy, *(solid.material for solid in self.solids))))

    @property
    def center_world(self) -> Tensor:
        """Centre of the first volume, the patient [3], mm; without a volume, of the first solid."""
        if self.volumes:
            return self.volumes[0].center_in_world
        solid = self.solids[0]
        return transform_points(solid.world_from_tool.detach().cpu().double(), solid.mesh.bounds.mean(dim=0))

    @property
    def anatomical_from_world(self) -> Tensor | None:
        """Transform [4, 4] into the first patient's RAS frame, mm; None if no volume knows it."""
        found: Tensor | None = getattr(self.volumes[0], "anatomical_from_world", None) if self.volumes else None
        return found

    @property
    def bounds_world(self) -> Tensor:
        """The box along the room's axes that holds all objects [2, 3], mm: least and greatest coordinates."""
        fields = [field for parts, *_ in self._fields() for field in parts]
        return bounds_world(fields, self.solids)

    def single_grid(self) -> tuple[Field, tuple[Material, ...]] | None:
        """The densities of a scene that is one volume and nothing else, [M, I, J, K] in g/cm³; None of any other."""
        if self.solids or len(self.volumes) != 1 or factors(self.models[0]):
            return None
        ((parts, prepared, _),) = self._fields()
        return (prepared.field, prepared.materials) if len(parts) == 1 else None

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
        view, found = self._here(view), []
        seen = self.occupancy(self.cross(view, backend=backend)) if self.solids else None
        for parts, prepared, model in self._fields():
            integrals = summed_up([project(field, view, integration=integration, backend=backend) for field in parts])
            if seen is not None and len(seen.displaced.ray):
                inner = integrals_inside(parts, seen.displaced, integration=integration, backend=backend)
                integrals = taken_out(integrals, inner, seen.displaced)
            areas = scaled(areas_of(integrals, backend), prepared.materials, factors(model))
            found.append((areas, prepared.materials))
        if seen is not None:
            dtype = found[0][0].dtype if found else torch.float64 if backend == "reference" else torch.float32
            found.append(areas_of_solids(seen.present, self.solids, dtype))
        return found[0][0] if len(found) == 1 else summed(found)

    def cross(self, view: Camera | Rays, *, backend: str = "auto") -> Crossings:
        """Where the rays of a view cross the surfaces of the solids, see `deepdrr.tools.cross`."""
        check_names(self.solids)  # one may have been renamed
        return cross(self.solids, self._here(view), backend=backend)

    def occupancy(self, crossings: Crossings) -> Occupancy:
        """What is where along the rays: which solid is there, and where there is no anatomy.

        Args:
            crossings: where rays cross the surfaces of the solids, see `cross`.
        """
        return occupancy(crossings, displacements(self.solids, self.rules))

    def displaced_area_densities(
        self, occupancy: Occupancy, *, integration: Integration = _EXACT, backend: str = "auto"
    ) -> Tensor:
        """Area density of the anatomy that solids displace [*batch, M, H, W], g/cm², of the M `materials`.

        Args:
            occupancy: what is where along the rays, see `occupancy`.
            integration, backend: see `deepdrr.raycast.project`.
        """
        displaced, found = occupancy.displaced, []
        *batch, height, width = displaced.lines.shape
        for parts, prepared, model in self._fields():
            inner = integrals_inside(parts, displaced, integration=integration, backend=backend)
            nothing = inner.new_zeros(*batch, len(inner), height, width)
            images = taken_out(nothing, -inner, displaced)
            areas = scaled(areas_of(images, backend), prepared.materials, factors(model))
            found.append((areas, prepared.materials))
        dtype = found[0][0].dtype if found else torch.float32
        none = occupancy.present.chosen(occupancy.present.ray.new_zeros(0))
        return summed([*found, areas_of_solids(none, self.solids, dtype)])

    def _here(self, view: Camera | Rays) -> Camera | Rays:
        """A view on the scene's device, a camera in the precision of geometry."""
        return view.to(finest_dtype(self.device)).to(self.device) if isinstance(view, Camera) else view

    def _fields(self) -> Iterator[tuple[list[Field], Prepared, DensityModel]]:
        """Of each volume: its densities and what is beyond its faces, what was prepared, and its model."""
        for n, (prepared, model) in enumerate(zip(self._anatomy.all(), self.models, strict=True)):
            yield [prepared.field, *self._anatomy.beyond(n, prepared.field)], prepared, model

    def label_fields(self, labels: LabelSelection = None) -> Iterator[Field]:
        """Fields of path lengths per label; their channels after the first correspond, in order, to `label_channels`.

        Other volumes do not displace labels.

        Args:
            labels: as for `label_channels`, which also says what is raised.
        """
        for volume, channels in zip(self._labeled(), self._label_channels(labels), strict=True):
            yield from (replace(field, ijk_from_world=self._anatomy.place(volume)) for field in channels.fields)

    def label_attenuation_fields(self, energy_kev: Tensor, labels: LabelSelection = None) -> Iterator[Field]:
        """The same fields with the attenuation of the matter in them, 1/mm at an energy, as values.

        Args:
            energy_kev: the energy [1], keV.
            labels: as for `label_channels`, which also says what is raised.
        """
        matter = dict(zip(self.volumes, zip(self._anatomy.all(), self.models, strict=True), strict=True))
        for volume, channels in zip(self._labeled(), self._label_channels(labels), strict=True):
            prepared, model = matter[volume]
            mu = attenuation_matrix(prepared.materials, energy_kev.reshape(1))[..., None]
            mu = scaled(mu, prepared.materials, factors(model))[..., 0, 0]
            if mu.dim() > 1:
                raise ValueError(f"label_line_integrals takes one density factor for all views, got {tuple(mu.shape)}")
            for field in channels.fields:
                yield attenuation_field(replace(field, ijk_from_world=self._anatomy.place(volume)), prepared.field, mu)

    def _label_channels(self, labels: LabelSelection) -> list[LabelChannels]:
        chosen, volumes = check_selection(labels), self._labeled()
        found = []
        for volume in volumes:
            assert volume.labels is not None  # it was chosen for them
            snapshot = Snapshot(volume.labels, sorted(volume.label_names.items()), chosen)
            make = partial(label_channels, volume, chosen, self.device)
            found.append(self._kept.get(owner(volume), "labels", snapshot, make))
        if unknown := [one for one in chosen or () if all(one in channels.absent for channels in found)]:
            raise unknown_label(unknown[0], volumes)
        return found

    def prepare(self) -> None:
        """Compute the densities now instead of at the first image."""
        self._anatomy.all()

    def release(self) -> None:
        """Release the densities; the next image computes them again."""
        self._kept.clear()

    def _labeled(self) -> list[Body]:
        found = [volume for volume in self.volumes if volume.labels is not None]
        if not found:
            raise ValueError("the volume has no labels: load it with labels=… to project them")
        return found
