"""Scenes that several raycast tests share."""

from dataclasses import replace

import torch
from torch import Tensor
from torch.testing import assert_close

from deepdrr.camera import Camera
from deepdrr.geometry import rigid, rotation
from deepdrr.raycast import Field, Rays, project

# One voxel thick along each axis, tiny, anisotropic: (shape, spacing).
GRIDS = [
    ((21, 17, 19), (0.9, 1.1, 1.3)),
    ((1, 14, 15), (2.0, 1.0, 1.0)),
    ((14, 1, 15), (1.0, 2.0, 1.0)),
    ((14, 15, 1), (1.0, 1.0, 2.0)),
    ((1, 1, 1), (3.0, 3.0, 3.0)),
    ((9, 30, 4), (0.3, 0.4, 5.0)),
]
# What a scene has derivatives with respect to.
INPUTS = ("values", "ijk_from_world", "source", "target", "start", "stop")
# A limit or the placement moves points of the rays by up to the distance between source and detector.
LEVER_MM = {"ijk_from_world": 1000.0, "start": 1000.0, "stop": 1000.0}


def grid(shape: tuple[int, int, int], spacing: tuple[float, float, float], turn_deg: float = 0.0) -> Tensor:
    """ijk_from_world of a grid centred on the origin, turned about an oblique axis."""
    world_from_ijk = torch.eye(4, dtype=torch.float64)
    turn = rotation((1, -2, 0.5), turn_deg)
    world_from_ijk[:3, :3] = turn * torch.tensor(spacing, dtype=torch.float64)
    center = (torch.tensor(shape, dtype=torch.float64) - 1) / 2
    world_from_ijk[:3, 3] = -world_from_ijk[:3, :3] @ center
    return torch.linalg.inv(world_from_ijk)


def carm(
    height: int, width: int, field_of_view_mm: float, angles_deg: tuple[float, float, float] = (20, -35, 10)
) -> Camera:
    """A C-arm whose detector shows a given length at the isocenter; turned off every symmetry."""
    pixel = field_of_view_mm * 1020 / 530 / height
    return Camera.carm(
        sdd_mm=1020,
        sid_mm=530,
        height=height,
        width=width,
        pixel_mm=pixel,
        angles_deg=angles_deg,
        isocenter=(0.3, -0.2, 0.1),
    )


def noise(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Values with no structure: the hardest case for interpolation."""
    return torch.rand(shape, generator=generator)


def rays(*ends: tuple[tuple[float, float, float], tuple[float, float, float]]) -> Rays:
    """A row [1, N] of rays from pairs of end points."""
    points = torch.tensor(ends, dtype=torch.float64)
    return Rays(points[None, :, 0], points[None, :, 1])


def box_chord(bundle: Rays, world_from_box: Tensor, half_edges: Tensor) -> Tensor:
    """Length of rays inside a box |x_a| ≤ half_edges[a], by Liang and Barsky's clipping in the box's own mm."""
    box_from_world = torch.linalg.inv(world_from_box)
    start = bundle.source @ box_from_world[:3, :3].T + box_from_world[:3, 3]
    path = (bundle.target - bundle.source) @ box_from_world[:3, :3].T
    a, b = (-half_edges - start) / path, (half_edges - start) / path
    near = torch.minimum(a, b).amax(-1).clamp(0, 1)
    far = torch.maximum(a, b).amin(-1).clamp(0, 1)
    return (far - near).clamp(min=0) * path.norm(dim=-1)


def unit_field(values: Tensor) -> Field:
    """A field whose voxel indices are its world millimetres."""
    return Field(values, torch.eye(4, dtype=torch.float64))


def turned_grid_pose(turn_deg: float) -> Tensor:
    """world_from_box for `grid(..., turn_deg)`."""
    return rigid(rotation((1, -2, 0.5), turn_deg), (0, 0, 0))


def labeled(shape, spacing, turn, count, generator, *, values=True) -> Field:
    """Labels, and values, with no structure: every voxel is another label's."""
    voxels = noise((1, *shape), generator) if values else None
    return Field(voxels, grid(shape, spacing, turn), torch.randint(0, count, shape, generator=generator), count)


def organs(shape: tuple[int, int, int], generator: torch.Generator) -> Field:
    """Values of six labels in regions larger than a voxel, as rays meet them in a patient."""
    coarse = torch.randint(0, 6, (1, 1, 4, 4, 4), generator=generator).float()
    labels = torch.nn.functional.interpolate(coarse, shape, mode="nearest")[0, 0].long()
    return Field(noise((1, *shape), generator), grid(shape, (1.1, 0.9, 1.3), 33), labels, 6)


def difficult_rays() -> Rays:
    """Rays through a volume of at least 9 × 7 × 5 mm about the origin that are no camera's.

    They keep off the planes of voxel centres and faces, where two answers are right.
    """
    return rays(
        ((-50, 0.3, 0.2), (60, 0.3, 0.2)),  # along each axis
        ((1.3, 50, 0.2), (1.3, -60, 0.2)),
        ((1.3, 0.4, -50), (1.3, 0.4, 60)),
        ((-50, 3.3, 0.2), (60, 3.3, 0.2)),  # in the outer half voxel of a grid of 7 mm, where the field is flat across
        ((-50, 9, 0), (60, 9, 0)),  # beside the volume
        ((-50, 0, 0), (-40, 0, 0)),  # ends before it
        ((-1.3, 0.3, 0.2), (50, 4, 3)),  # starts inside
        ((-1.3, 0.3, 0.2), (2.2, -1.1, 0.6)),  # starts and ends inside
        ((1, 1, 1), (1, 1, 1)),  # has no length
        ((-40, 4, 3), (1.2, -0.4, 0.7)),  # ends inside
        ((-2.2, -2.1, -1.3), (2.3, 2.2, 1.4)),  # through the middle, from voxel to voxel
    )


def gradients(field: Field, bundle: Rays, backend: str, **how: object) -> dict[str, Tensor]:
    """Derivatives of Σ w I, with w that differs from ray to ray and channel to channel, with respect to every input."""
    inputs = {name: getattr(field if name in ("values", "ijk_from_world") else bundle, name) for name in INPUTS}
    leaves = {name: t.detach().clone().requires_grad_() for name, t in inputs.items() if t is not None}
    given = replace(field, values=leaves.get("values"), ijk_from_world=leaves["ijk_from_world"])
    ends = Rays(leaves["source"], leaves["target"], leaves.get("start"), leaves.get("stop"))
    integrals = project(given, ends, backend=backend, **how)
    weights = torch.randn(integrals.shape, generator=torch.Generator().manual_seed(1)).to(integrals)
    found = torch.autograd.grad((weights * integrals).sum(), list(leaves.values()))
    return {name: gradient.cpu() for name, gradient in zip(leaves, found, strict=True)}


def assert_gradients(found: dict[str, Tensor], field: Field, bundle: Rays, share: float, **how: object) -> None:
    """The `gradients` of a scene are the reference's, within a share of the largest."""
    expected = gradients(field, bundle, "reference", **how)
    voxels_per_mm = float(field.ijk_from_world[:3, :3].norm(dim=1).max())
    # Where large terms cancel, their float32 rounding is left: 1e-6 of the integrals, per voxel moved.
    floor = 1e-6 * voxels_per_mm * float(project(field, bundle, backend="reference", **how).sum(-3).max())
    for name, reference in expected.items():
        atol = share * float(reference.abs().max()) + floor * LEVER_MM.get(name, 1.0)
        assert_close(found[name], reference, rtol=0, atol=atol, msg=lambda m, n=name: f"grad_{n}: {m}")
