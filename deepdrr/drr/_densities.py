"""A subject as densities of basis materials for the rays, made once, and again when anything has changed."""

from dataclasses import dataclass, replace
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from deepdrr.data import Subject
from deepdrr.drr._prepared import State, matrix_of, placed, state_of, version_of, wants_grad
from deepdrr.materials import Densities, Material
from deepdrr.projector import MaterialModel
from deepdrr.raycast import Field, arranged

__all__ = ["density_field"]


@dataclass(frozen=True)
class _Prepared:
    state: State
    field: Field
    materials: tuple[Material, ...]


_densities: "WeakKeyDictionary[Subject, _Prepared]" = WeakKeyDictionary()


def density_field(subject: Subject, model: MaterialModel) -> tuple[Field, tuple[Material, ...]]:
    """The densities of a subject's M basis materials [M, I, J, K] in g/cm³, where it is now, and the materials.

    Where a gradient by the voxels or by a contrast medium is wanted, they are made anew, in the graph.
    """
    if wants_grad(subject.image_hu, *model.contrast.values()):
        found = _made(subject, model, subject.image_hu)
        return Field(_grid(found), matrix_of(subject)), found.materials
    state = (*state_of(subject), *_state(model))
    known = _densities.get(subject)
    if known is None or None in state or known.state != state:
        _densities.pop(subject, None)  # so that the old ones make room before the new ones are made
        found = _made(subject, model, subject.image_hu.detach())
        field = Field(_grid(found), matrix_of(subject).detach())
        if field.device.type in ("cpu", "cuda") and field.dtype == torch.float32:  # what compiled backends read
            field = arranged(field)
        known = _densities[subject] = _Prepared(state, field, found.materials)
    return placed(known.field, subject), known.materials


def _made(subject: Subject, model: MaterialModel, image_hu: Tensor) -> Densities:
    """[M, D, H, W] on the subject's device, float32, or float64 of a subject in float64.

    The tables are in the host's memory: so is their use.
    """
    contrast = {agent: mg_per_ml.permute(2, 1, 0).cpu() for agent, mg_per_ml in model.contrast.items()}
    labels = None if subject.label_map is None else subject.label_map[0, 0].cpu()
    hu = image_hu[0, 0].to("cpu", _at_least_single(image_hu))
    found = replace(model, contrast=contrast).densities_of(hu, labels)
    return Densities(found.materials, found.values.to(image_hu.device, hu.dtype))


def _at_least_single(image: Tensor) -> torch.dtype:
    return image.dtype if image.dtype == torch.float64 else torch.float32


def _grid(found: Densities) -> Tensor:
    """[M, D, H, W] → [M, I, J, K]."""
    return found.values.permute(0, 3, 2, 1)


def _state(model: MaterialModel) -> State:
    """What the densities depend on besides the subject; a None in it is where torch cannot tell, as in `state_of`."""
    by_label = tuple(sorted(model.by_label.items(), key=lambda item: item[0]))
    contrast = tuple(part for agent, t in model.contrast.items() for part in (agent, *version_of(t)))
    return (model.method, (model.ct_kvp,), by_label, *contrast)
