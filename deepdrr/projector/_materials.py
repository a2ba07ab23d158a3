"""How the voxels of a CT become materials: the choices of `decompose`, kept together."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor

from deepdrr.data import Volume
from deepdrr.materials import ContrastAgent, Densities, MatchHU, Material, decompose, with_contrast

__all__ = ["MaterialModel"]


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
            ValueError: if materials are given by label and the volume has no labels.
        """
        kvp = self.ct_kvp or volume.source.kvp or 120.0
        found = decompose(
            volume.hu, method=self.method, ct_kvp=kvp, labels=volume.labels, label_materials=self.by_label or None
        )
        for agent, mg_per_ml in self.contrast.items():
            found = with_contrast(found, mg_per_ml, agent=agent)
        return found
