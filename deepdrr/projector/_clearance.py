"""Refuse poses that no C-arm can take: with the source or the detector inside the patient."""

import torch
from torch import Tensor

from deepdrr.camera import Camera
from deepdrr.geometry import transform_points
from deepdrr.projector._scene import Body

__all__ = ["check_clearance"]

# Between air (−1000 HU) and lung (about −800 HU) on one side and fat (about −100 HU) on the other.
_BODY_HU = -400.0
# Points per detector side: 33 over a 300 mm panel are 9 mm apart, less than any body part in the way.
_DETECTOR_POINTS = 33


def check_clearance(volume: Body, camera: Camera) -> None:
    """Refuse a camera whose source or detector is inside the patient.

    A point is inside if, along both the first and the second axis of the voxel grid, there is body (above −400 HU) on
    either side of it. So a source in a lung or a bowel is refused too; one between an arm and the chest is not.

    Args:
        volume: the patient, placed in the world.
        camera: the geometry, batched or not. The source of an orthographic camera is at infinity and not checked.

    Raises:
        ValueError: if it is inside; the message names source or detector, and the point in world mm.
    """
    if not camera.orthographic:
        _refuse(volume, camera.source_world.detach().reshape(-1, 3), "source")
    _refuse(volume, _detector_points(camera), "detector")


def _detector_points(camera: Camera) -> Tensor:
    fraction = torch.linspace(0.0, 1.0, _DETECTOR_POINTS, dtype=torch.float64)
    v, u = torch.meshgrid(fraction * camera.height, fraction * camera.width, indexing="ij")
    pixels = torch.stack([u, v], dim=-1).reshape(-1, 2)
    return camera.to(torch.float64).backproject(pixels.expand(*camera.batch_shape, -1, -1)).detach().reshape(-1, 3)


def _refuse(volume: Body, points_world: Tensor, what: str) -> None:
    for index, inside in zip(*_enclosed(volume.hu, _voxels(volume, points_world)), strict=True):
        if inside:
            where = ", ".join(f"{c:.0f}" for c in points_world[index].tolist())
            raise ValueError(
                f"the {what} must be outside the patient, got a pose with the {what} at ({where}) mm in the body: "
                "move the isocenter to the patient's centre, or check the source-to-isocenter distance"
            )


def _voxels(volume: Body, points_world: Tensor) -> Tensor:
    points_ijk = transform_points(volume.ijk_from_world, points_world.to(torch.float64))
    return torch.round(points_ijk).long()


def _enclosed(hu: Tensor, voxels: Tensor) -> tuple[list[int], list[bool]]:
    """Which of the voxels [N, 3] that lie on the grid have body on both sides along both in-plane axes."""
    size = torch.tensor(hu.shape)
    on_grid = ((voxels >= 0) & (voxels < size)).all(dim=-1).nonzero()[:, 0].tolist()
    flags = []
    for i, j, k in voxels[on_grid].tolist():
        lines = ((hu[:, j, k], i), (hu[i, :, k], j))
        flags.append(all(_between(line > _BODY_HU, at) for line, at in lines))
    return on_grid, flags


def _between(body: Tensor, at: int) -> bool:
    return bool(body[: at + 1].any()) and bool(body[at:].any())
