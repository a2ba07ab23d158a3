"""Material models turn the voxels of a CT into densities of basis materials."""

import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol, TypeAlias, get_args, runtime_checkable

import torch
from torch import Tensor

from deepdrr._names import unknown_name
from deepdrr._numbers import plain_fields
from deepdrr.data import Source
from deepdrr.materials._contrast_field import ContrastAgent, with_contrast
from deepdrr.materials._ct_beam import CT_KVP_RANGE
from deepdrr.materials._decompose import Densities, MatchHU, Method, decompose
from deepdrr.materials._material import Material
from deepdrr.materials._registry import as_material
from deepdrr.materials._vessel import IodineAbove

__all__ = ["DensityModel", "MaterialModel", "Voxels", "as_density_model", "scaled"]

_Fill: TypeAlias = Material | str | MatchHU | IodineAbove
_USUAL_CT_KVP = 120.0
# Enamel and the densest bone end near 3000 HU, where 12-bit scanners end (3071); metal is above.
_METAL_HU = 3000.0


class Voxels(Protocol):
    """A CT as material models see it; a `deepdrr.data.Volume` is one."""

    @property
    def hu(self) -> Tensor:
        """Hounsfield units [I, J, K], on the CPU."""

    @property
    def labels(self) -> Tensor | None:
        """Label of each voxel [I, J, K], or None."""

    @property
    def source(self) -> Source:
        """Origin of the scan."""


@runtime_checkable
class DensityModel(Protocol):
    """Turns the voxels of a CT into densities of basis materials.

    If a model is a dataclass, its densities are computed again when one of its fields changes, except for fields
    declared `compare=False`. A model may have `density_factors`, see `scaled`.
    """

    def densities(self, volume: Voxels) -> Densities:
        """Densities of the basis materials in every voxel, on the CPU.

        Args:
            volume: the CT.
        """


@dataclass(frozen=True, eq=False, kw_only=True)
class MaterialModel:
    """The materials of a voxel from its Hounsfield units and label.

    Attributes:
        method: `"continuous"` (composition and density continuous in HU) or `"three_class"` (hard thresholds to
            air, soft tissue and bone).
        ct_kvp: tube voltage of the CT scan, kV; None for that of the scan's header, or 120 if it has none.
        by_label: material of the voxels of a label, which is given by its number or its name in the volume: at its own
            density, or `MatchHU(material)` at the density that shows the voxel's HU, or `IodineAbove()`, blood with as
            much contrast medium as a vessel's HU show. Use it to mark metal.
        contrast: mg of iodine or of barium sulfate per ml in each voxel [I, J, K], by agent; see `with_contrast`.
        density_factors: factors on the area density of basis materials, by name: `{"cortical bone": 1.1}` makes bone a
            tenth denser. Numbers, or tensors [*batch] with a value per picture; differentiable, at no cost of a
            gradient with respect to the voxels.
        assume: `"bone"`: voxels of 3000 HU and more that no label names are dense bone, as they are taken to be. None
            warns of them.

    Example:
        >>> MaterialModel(by_label={3: "titanium"}).method
        'continuous'
    """

    method: Method = "continuous"
    ct_kvp: float | None = None
    by_label: Mapping[int, _Fill] | Mapping[str, _Fill] | Mapping[int | str, _Fill] = field(default_factory=dict)
    contrast: Mapping[ContrastAgent, Tensor] = field(default_factory=dict)
    density_factors: Mapping[Material | str, float | Tensor] = field(default_factory=dict, compare=False)
    assume: Literal["bone"] | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        plain_fields(self)
        if self.method not in get_args(Method):
            raise ValueError(f"materials must be 'continuous', 'three_class' or a model, got {self.method!r}")
        if self.assume not in (None, "bone"):
            raise ValueError(f"assume must be 'bone' or None, got {self.assume!r}")

    def densities(self, volume: Voxels) -> Densities:
        """Densities of the basis materials in every voxel of a volume.

        Raises:
            ValueError: if materials are given by label and the volume has no labels or no label of a name, or the tube
                voltage is out of range.

        Warns:
            UserWarning: if a material is given for a label that no voxel has.
        """
        # The tables are in host memory, so the look-up runs there.
        labels = None if volume.labels is None else volume.labels.cpu()
        model = replace(self, by_label=_numbered(self.by_label, getattr(volume, "label_names", {})))
        return model.densities_of(volume.hu.cpu(), labels, ct_kvp=self._tube_voltage(volume))

    def densities_of(self, hu: Tensor, labels: Tensor | None = None, *, ct_kvp: float | None = None) -> Densities:
        """Like `densities`, for voxels in memory.

        Args:
            hu: CT numbers of any shape; labels and contrast have the same shape.
            labels: label of each voxel, or None; without names, so `by_label` must have numbers.
            ct_kvp: tube voltage of the CT, kV; None for that of the model, or 120 if it has none.
        """
        by_label = _numbered(self.by_label, {})
        usual = _USUAL_CT_KVP if self.ct_kvp is None else self.ct_kvp
        found = decompose(
            hu,
            method=self.method,
            ct_kvp=usual if ct_kvp is None else ct_kvp,
            labels=labels,
            label_materials=by_label or None,
        )
        _warn_of_absent_labels(by_label, labels)
        if self.assume is None:
            _warn_of_metal(hu.detach(), by_label, labels)
        for agent, mg_per_ml in self.contrast.items():
            found = with_contrast(found, mg_per_ml, agent=agent)
        return found

    def _tube_voltage(self, volume: Voxels) -> float:
        if self.ct_kvp is not None:
            return self.ct_kvp
        stated = volume.source.kvp or _USUAL_CT_KVP
        low, high = CT_KVP_RANGE
        if not low <= stated <= high:
            raise ValueError(f"ct_kvp must be given, {low:g} to {high:g} kV: the header of the CT has {stated:g} kV")
        return stated


def _warn_of_absent_labels(by_label: Collection[int], labels: Tensor | None) -> None:
    absent = [label for label in by_label if labels is None or not bool((labels == label).any())]
    if absent:
        warnings.warn(
            f"by_label has a material for {', '.join(map(str, absent))}, but no voxel of the CT has such a label",
            UserWarning,
            stacklevel=2,
        )


def _warn_of_metal(hu: Tensor, by_label: Collection[int], labels: Tensor | None) -> None:
    if not hu.numel() or float(hu.amax()) < _METAL_HU:
        return
    dense = hu >= _METAL_HU
    if labels is not None:
        for label in by_label:
            dense &= labels.to(hu.device) != label
    count = int(dense.sum())
    if not count:
        return
    warnings.warn(
        f"{count} voxels are at or above {_METAL_HU:.0f} HU, as metal and contrast media are, and no label names "
        "their material: they count as dense bone, which attenuates less; label them and give "
        "by_label={label: 'titanium'}, IodineAbove() for a vessel, or assume='bone' if they are bone",
        UserWarning,
        stacklevel=2,
    )


def _numbered(by_label: Mapping[Any, _Fill], names: Mapping[int, str]) -> dict[int, _Fill]:
    """The materials by number."""
    found: dict[int, _Fill] = {}
    for one, fill in by_label.items():
        numbers = [label for label, name in names.items() if name == one] if isinstance(one, str) else [one]
        if not numbers:
            raise unknown_name("label", one, names.values())
        found.update(dict.fromkeys(numbers, fill))
    return found


def as_density_model(materials: object) -> DensityModel:
    """The model itself, or the one that a name stands for.

    Args:
        materials: `"continuous"`, `"three_class"`, or a model.

    Raises:
        TypeError: if it is neither a name nor a model.
        ValueError: for another name.

    Example:
        >>> as_density_model("three_class").method
        'three_class'
    """
    if isinstance(materials, str):
        return MaterialModel(method=materials)  # type: ignore[arg-type]
    if not isinstance(materials, DensityModel) or isinstance(materials, type):
        raise TypeError(
            f"materials must be 'continuous', 'three_class' or a model with a method `densities`, got {materials!r}"
        )
    return materials


def scaled(
    area_densities: Tensor, materials: Sequence[Material], density_factors: Mapping[Material | str, float | Tensor]
) -> Tensor:
    """Multiply the area densities of some materials by factors.

    Args:
        area_densities: [*batch, M, H, W], g/cm².
        materials: the M materials.
        density_factors: for each material a number, or a tensor [*batch] with a value per picture; differentiable.

    Returns:
        [*batch, M, H, W], g/cm².

    Raises:
        ValueError: if a factor is for a material that is not among these, is negative or not finite, or does not fit
            the batch.

    Example:
        >>> from deepdrr.materials import material
        >>> scaled(torch.ones(1, 1, 1), [material("water")], {"water": 1.5})
        tensor([[[1.5000]]])
    """
    if not density_factors:
        return area_densities
    factors = {as_material(name): factor for name, factor in density_factors.items()}
    if other := [m.name for m in factors if m not in materials]:
        raise ValueError(f"density_factors must be for {', '.join(m.name for m in materials)}, got {other[0]!r}")
    batch = area_densities.shape[:-3]
    columns = [_factor(factors.get(m, 1.0), m, area_densities).expand(batch) for m in materials]
    return area_densities * torch.stack(columns, dim=-1)[..., None, None]


def _factor(value: float | Tensor, material: Material, like: Tensor) -> Tensor:
    """A factor as a tensor that broadcasts to the batch of `like`."""
    factor = torch.as_tensor(value).to(like)
    if not bool((torch.isfinite(factor.detach()) & (factor.detach() >= 0)).all()):
        raise ValueError(f"density_factors of {material.name!r} must be finite and not negative, got {value}")
    batch = like.shape[:-3]
    if factor.ndim > len(batch) or any(n not in (1, b) for n, b in zip(factor.shape[::-1], batch[::-1], strict=False)):
        raise ValueError(
            f"density_factors of {material.name!r} must be a number or fit the batch {tuple(batch)}, "
            f"got shape {tuple(factor.shape)}"
        )
    return factor
