"""`Anatomy`: the volumes of a scene as fields of densities, made when needed and kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from deepdrr._snapshot import Kept, Snapshot, wants_grad
from deepdrr.materials import Densities, DensityModel, Material
from deepdrr.projector._beyond import Beyond, Continuation, continuations
from deepdrr.projector._body import Body
from deepdrr.projector._overlap import displaced
from deepdrr.raycast import Field, with_kernel_layout

__all__ = ["Anatomy", "Overlap", "Prepared", "factors", "owner"]

Overlap: TypeAlias = Literal["displace", "add"]


@dataclass(frozen=True, eq=False)
class Prepared:
    """Densities [M, I, J, K] in g/cm³ as a field for the ray integrals, and the M materials."""

    field: Field
    materials: tuple[Material, ...]


class Anatomy:
    """The volumes of a scene as fields of densities.

    Args:
        volumes: the volumes.
        models: how the HU of each become densities.
        overlap, beyond: see `deepdrr.projector.Scene`.
        device: device of the densities.
        kept: holder of densities.
    """

    def __init__(
        self,
        volumes: Sequence[Body],
        models: Sequence[DensityModel],
        *,
        overlap: Overlap,
        beyond: Beyond,
        device: torch.device,
        kept: Kept,
    ) -> None:
        self._volumes, self._models, self._device, self._kept = volumes, models, device, kept
        self._overlap, self._beyond_faces = overlap, beyond

    def all(self) -> list[Prepared]:
        """The densities of each volume at its current place."""
        alone = [self._alone(n) for n in range(len(self._volumes))]
        if self._overlap == "add":
            return alone
        return [self._beside(n, alone) for n in range(len(alone))]

    def _alone(self, index: int) -> Prepared:
        """The densities of one volume in the kernel layout."""
        volume, model = self._volumes[index], self._models[index]

        def make() -> Prepared:
            found = model.densities(volume)
            if not isinstance(found, Densities):
                raise TypeError(f"materials must be a model that gives Densities, got {type(found).__name__} from it")
            double = _watched(volume)[0].dtype == torch.float64
            values = found.values.to(self._device, torch.float64 if double else found.values.dtype)
            return Prepared(_laid_out(Field(values, self.place(volume))), found.materials)

        # Densities that carry a gradient are computed for each image: a graph can be used for one backward pass only.
        if wants_grad(*_watched(volume), *_inputs(model)):
            return make()
        snapshot = Snapshot(_watched(volume), sorted(volume.label_names.items()), model)
        found = self._kept.get(owner(volume), "alone", snapshot, make)
        return self._placed(found, volume)

    def _beside(self, index: int, alone: list[Prepared]) -> Prepared:
        """The densities of one volume without the matter that later volumes displace."""
        own, *later = alone[index:]
        if not later:
            return own
        volume, fields = self._volumes[index], [own.field, *(prepared.field for prepared in later)]

        def make() -> Prepared:
            return replace(own, field=_laid_out(displaced(*fields)))

        if wants_grad(own.field.values):
            return make()
        places = [field.ijk_from_world.tolist() for field in fields]
        found = self._kept.get(
            owner(volume), "beside others", Snapshot([field.values for field in fields], places), make
        )
        return self._placed(found, volume)

    def beyond(self, index: int, field: Field) -> list[Field]:
        """The body beyond the faces of a volume's densities, at their place."""
        if self._beyond_faces == "air":
            return []
        volume, values = self._volumes[index], field.values
        assert values is not None  # densities are values

        def make() -> tuple[Continuation, ...]:
            spacing_mm = torch.linalg.inv(volume.ijk_from_world.detach().cpu().double())[:3, :3].norm(dim=0)
            return continuations(values, spacing_mm, self._beyond_faces)

        snapshot = Snapshot(values, self._beyond_faces)
        found = make() if values.requires_grad else self._kept.get(owner(volume), "beyond", snapshot, make)
        return [_laid_out(part.placed(field.ijk_from_world)) for part in found]

    def _placed(self, prepared: Prepared, volume: Body) -> Prepared:
        """The densities at the current place of the volume."""
        return replace(prepared, field=replace(prepared.field, ijk_from_world=self.place(volume)))

    def place(self, volume: Body) -> Tensor:
        """Transform [4, 4] from the room to the voxels of a volume, on the device."""
        return volume.ijk_from_world.to(self._device)


def owner(volume: Body) -> object:
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


def factors(model: DensityModel) -> Mapping[Material | str, float | Tensor]:
    return getattr(model, "density_factors", {})
