"""Refuse poses that no C-arm can take: with the source or the detector inside the patient; or draw another."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from deepdrr._numbers import as_count
from deepdrr.camera import Camera
from deepdrr.geometry import transform_points
from deepdrr.projector._body import Body

__all__ = ["check_clearance", "clear_camera", "reason_inside"]

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
    reason = _reason_against(volume, camera)
    if reason is not None:
        raise ValueError(reason)


def clear_camera(
    draw: Callable[[torch.Generator], Camera],
    volumes: Sequence[Body],
    generator: torch.Generator,
    *,
    tries: int = 100,
) -> Camera:
    """Draw cameras until one has source and detector outside all volumes, see `check_clearance`.

    So a random pose that no C-arm can take does not end an epoch. What is left is not distributed as it was drawn:
    the poses inside the body are missing.

    Args:
        draw: makes a camera from random numbers of the generator.
        volumes: the objects in the beam, placed in the world.
        generator: source of the random numbers; the same state gives the same camera.
        tries: the most cameras to draw.

    Returns:
        The first camera that is clear.

    Raises:
        ValueError: if none of them is; the message has the reason against the last one.

    Example:
        >>> from deepdrr import MobileCArm, Volume
        >>> from deepdrr.resources import resource_path
        >>> ct = Volume.from_nifti(resource_path("data/ct/pelvis.nii.gz"))
        >>> ct.orient_patient(head_first=True, supine=True)
        >>> def draw(generator: torch.Generator) -> Camera:
        ...     height_mm = float(600 * torch.rand((), generator=generator) - 300)
        ...     return MobileCArm((0, height_mm, 0)).camera
        >>> camera = clear_camera(draw, [ct], torch.Generator().manual_seed(0))
    """
    reason = None
    for _ in range(as_count(tries, "tries")):
        camera = draw(generator)
        reasons = (_reason_against(volume, camera) for volume in volumes)
        reason = next((found for found in reasons if found is not None), None)
        if reason is None:
            return camera
    raise ValueError(f"no clear pose among {tries} that were drawn; of the last: {reason}")


def _reason_against(volume: Body, camera: Camera) -> str | None:
    ends = [] if camera.orthographic else [(camera.source_world.detach().reshape(-1, 3), "source")]
    found = (reason_inside(volume, points, what) for points, what in [*ends, (_detector_points(camera), "detector")])
    return next((reason for reason in found if reason is not None), None)


def _detector_points(camera: Camera) -> Tensor:
    fraction = torch.linspace(0.0, 1.0, _DETECTOR_POINTS, dtype=torch.float64)
    v, u = torch.meshgrid(fraction * camera.height, fraction * camera.width, indexing="ij")
    pixels = torch.stack([u, v], dim=-1).reshape(-1, 2)
    return camera.to(torch.float64).backproject(pixels.expand(*camera.batch_shape, -1, -1)).detach().reshape(-1, 3)


def reason_inside(volume: Body, points_world: Tensor, what: str) -> str | None:
    """Why points [N, 3], world mm, of what they are cannot be where they are: inside the patient; None if they can."""
    for index, inside in zip(*_enclosed(volume.hu, _voxels(volume, points_world)), strict=True):
        if inside:
            where = ", ".join(f"{c:.0f}" for c in points_world[index].tolist())
            return (
                f"the {what} must be outside the patient, got a pose with the {what} at ({where}) mm in the body: "
                "move the isocenter to the patient's centre, or check the source-to-isocenter distance"
            )
    return None


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
