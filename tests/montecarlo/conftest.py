"""Bodies and beams of the transport tests; photons run on one thread."""

from collections.abc import Iterator

import pytest
import torch

from deepdrr.camera import Camera
from deepdrr.materials import material
from deepdrr.montecarlo import PhotonBody


def place(*shift_mm: float) -> torch.Tensor:
    """box_from_world of a box along the room's axes, whose corner lies at −shift."""
    found = torch.eye(4, dtype=torch.float64)
    found[:3, 3] = torch.tensor(shift_mm, dtype=torch.float64)
    return found


def camera_along_z(sdd_mm: float, side_mm: float, cells: int) -> Camera:
    """A camera at the room's origin that looks along z at a square detector."""
    focal = sdd_mm * cells / side_mm
    k = torch.tensor([[focal, 0, cells / 2], [0, focal, cells / 2], [0, 0, 1]], dtype=torch.float64)
    return Camera(
        intrinsics=k,
        camera_from_world=torch.eye(4, dtype=torch.float64),
        sdd_mm=torch.tensor(sdd_mm, dtype=torch.float64),
        height=cells,
        width=cells,
    )


def slab(gap_mm: float, name: str = "water", thick_mm: float = 200.0) -> PhotonBody:
    """60 × 60 cm of a material that ends `gap_mm` before z = 1200 mm."""
    substance = material(name)
    front = 1200.0 - gap_mm - thick_mm
    densities = torch.full((1, 40, 40, 20), substance.density_g_cm3)
    size = (15.0, 15.0, thick_mm / 20)
    return PhotonBody(
        densities=densities, materials=(substance,), voxel_mm=size, box_from_world=place(300, 300, -front)
    )


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """The number of threads as it was, afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
