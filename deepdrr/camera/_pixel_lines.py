"""The rays of all pixels of a camera by a few numbers."""

from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["Lines", "pixel_lines"]

Array = TypeVar("Array", Tensor, NDArray[np.float64])
# (rows, columns) of the source, (rows, columns) of the target.
Lines: TypeAlias = tuple[tuple[Array, Array], tuple[Array, Array]]


def pixel_lines(
    camera_from_world: Array, k_inv: Array, sdd_mm: Array, u: Array, v: Array, *, orthographic: bool
) -> Lines[Array]:
    """Each end of a ray as the sum of a place for its row and one for its column of pixels.

    (u, v, 1) ↦ R⁻¹ K⁻¹ sdd (u, v, 1) + source is affine in u and in v.

    Args:
        camera_from_world: poses [..., 4, 4].
        k_inv: inverse intrinsics [..., 3, 3].
        sdd_mm: source-to-detector distance [...].
        u, v: centres of the columns [W] and of the rows [H], pixels.
        orthographic: whether the rays are parallel.

    Returns:
        (rows, columns) of the source, (rows, columns) of the target: each broadcasts to [..., H, W, 3], world mm.
        All of PyTorch or all of NumPy, as the arguments are.
    """
    inverse = camera_from_world[..., :3, :3].swapaxes(-1, -2)
    source = -(inverse @ camera_from_world[..., :3, 3:])[..., None, None, :, 0]
    world_from_pixel = (inverse @ k_inv * sdd_mm[..., None, None])[..., None, None, :, :]
    columns = u[:, None] * world_from_pixel[..., 0]
    rows = v[:, None, None] * world_from_pixel[..., 1] + (world_from_pixel[..., 2] + source)
    if orthographic:
        back = (camera_from_world[..., 2, :3] * sdd_mm[..., None])[..., None, None, :]
        return (rows - back, columns), (rows, columns)
    return (source, 0.0 * source), (rows, columns)
