"""Contrast media as a field: a concentration per voxel, in addition to the material found from the HU."""

from typing import Literal, get_args

import torch
from torch import Tensor

from deepdrr.materials._contrast import BARIUM_SULFATE, IOHEXOL
from deepdrr.materials._decompose import Densities

__all__ = ["ContrastAgent", "with_contrast"]

ContrastAgent = Literal["iodine", "barium"]


def with_contrast(densities: Densities, mg_per_ml: Tensor, *, agent: ContrastAgent = "iodine") -> Densities:
    """Add a contrast medium to the voxels.

    The solute displaces volume: a fraction v of each voxel is solute; the rest keeps its composition, and its densities
    are multiplied by (1 − v). So a vessel of blood (by HU or by label) with 10 mg/ml becomes
    `iodine_contrast(10, base="blood")`.

    Args:
        densities: densities of the patient, as `decompose` returns them.
        mg_per_ml: concentration in each voxel, in the shape of one material's density: mg of iodine (as iohexol) or
            of barium sulfate per ml. Differentiable.
        agent: `"iodine"` or `"barium"`.

    Returns:
        The densities with one more material, iohexol or barium sulfate.

    Raises:
        ValueError: if the shape differs, a concentration is negative, not finite or more than a voxel can hold, or the
            agent is unknown.

    Example:
        >>> from deepdrr.materials import decompose
        >>> patient = decompose(torch.tensor([0.0, 40.0, 40.0]))
        >>> filled = with_contrast(patient, torch.tensor([0.0, 0.0, 10.0]))
        >>> filled.materials[-1].name, f"{filled.values[-1, 2]:.4f} g/cm³"
        ('iohexol', '0.0216 g/cm³')
    """
    if agent not in get_args(ContrastAgent):
        raise ValueError(f"agent must be one of {', '.join(get_args(ContrastAgent))}, got {agent!r}")
    shape = tuple(densities.values.shape[1:])
    if tuple(mg_per_ml.shape) != shape:
        raise ValueError(f"mg_per_ml must have the shape of the voxels, {shape}, got {tuple(mg_per_ml.shape)}")
    solute = IOHEXOL if agent == "iodine" else BARIUM_SULFATE
    per_mg = 1e-3 / (solute.composition["I"] if agent == "iodine" else 1.0)
    _check_range(mg_per_ml.detach(), solute.density_g_cm3 / per_mg)
    g_per_ml = mg_per_ml.to(densities.values) * per_mg
    diluted = densities.values * (1 - g_per_ml / solute.density_g_cm3)
    if solute in densities.materials:
        diluted[densities.materials.index(solute)] += g_per_ml
        return Densities(densities.materials, diluted)
    return Densities((*densities.materials, solute), torch.cat([diluted, g_per_ml[None]]))


def _check_range(mg_per_ml: Tensor, most: float) -> None:
    if not mg_per_ml.numel():
        return
    low, high = (float(end) for end in torch.aminmax(mg_per_ml))
    if not (low >= 0 and high < most):  # also false for NaN
        raise ValueError(f"mg_per_ml must be from 0 to below {most:.0f}, the pure solute, got {low:g} to {high:g}")
