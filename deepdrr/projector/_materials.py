"""How the voxels of a CT become materials: the choices of `decompose`, kept together."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor

from deepdrr.data import Volume
from deepdrr.materials import CT_KVP_RANGE, ContrastAgent, Densities, MatchHU, Material, decompose, with_contrast

__all__ = ["MaterialModel"]

_USUAL_CT_KVP = 120.0


@dataclass(frozen=True, kw_only=True)
class MaterialModel:
    """What a voxel is made of.

    Attributes:
        method: `"continuous"` (composition and density continuous in HU) or `"three_class"` (hard thresholds to
            air, soft tissue and bone).
        ct_kvp: tube voltage of the CT scan, kV; None for the one in the scan's header, or 120 where it has none.
        by_label: material of the voxels of a label, at its own density, or `MatchHU(material)` at the density that
            gives the voxel's HU. The way to say what is metal.
        contrast: mg of iodine or of barium sulfate per ml in each voxel [I, J, K], by agent; see `with_contrast`.

    Example:
        >>> MaterialModel(by_label={3: "titanium"}).method
        'continuous'
    """

    method: Literal["continuous", "three_class"] = "continuous"
    ct_kvp: float | None = None
    by_label: Mapping[int, Material | str | MatchHU] = field(default_factory=dict)
    contrast: Mapping[ContrastAgent, Tensor] = field(default_factory=dict, compare=False)

    def densities(self, volume: Volume) -> Densities:
        """Densities of the basis materials in every voxel of a volume.

        Raises:
            ValueError: if materials are given by label and the volume has no labels, or the tube voltage is out of
                range.

        Warns:
            UserWarning: if a material is given for a label that no voxel has.
        """
        found = decompose(
            volume.hu,
            method=self.method,
            ct_kvp=self._tube_voltage(volume),
            labels=volume.labels,
            label_materials=self.by_label or None,
        )
        self._warn_of_absent_labels(volume)
        for agent, mg_per_ml in self.contrast.items():
            found = with_contrast(found, mg_per_ml, agent=agent)
        return found

    def _tube_voltage(self, volume: Volume) -> float:
        if self.ct_kvp is not None:
            return self.ct_kvp
        stated = volume.source.kvp or _USUAL_CT_KVP
        low, high = CT_KVP_RANGE
        if not low <= stated <= high:
            raise ValueError(f"ct_kvp must be given, {low:g} to {high:g} kV: the header of the CT has {stated:g} kV")
        return stated

    def _warn_of_absent_labels(self, volume: Volume) -> None:
        absent = [label for label in self.by_label if volume.labels is None or not bool((volume.labels == label).any())]
        if absent:
            warnings.warn(
                f"by_label has a material for {', '.join(map(str, absent))}, but no voxel of the CT has such a label",
                UserWarning,
                stacklevel=2,
            )
