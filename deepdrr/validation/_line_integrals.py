"""Line integrals and transmission of a slab, a sphere and a cylinder of water."""

import torch

from deepdrr.camera import Camera
from deepdrr.detector import EnergyIntegratingDetector
from deepdrr.projector import Projector
from deepdrr.spectrum import monochromatic
from deepdrr.validation._check import Check, Curve, Figure, Group
from deepdrr.validation._phantoms import OBLIQUE, POSES_DEG, Body, Shape, camera_at

__all__ = ["body_checks", "line_integral_group"]

_KEV = 60.0
_LIMIT = 0.001
_SHAPES: tuple[Shape, ...] = ("slab", "sphere", "cylinder")
_STRAIGHT = torch.eye(4, dtype=torch.float64)


def line_integral_group(short: bool) -> Group:
    """Check the three bodies on two grids in four views."""
    grids = {"oblique": OBLIQUE} if short else {"straight": _STRAIGHT, "oblique": OBLIQUE}
    poses = POSES_DEG[1:3] if short else POSES_DEG
    checks: list[Check] = []
    for shape in _SHAPES:
        for grid, affine in grids.items():
            body = Body(shape, affine)
            for pose in poses:
                checks += body_checks(body, pose, grid)
    return Group(
        title="Line integrals and transmission of simple bodies",
        text=(
            "Water (0 HU) on straight and on oblique, anisotropic grids, seen from four sides at 60 keV, against "
            "closed forms. Each row is the ray with the largest error: of the line integral relative to the largest "
            "one, of the transmission relative to its own. Round bodies have an edge 4 mm wide; their rays pass within "
            "a third of the radius of the middle."
        ),
        checks=tuple(checks),
        figures=(_figure(),),
    )


def body_checks(body: Body, pose_deg: tuple[float, float, float], grid: str, pixels: int = 96) -> list[Check]:
    """The worst line integral and the worst transmission of one view."""
    camera = camera_at(pose_deg, pixels)
    expected, holds = body.expected(camera, _KEV)
    found, transmission = _seen(body, camera)
    name = f"{body.shape}, {grid} grid, pose {'/'.join(f'{angle:g}' for angle in pose_deg)}°"
    largest = float(expected[holds].max())
    error, behind = (found - expected)[holds], torch.exp(-expected)[holds]
    at = int(error.abs().argmax())
    ratio = transmission[holds] / behind
    worst_ray = int((ratio - 1).abs().argmax())
    return [
        Check(
            name=f"line integral, {name}",
            value=float(found[holds][at]),
            reference=float(expected[holds][at]),
            source="closed form",
            limit=_LIMIT * largest,
            kind="absolute",
        ),
        Check(
            name=f"transmission, {name}",
            value=float(transmission[holds][worst_ray]),
            reference=float(behind[worst_ray]),
            source="closed form",
            # An error of 0.1 % of the line integral, in the transmission.
            limit=_LIMIT * max(1.0, largest),
        ),
    ]


def _seen(body: Body, camera: Camera) -> tuple[torch.Tensor, torch.Tensor]:
    with Projector(
        body.volume,
        carm=camera,
        spectrum=monochromatic(_KEV),
        detector=EnergyIntegratingDetector(),
    ) as projector:
        found = projector.project("line_integrals", "expected_image", "open_field")
    return found["line_integrals"].double(), found["expected_image"].double() / found["open_field"].double()


def _figure() -> Figure:
    camera = camera_at((0.0, 0.0, 0.0), 96)
    columns = tuple((torch.arange(96) - 47.5).mul(1536 * 0.194 / 96).tolist())
    curves = []
    for shape in _SHAPES:
        body = Body(shape, OBLIQUE)
        expected, _ = body.expected(camera, _KEV)
        found, _ = _seen(body, camera)
        curves.append(Curve(shape, columns, tuple(found[48].tolist())))
        curves.append(Curve("", columns[::4], tuple(expected[48, ::4].tolist()), dots=True))
    return Figure(
        title="Line integrals across the middle row, oblique grid: lines ours, dots closed form of the sharp body",
        x_label="position on the detector, mm",
        y_label="∫ µ dℓ",
        curves=tuple(curves),
    )
