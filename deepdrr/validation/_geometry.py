"""The places of marks on the image, and the magnification."""

import torch
from torch import Tensor

from deepdrr import geo
from deepdrr.device import MobileCArm
from deepdrr.projector import Projector
from deepdrr.spectrum import monochromatic
from deepdrr.validation._check import Check, Group
from deepdrr.validation._phantoms import OBLIQUE, POSES_DEG, centered, water_volume

__all__ = ["geometry_group", "magnification_check", "marker_checks"]

_VOXEL = (30, 9, 20)
_PIXEL_LIMIT = 0.1


def geometry_group(short: bool) -> Group:
    """Check marks in two or four views, and the magnification."""
    poses = POSES_DEG[1:3] if short else POSES_DEG
    checks = [check for pose in poses for check in marker_checks(pose)]
    return Group(
        title="Geometry and magnification",
        text=(
            "A bright voxel of an oblique, displaced volume: the centre of mass of its image, in pixels of 0.194 mm, "
            "against the projection of its centre by the camera. Magnification: the distance between the images of two "
            "bright voxels in the plane of the isocenter."
        ),
        checks=(*checks, *(magnification_check(pose[0]) for pose in poses)),
    )


def marker_checks(pose_deg: tuple[float, float, float]) -> list[Check]:
    """Column and row of the mark's image."""
    hu = torch.full((41, 37, 33), -1000.0)
    hu[_VOXEL] = 1500.0
    affine = centered(OBLIQUE, tuple(hu.shape))
    volume = water_volume(hu, affine)
    volume.rotate((0, 1, 1), 10.0)
    volume.translate((3.0, -4.0, 5.0))
    alpha, beta, gamma = pose_deg
    camera = MobileCArm(alpha=alpha, beta=beta, gamma=gamma).camera
    mark = geo.transform_points(volume.world_from_ijk, torch.tensor(_VOXEL).double())
    expected = camera.project_points(mark)
    corner = (expected - 24).floor()
    window = camera.cropped(top=int(corner[1]), left=int(corner[0]), height=48, width=48)
    with Projector(volume, carm=window, spectrum=monochromatic(60.0)) as projector:
        found = _centroid(projector.project("line_integrals")["line_integrals"].double()) + corner
    return [
        _pixel_check(f"marker, {axis}, pose {_name(pose_deg)}", float(found[i]), float(expected[i]), "project_points")
        for i, axis in enumerate(("column", "row"))
    ]


def magnification_check(alpha_deg: float) -> Check:
    """Two voxels on the axis along the patient, 96 mm apart, which every turn by alpha sees at the same size."""
    hu = torch.full((5, 5, 99), -1000.0)
    hu[2, 2, [1, 97]] = 1500.0
    volume = water_volume(hu, centered(torch.eye(4, dtype=torch.float64), tuple(hu.shape)))
    arm = MobileCArm(alpha=alpha_deg, beta=0.0, gamma=0.0)
    with Projector(volume, carm=arm.camera.cropped(218, 708, 1100, 120), spectrum=monochromatic(60.0)) as projector:
        image = projector.project("line_integrals")["line_integrals"].double()
    upper, lower = _centroid(image[:550]), _centroid(image[550:])
    return _pixel_check(
        f"distance of two marks, 96 mm × SDD / SID, alpha {alpha_deg:g}°",
        550 + float(lower[1] - upper[1]),
        96.0 * arm.geometry.sdd_mm / arm.geometry.sid_mm / arm.geometry.pixel_mm,
        "intercept theorem",
    )


def _pixel_check(name: str, value: float, reference: float, source: str) -> Check:
    return Check(
        name=name, value=value, reference=reference, unit="px", source=source, limit=_PIXEL_LIMIT, kind="absolute"
    )


def _centroid(image: Tensor) -> Tensor:
    """Centre of mass (u, v) of an image, pixel centres at +0.5."""
    rows, columns = (torch.arange(n).double() + 0.5 for n in image.shape)
    return torch.stack([(image * columns).sum(), (image * rows[:, None]).sum()]) / image.sum()


def _name(pose_deg: tuple[float, float, float]) -> str:
    return "/".join(f"{angle:g}" for angle in pose_deg) + "°"
