"""How far each ray leans off the detector's normal."""

from torch import Tensor

from deepdrr.camera._camera import Camera
from deepdrr.camera._pixels import pixel_centers

__all__ = ["ray_slopes"]


def ray_slopes(camera: Camera) -> tuple[Tensor, Tensor]:
    """Slopes of the rays of a point source against the detector's normal, along the camera's x and y.

    Args:
        camera: the geometry [...].

    Returns:
        (x / z, y / z), two float64 tensors that broadcast to [..., H, W]; differentiable in the intrinsics.

    Example:
        >>> camera = Camera.carm(sdd_mm=1000, sid_mm=500, height=2, width=1, pixel_mm=100.0)
        >>> ray_slopes(camera)[1]
        tensor([[-0.0500],
                [ 0.0500]], dtype=torch.float64)
    """
    k = camera.intrinsics.double()
    u, v = pixel_centers(camera.height, camera.width, k)
    fx, skew, cx, fy, cy = (k[..., i, j, None, None] for i, j in ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2)))
    y = (v[:, None] - cy) / fy
    return (u - cx - skew * y) / fx, y
