"""A subject as fields for the rays, made once, and made again when anything it was made from has changed."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from weakref import WeakKeyDictionary, ref

import torch
from torch import Tensor

from deepdrr.data import Subject
from deepdrr.data.preprocess import hu_basis, mu_weights
from deepdrr.geometry import finest_dtype
from deepdrr.raycast import MAX_LABELS, Field, arranged

__all__ = ["State", "attenuation_field", "basis_fields", "matrix_of", "placed", "state_of", "version_of", "wants_grad"]

Fields = tuple[Field, ...]
State = tuple[object, ...]
# What Hounsfield units become, [...] → [C, ...].
Channels = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class _Prepared:
    state: State
    fields: Fields


_attenuations: "WeakKeyDictionary[Subject, _Prepared]" = WeakKeyDictionary()
_bases: "WeakKeyDictionary[Subject, _Prepared]" = WeakKeyDictionary()


def attenuation_field(subject: Subject) -> Field:
    """The attenuation of a subject (1/mm), and its labels if it has several classes.

    Where a gradient by the voxels or by the attenuation's parameters is wanted, it is made anew, in the graph.
    """
    parameters = (subject.mu_water, subject.mu_bone, subject.hu_bone) if subject.convert_to_mu else ()
    if wants_grad(subject.image_hu, *parameters):
        _check_finite(subject.image_hu)
        return _field(_grid(subject.image), matrix_of(subject), subject)
    numbers = tuple(float(number) for number in parameters)
    (field,) = _current(_attenuations, subject, numbers, lambda: (_made(subject, _attenuation(*numbers), 1),))
    return placed(field, subject)


def basis_fields(subject: Subject) -> Fields:
    """The two numbers of a voxel in which attenuation is linear (see `hu_basis`): a field of both; with labels, two."""
    if not wants_grad(subject.image_hu):
        return tuple(placed(f, subject) for f in _current(_bases, subject, (), lambda: _made_basis(subject)))
    _check_finite(subject.image_hu)
    parts = [_grid(part) for part in hu_basis(subject.image_hu)]
    if subject.n_classes == 1:
        return (_field(torch.cat(parts), matrix_of(subject), subject),)
    return tuple(_field(part, matrix_of(subject), subject) for part in parts)


def _attenuation(*parameters: float) -> Channels:
    if not parameters:
        return lambda hu: hu[None]
    a, b = mu_weights(*parameters)

    def attenuation(hu: Tensor) -> Tensor:
        water, excess = hu_basis(hu)
        return (a * water + b * excess).clamp(min=0.0)[None]

    return attenuation


def _made_basis(subject: Subject) -> Fields:
    if subject.n_classes == 1:
        return (_made(subject, lambda hu: torch.stack(hu_basis(hu)), 2),)
    return _made(subject, lambda hu: hu_basis(hu)[0][None], 1), _made(subject, lambda hu: hu_basis(hu)[1][None], 1)


def _made(subject: Subject, channels: Channels, count: int) -> Field:
    """A field of what `channels` makes of the voxels, arranged where a compiled backend may read it."""
    hu, matrix = subject.image_hu.detach(), matrix_of(subject).detach()
    _check_finite(hu)
    if hu.device.type != "cpu" or hu.dtype == torch.float64:
        voxels = hu if hu.dtype == torch.float64 else hu.float()
        whole = _field(channels(voxels[0, 0]).permute(0, 3, 2, 1), matrix, subject)
        return arranged(whole) if hu.device.type == "cuda" and hu.dtype != torch.float64 else whole
    field = arranged(_field(torch.zeros(()).expand(count, *hu.shape[:1:-1]), matrix, subject))
    assert field.values is not None  # it was given
    for k, plane in enumerate(hu[0, 0]):  # a plane at a time stays in the cache
        field.values[..., k].copy_(channels(plane.float()).transpose(-1, -2))
    # Bone is in few blocks, and stays; one attenuation is made anew with every parameter.
    return arranged(field) if count > 1 else field


def _check_finite(hu: Tensor) -> None:
    low, high = torch.aminmax(hu.detach())
    if not bool(torch.isfinite(low) & torch.isfinite(high)):
        raise ValueError(f"subject.image_hu must be finite, got values from {float(low)} to {float(high)}")


def _current(
    made: "WeakKeyDictionary[Subject, _Prepared]", subject: Subject, more: State, make: Callable[[], Fields]
) -> Fields:
    state = (*state_of(subject), *more)
    known = made.get(subject)
    if known is not None and None not in state and known.state == state:
        return known.fields
    made.pop(subject, None)  # so that the old one makes room before the new one is made
    made[subject] = _Prepared(state, make())
    return made[subject].fields


# -- what has changed --------------------------------------------------------------------------------------------------


class _Same:
    """A tensor that equals itself only, and is not kept alive."""

    def __init__(self, tensor: Tensor) -> None:
        self._tensor = ref(tensor)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self._tensor() is not None and self._tensor() is other._tensor()

    __hash__ = None  # type: ignore[assignment]


def state_of(subject: Subject) -> State:
    """What changes when a tensor is replaced, moved or written to; there is a None in it where torch cannot tell."""
    tensors = (subject.image_hu, subject.label_map, subject.world_to_voxel)
    return (subject.n_classes, *(part for tensor in tensors for part in version_of(tensor)))


def version_of(tensor: Tensor | None) -> State:
    if tensor is None:
        return ("none",)
    writes = None if tensor.is_inference() else tensor._version
    return _Same(tensor), writes, tensor.data_ptr(), tensor.dtype, tensor.device


def placed(field: Field, subject: Subject) -> Field:
    """The field where the subject is, with the gradient by its placement."""
    return replace(field, ijk_from_world=matrix_of(subject)) if wants_grad(subject.world_to_voxel) else field


def matrix_of(subject: Subject) -> Tensor:
    return subject.world_to_voxel.to(finest_dtype(subject.world_to_voxel.device))


def _field(values: Tensor, matrix: Tensor, subject: Subject) -> Field:
    """A field of values [C, I, J, K], with the subject's labels if there are several classes."""
    if subject.n_classes == 1:
        return Field(values, matrix)
    if subject.n_classes > MAX_LABELS:
        raise ValueError(
            f"a subject may have at most {MAX_LABELS} classes (labels 0 to {MAX_LABELS - 1}), "
            f"got n_classes = {subject.n_classes}"
        )
    labels = subject.label[0, 0].permute(2, 1, 0)
    return Field(values, matrix, labels=labels, label_count=subject.n_classes)


def _grid(image: Tensor) -> Tensor:
    """[1, 1, D, H, W] → [1, I, J, K]; half precision becomes float32."""
    values = image[0].permute(0, 3, 2, 1)
    return values if values.dtype == torch.float64 else values.float()


def wants_grad(*inputs: object) -> bool:
    return torch.is_grad_enabled() and any(isinstance(i, Tensor) and i.requires_grad for i in inputs)
