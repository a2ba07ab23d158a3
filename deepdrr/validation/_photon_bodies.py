"""Bodies and beams of the checks of photon transport: cases 2 and 4.1 of AAPM TG-195, and slabs of water."""

from dataclasses import dataclass

import torch
from torch import Tensor

from deepdrr.camera import Camera
from deepdrr.detector import incidence_cosine
from deepdrr.materials import Material, material
from deepdrr.montecarlo import Panel, PhotonBeam, PhotonBody, even_beam, panel_of
from deepdrr.spectrum import Spectrum, attenuate, monochromatic

__all__ = ["TG195_KEV", "Setup", "tg195_case_2", "tg195_case_4", "water_slab"]

TG195_KEV = 56.4
_SOFT = Material(
    "soft tissue of TG-195",
    {"H": 0.105, "C": 0.256, "N": 0.027, "O": 0.602, "Na": 0.001, "P": 0.002, "S": 0.003, "Cl": 0.002, "K": 0.002},
    1.03,
    "TG-195",
)
_AIR = Material("air of TG-195", {"C": 0.000124, "N": 0.755268, "O": 0.231781, "Ar": 0.012827}, 1.205e-3, "TG-195")
_PMMA = Material("PMMA of TG-195", {"H": 0.080541, "C": 0.599846, "O": 0.319613}, 1.19, "TG-195")

# Centres of the cubes of 3 cm about that of the box, mm; the box is region 10 where no cube is.
_CUBES_MM = (
    (0, -150, 0), (-150, 0, 0), (0, 0, 0), (150, 0, 0), (0, 150, 0), (0, 0, -60), (0, 0, -30), (0, 0, 30), (0, 0, 60),
)  # fmt: skip
BOX = 10


@dataclass(frozen=True)
class Setup:
    """A body, a beam of one photon, and a detector."""

    body: PhotonBody
    beam: PhotonBeam
    detector: Panel


def _looking_along_z(sdd_mm: float, width_mm: float, height_mm: float) -> Camera:
    """A camera at the origin whose detector has pixels of 1 cm."""
    focal, width, height = sdd_mm / 10, round(width_mm / 10), round(height_mm / 10)
    k = torch.tensor([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]], dtype=torch.float64)
    pose = torch.eye(4, dtype=torch.float64)
    return Camera(k, pose, torch.tensor(sdd_mm, dtype=torch.float64), height, width)


def _at(*corner_mm: float) -> Tensor:
    """box_from_world of a box with this corner."""
    found = torch.eye(4, dtype=torch.float64)
    found[:3, 3] = -torch.tensor(corner_mm, dtype=torch.float64)
    return found


def tg195_case_2() -> Setup:
    """Case 2 at 0°: a box of tissue, 39 × 39 × 20 cm, 155 cm below the source, in air; a detector at 180 cm."""
    voxels, tissue, deep = 42, slice(8, 34), slice(310, 350)
    densities = torch.zeros(2, voxels, voxels, 360)
    densities[1] = _AIR.density_g_cm3
    densities[:, tissue, tissue, deep] = torch.tensor([_SOFT.density_g_cm3, 0.0]).reshape(2, 1, 1, 1)
    regions = torch.zeros(voxels, voxels, 360, dtype=torch.uint8)
    regions[tissue, tissue, deep] = BOX
    for number, (x, y, z) in enumerate(_CUBES_MM, 1):
        i, j, k = 21 + x // 15, 21 + y // 15, 330 + z // 5
        regions[i - 1 : i + 1, j - 1 : j + 1, k - 3 : k + 3] = number
    half = 7.5 * voxels
    camera = _looking_along_z(1800.0, 390.0, 390.0)
    body = PhotonBody(
        densities=densities,
        materials=(_SOFT, _AIR),
        voxel_mm=(15.0, 15.0, 5.0),
        box_from_world=_at(-half, -half, 0.0),
        regions=regions,
    )
    return Setup(body, even_beam(monochromatic(TG195_KEV), camera), panel_of(camera, 39, 39))


def tg195_case_4() -> Setup:
    """Case 4.1: a cylinder of PMMA, 32 cm wide, in a fan of 10 mm; regions 1 to 4 are slices 0 to 3 cm from the fan.

    The slices are those about z = 0, 1, 2 and 3 cm, and of the cylinder's 3 m the middle one.
    """
    voxels, fine, slices = 128, 5, 101
    step = 320.0 / (voxels * fine)
    at = (torch.arange(voxels * fine, dtype=torch.float64) + 0.5) * step - 160.0
    inside = (at[:, None] ** 2 + at**2 < 160.0**2).double()
    share = torch.nn.functional.avg_pool2d(inside[None, None], fine)[0, 0]
    densities = (_PMMA.density_g_cm3 * share).float()[..., None].expand(-1, -1, slices)
    regions = torch.zeros(voxels, voxels, slices, dtype=torch.uint8)
    for number in range(4):
        regions[..., slices // 2 + number] = number + 1
    # Source 60 cm before the axis, looking along z: the cylinder's axis is the room's x.
    turned = densities.permute(2, 0, 1)[None].contiguous()
    camera = _looking_along_z(600.0, 10.0, 320.0)
    body = PhotonBody(
        densities=turned,
        materials=(_PMMA,),
        voxel_mm=(10.0, 2.5, 2.5),
        box_from_world=_at(-5.0 * slices, -160.0, 600.0 - 160.0),
        regions=regions.permute(2, 0, 1).contiguous(),
    )
    behind = _looking_along_z(1000.0, 100.0, 100.0)
    return Setup(body, even_beam(monochromatic(TG195_KEV), camera), panel_of(behind, 1, 1))


def water_slab(gap_mm: float, spectrum: Spectrum, cells: int = 6) -> tuple[Setup, Tensor]:
    """20 cm of water before a detector of 30 × 30 cm at 120 cm, evenly lit; and the ray-traced primary.

    Returns:
        The setup, and keV of primary photons per history in each cell [cells, cells].
    """
    water, thick = material("water"), 200.0
    camera = _looking_along_z(1200.0, 300.0, 300.0)
    body = PhotonBody(
        densities=torch.ones(1, 40, 40, 20),
        materials=(water,),
        voxel_mm=(15.0, 15.0, 10.0),
        box_from_world=_at(-300.0, -300.0, 1200.0 - gap_mm - thick),
    )
    cosine = incidence_cosine(camera.resized(20 * cells, 20 * cells))
    behind = attenuate((thick / 10 / cosine)[None], spectrum, [water]).energy_kev / spectrum.photons.sum()
    primary = torch.nn.functional.avg_pool2d(behind[None, None], 20)[0, 0] / cells**2
    return Setup(body, even_beam(spectrum, camera, per="area"), panel_of(camera, cells, cells)), primary
