"""The two rules from HU to densities: a table in 1 HU steps (continuous) and thresholds (three classes)."""

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from deepdrr._snapshot import lasting
from deepdrr.materials._basis import basis_materials, basis_weights
from deepdrr.materials._ct_beam import effective_mass_attenuation
from deepdrr.materials._schneider import composition_weights

__all__ = ["continuous_densities", "three_class_densities"]

LOW_HU, HIGH_HU = -1000, 4096
AIR_BELOW_HU, BONE_ABOVE_HU = -800, 350


def continuous_densities(hu: Tensor, ct_kvp: float, out: Tensor | None = None) -> Tensor:
    """Look up densities in the table, linear between whole HU.

    Args:
        hu: [N] float32 or float64, finite.
        ct_kvp: tube voltage of the CT scan in kV.
        out: [M, N] float32 to write into, if no gradient is needed.

    Returns:
        [M, N] in g/cm³.
    """
    table = _table(ct_kvp)
    at = hu.clamp(min=LOW_HU) - LOW_HU
    index = at.detach().to(torch.int64).clamp(max=HIGH_HU - LOW_HU - 1)  # beyond the table, extrapolate its last step
    fraction = at - index
    if out is None:
        return torch.stack([row[index] + fraction * (row[index + 1] - row[index]) for row in table.to(hu.dtype)])
    for row, densities in zip(table, out, strict=True):
        torch.index_select(row, 0, index, out=densities)
    if bool(fraction.any()):
        for row, densities in zip(table.diff(), out, strict=True):
            densities.addcmul_(fraction.to(densities.dtype), torch.index_select(row, 0, index))
    return out


def three_class_densities(hu: Tensor, out: Tensor | None = None) -> Tensor:
    """Air, soft tissue and bone by DeepDRR's published thresholds and densities.

    Args:
        hu: [N], finite.
        out: [3, N] float32 to write into, if no gradient is needed.

    Returns:
        [3, N] in g/cm³.
    """
    density = torch.minimum(1.03 + 0.001029 * hu, 1.03 + 0.0005886 * hu).clamp(min=0)
    air, bone = hu <= AIR_BELOW_HU, hu > BONE_ABOVE_HU
    classes = [torch.where(mask, density, 0.0) for mask in (air, ~(air | bone), bone)]
    return torch.stack(classes) if out is None else out.copy_(torch.stack(classes))


@lru_cache(maxsize=16)
@lasting()
def _table(ct_kvp: float) -> Tensor:
    """[M, HIGH_HU - LOW_HU + 1] float32: the densities at whole HU."""
    hu = np.arange(LOW_HU, HIGH_HU + 1, dtype=np.float64)
    shape = composition_weights(hu) @ basis_weights()  # [N, M], sum about 1: composition without density
    attenuation = np.array([effective_mass_attenuation(part, ct_kvp) for part in basis_materials()])
    wanted = effective_mass_attenuation("water", ct_kvp) * (1 + hu / 1000)
    values = shape * (wanted / (shape @ attenuation))[:, None]
    return torch.from_numpy(values.T.astype(np.float32).copy())
