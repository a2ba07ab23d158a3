"""A subject as fields for the ray integrals, made once and remade when any of its inputs has changed."""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from deepdrr._snapshot import Kept, Snapshot, wants_grad
from deepdrr.data import Subject
from deepdrr.data.preprocess import hu_basis, mu_weights
from deepdrr.geometry import finest_dtype
from deepdrr.raycast import MAX_LABELS, Field, with_kernel_layout

__all__ = ["attenuation_field", "basis_fields", "kept", "matrix_of"]

Fields = tuple[Field, ...]
# A function of Hounsfield units, [...] → [C, ...].
Channels = Callable[[Tensor], Tensor]


kept = Kept()
"""Fields made of subjects, each kept until the subject changes or is deleted."""


def attenuation_field(subject: Subject) -> Field:
    """The attenuation of a subject, 1/mm, with its labels if it has several classes.

    If a gradient with respect to the voxels or the parameters of the attenuation is needed, the field is made anew,
    as part of the graph.
    """
    parameters = (subject.mu_water, subject.mu_bone, subject.hu_bone) if subject.convert_to_mu else ()
    if wants_grad(subject.image_hu, *parameters):
        _check_finite(subject.image_hu)
        return _field(_grid(subject.image), matrix_of(subject), subject)
    numbers = tuple(float(number) for number in parameters)
    snapshot = Snapshot(*_watched(subject), numbers)
    field = kept.get(subject, "attenuation", snapshot, lambda: _made(subject, _attenuation(*numbers), 1))
    return _placed(field, subject)


def basis_fields(subject: Subject) -> Fields:
    """The two values per voxel in which attenuation is linear (see `hu_basis`): one field, or two with labels."""
    if not wants_grad(subject.image_hu):
        fields = kept.get(subject, "basis", Snapshot(*_watched(subject)), lambda: _made_basis(subject))
        return tuple(_placed(field, subject) for field in fields)
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
    """A field of `channels` of the voxels, in the kernel layout if a compiled backend may read it."""
    hu, matrix = subject.image_hu.detach(), matrix_of(subject).detach()
    _check_finite(hu)
    if hu.device.type != "cpu" or hu.dtype == torch.float64:
        voxels = hu if hu.dtype == torch.float64 else hu.float()
        whole = _field(channels(voxels[0, 0]).permute(0, 3, 2, 1), matrix, subject)
        return with_kernel_layout(whole) if hu.device.type == "cuda" and hu.dtype != torch.float64 else whole
    field = with_kernel_layout(_field(torch.zeros(()).expand(count, *hu.shape[:1:-1]), matrix, subject))
    assert field.values is not None  # it was given
    for k, plane in enumerate(hu[0, 0]):  # a plane at a time stays in the cache
        field.values[..., k].copy_(channels(plane.float()).transpose(-1, -2))
    # The layout's map of occupied blocks pays off for bone, which fills few and is kept. A single attenuation is remade
    # with every parameter.
    return with_kernel_layout(field) if count > 1 else field


def _check_finite(hu: Tensor) -> None:
    low, high = torch.aminmax(hu.detach())
    if not bool(torch.isfinite(low) & torch.isfinite(high)):
        raise ValueError(f"subject.image_hu must be finite, got values from {float(low)} to {float(high)}")


def _watched(subject: Subject) -> tuple[object, ...]:
    """The inputs of the fields of a subject."""
    return subject.n_classes, subject.image_hu, subject.label_map, subject.world_to_voxel


def _placed(field: Field, subject: Subject) -> Field:
    """The field at the subject's place, with a gradient with respect to the placement."""
    return replace(field, ijk_from_world=matrix_of(subject)) if wants_grad(subject.world_to_voxel) else field


def matrix_of(subject: Subject) -> Tensor:
    return subject.world_to_voxel.to(finest_dtype(subject.world_to_voxel.device))


def _field(values: Tensor, matrix: Tensor, subject: Subject) -> Field:
    """A field of values [C, I, J, K], with the subject's labels if there are several classes."""
    if subject.n_classes == 1:
        return Field(values, matrix)
    if subject.n_classes > MAX_LABELS:
        raise ValueError(
            f"a subject may have at most {MAX_LABELS} classes, the background among them, "
            f"got n_classes = {subject.n_classes}"
        )
    labels = subject.channel_map[0, 0].permute(2, 1, 0)
    return Field(values, matrix, labels=labels, label_count=subject.n_classes)


def _grid(image: Tensor) -> Tensor:
    """[1, 1, D, H, W] → [1, I, J, K]; half precision becomes float32."""
    values = image[0].permute(0, 3, 2, 1)
    return values if values.dtype == torch.float64 else values.float()
