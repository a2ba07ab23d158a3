"""Decompose HU into densities of basis materials, the first physical step of the pipeline."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from deepdrr._numbers import plain
from deepdrr.materials._basis import basis_materials
from deepdrr.materials._contrast import IOHEXOL
from deepdrr.materials._ct_beam import check_ct_kvp, density_from_hu
from deepdrr.materials._hu_table import continuous_densities, three_class_densities
from deepdrr.materials._material import Material
from deepdrr.materials._registry import as_material, material
from deepdrr.materials._vessel import IodineAbove, iodine_densities

__all__ = ["Densities", "MatchHU", "Method", "decompose"]

Method = Literal["continuous", "three_class"]

_CHUNK = 1 << 21  # voxels; the working set stays below 50 MB


@dataclass(frozen=True, eq=False)
class Densities:
    """Density of each basis material in each voxel.

    Attributes:
        materials: M materials.
        values: [M, ...] float32 in g/cm³; the axes after M are those of the HU.
    """

    materials: tuple[Material, ...]
    values: Tensor

    def of(self, name: Material | str) -> Tensor:
        """Density of one of the materials, g/cm³.

        Raises:
            ValueError: if the material is not part of the basis.
        """
        wanted = as_material(name)
        if wanted not in self.materials:
            raise ValueError(f"material must be one of {[m.name for m in self.materials]}, got {wanted.name!r}")
        return self.values[self.materials.index(wanted)]


@dataclass(frozen=True)
class MatchHU:
    """A labelled material whose density follows the voxel's HU instead of the material's own density."""

    material: Material | str


LabelMaterials = Mapping[int, Material | str | MatchHU | IodineAbove]


def decompose(
    hu: Tensor,
    *,
    method: Method = "continuous",
    ct_kvp: float = 120.0,
    labels: Tensor | None = None,
    label_materials: LabelMaterials | None = None,
) -> Densities:
    """Densities of basis materials from a CT in HU.

    `"continuous"`: composition after Schneider 2000, interpolated in HU without a jump and written in three basis
    materials; density such that the mixture has the voxel's HU in the CT's beam. At and below −1000 HU the density is
    0 (HU count from air, see `hu_from_density`); above 1550 HU a voxel is cortical bone of growing density:
    **metal is never guessed**, label it.

    `"three_class"`: DeepDRR's published thresholds, air ≤ −800 < soft tissue ≤ 350 < bone with
    density max(0, min(1.03 + 0.001029 HU, 1.03 + 0.0005886 HU)). The result jumps by 500 HU at the bone threshold.

    Args:
        hu: CT numbers, any shape. Differentiable.
        method: `"continuous"` or `"three_class"`.
        ct_kvp: tube voltage of the CT scan in kV, 70 to 150.
        labels: integers in the shape of `hu`; required with `label_materials`.
        label_materials: for each label, the material that fills its voxels: at the material's own density, or with
            `MatchHU(material)` at the density that shows the voxel's HU; or `IodineAbove()`, blood with as much
            contrast medium as shows the HU of a vessel above blood. Unlisted labels follow `method`.

    Returns:
        The materials and their densities [M, ...], float32.

    Raises:
        ValueError: if HU are NaN or infinite, the method or a material is unknown, or labels are missing or have
            another shape.
        TypeError: if `hu` is not a tensor.

    Example:
        >>> found = decompose(torch.tensor([-1000.0, 0.0, 1550.0]))
        >>> [m.name for m in found.materials], tuple(found.values.shape)
        (['adipose 3', 'soft tissue', 'cortical bone'], (3, 3))
    """
    ct_kvp = plain(ct_kvp)
    _check(hu, method, ct_kvp, labels, label_materials)
    fills = {label: _as_fill(value) for label, value in (label_materials or {}).items()}
    base = basis_materials() if method == "continuous" else _three_classes()
    found = tuple(dict.fromkeys([*base, *(part for fill in fills.values() for part in _materials_of(fill))]))
    values = _from_hu(hu, method, ct_kvp, len(found))
    for label, fill in fills.items():
        assert labels is not None
        inside = labels.to(hu.device) == label
        if isinstance(fill, IodineAbove):
            above, *parts = iodine_densities(fill, hu[inside], ct_kvp)
            inside = inside.masked_scatter(inside, above)
        elif isinstance(fill, MatchHU):
            parts = [density_from_hu(fill.material, hu[inside], ct_kvp=ct_kvp)]
        else:
            parts = [torch.tensor(fill.density_g_cm3)]
        values[:, inside] = 0.0
        for part, density in zip(_materials_of(fill), parts, strict=True):
            values[found.index(part), inside] = density.to(values)
    return Densities(found, values)


def _from_hu(hu: Tensor, method: Method, ct_kvp: float, channels: int) -> Tensor:
    """Densities [channels, ...]: those of the method's basis, then zeros in the remaining channels."""
    if hu.requires_grad:
        flat = hu.reshape(-1)
        base = continuous_densities(flat, ct_kvp) if method == "continuous" else three_class_densities(flat)
        rest = base.new_zeros(channels - len(base), flat.numel())
        return torch.cat([base, rest]).reshape(channels, *hu.shape).float()
    flat = hu.reshape(-1)
    values = torch.empty(channels, flat.numel(), dtype=torch.float32, device=hu.device)
    values[3:] = 0.0
    for start in range(0, flat.numel(), _CHUNK):
        piece, out = flat[start : start + _CHUNK].float(), values[:3, start : start + _CHUNK]
        _check_finite(piece)
        if method == "continuous":
            continuous_densities(piece, ct_kvp, out)
        else:
            three_class_densities(piece, out)
    return values.reshape(channels, *hu.shape)


def _three_classes() -> tuple[Material, ...]:
    return material("air"), material("soft tissue"), material("cortical bone")


def _as_fill(value: Material | str | MatchHU | IodineAbove) -> Material | MatchHU | IodineAbove:
    return value if isinstance(value, MatchHU | IodineAbove) else as_material(value)


def _materials_of(fill: Material | MatchHU | IodineAbove) -> tuple[Material, ...]:
    """The materials of which the voxels of a label consist."""
    if isinstance(fill, IodineAbove):
        return as_material(fill.base), IOHEXOL
    return (as_material(fill.material),) if isinstance(fill, MatchHU) else (fill,)


def _check(
    hu: Tensor, method: str, ct_kvp: float, labels: Tensor | None, label_materials: LabelMaterials | None
) -> None:
    if not isinstance(hu, Tensor):
        raise TypeError(f"hu must be a torch.Tensor, got {type(hu).__name__}")
    if method not in ("continuous", "three_class"):
        raise ValueError(f"method must be 'continuous' or 'three_class', got {method!r}")
    check_ct_kvp(ct_kvp)
    if hu.requires_grad:
        _check_finite(hu.detach())
    if label_materials and labels is None:
        raise ValueError("label_materials needs labels, the label of each voxel, but labels is None")
    if labels is not None and labels.shape != hu.shape:
        raise ValueError(f"labels must have the shape of hu, {tuple(hu.shape)}, got {tuple(labels.shape)}")


def _check_finite(hu: Tensor) -> None:
    if hu.numel():
        low, high = torch.aminmax(hu)
        if not bool(torch.isfinite(low) & torch.isfinite(high)):
            count = int((~torch.isfinite(hu)).sum())
            raise ValueError(f"hu must be finite, got {count} or more voxels that are NaN or infinite")
