"""A real pelvis, a camera with few pixels, and X-rays of it as a C-arm would take them."""

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor

from deepdrr.camera import Camera, make_k_inv, make_rt_inv
from deepdrr.data import Subject, Volume
from deepdrr.geometry import invert_rigid
from deepdrr.io import line_integrals_of
from deepdrr.projector import Projector
from deepdrr.resources import resource_path
from deepdrr.spectrum import tungsten_spectrum

SDD, SID, SIZE, PIXEL = 1020.0, 700.0, 100, 3.0


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """Images of 40 pixels are too small to share between threads, which on a busy machine wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def volume() -> Volume:
    """The bundled CT, its patient's frame on the room's."""
    return Volume.from_nifti(resource_path("data/ct/pelvis.nii.gz"))


@pytest.fixture(scope="session")
def subject(volume: Volume) -> Subject:
    return Subject.from_volume(volume)


@pytest.fixture(scope="session")
def truth(subject: Subject) -> Tensor:
    """world_from_camera of an AP and a lateral view [2, 4, 4]."""
    angles = torch.tensor([[0.0, 0.0, 0.0], [90.0, 0.0, 0.0]])
    return make_rt_inv(angles, torch.tensor([[0.0, SID, 0.0]]).expand(2, 3), "AP", subject.isocenter)


@pytest.fixture(scope="session")
def k_inv() -> Tensor:
    return make_k_inv(SDD, PIXEL, PIXEL, 0.0, 0.0, SIZE, SIZE)


@pytest.fixture(scope="session")
def sdd() -> Tensor:
    return torch.tensor([SDD])


@pytest.fixture(scope="session")
def targets(volume: Volume) -> Tensor:
    """Points of bone in the middle of the pelvis [200, 3], mm."""
    voxels = (volume.hu > 250).nonzero().double()
    matrix = volume.world_from_ijk
    points = voxels @ matrix[:3, :3].T + matrix[:3, 3]
    near = points[(points - volume.center_in_world).abs().amax(dim=1) < 90]
    return near[:: len(near) // 200][:200].float()


@pytest.fixture(scope="session")
def xrays(volume: Volume, truth: Tensor, k_inv: Tensor) -> Tensor:
    """What a flat panel records with 90 kV and 25 mAs, noise included, on the scale of line integrals [2, 1, H, W]."""
    images = []
    for number, pose in enumerate(truth.double()):
        sdd_mm = torch.tensor(SDD, dtype=torch.float64)
        camera = Camera(torch.linalg.inv(k_inv[0].double()), invert_rigid(pose), sdd_mm, SIZE, SIZE)
        with Projector(volume, carm=camera, spectrum=tungsten_spectrum(90)) as projector:
            noise = torch.Generator().manual_seed(number)
            taken = projector.project("image", "open_field", generator=noise)
        images.append(line_integrals_of(taken["image"], taken["open_field"]))
    return torch.stack(images)[:, None].float()


@pytest.fixture(scope="session")
def moved(subject: Subject) -> Callable[[Tensor, tuple[float, ...], tuple[float, ...]], Tensor]:
    """Cameras [V, 4, 4] carried about the isocenter by angles (about z, x, y, degrees) and a shift (mm)."""

    def call(poses: Tensor, angles: tuple[float, ...], shift: tuple[float, ...]) -> Tensor:
        center = subject.isocenter
        turn = make_rt_inv(torch.tensor([angles]), torch.zeros(1, 3), "AP", None)[0]
        turn = turn @ torch.linalg.inv(make_rt_inv(torch.zeros(1, 3), torch.zeros(1, 3), "AP", None)[0])
        turn[:3, 3] = center - turn[:3, :3] @ center + torch.tensor(shift)
        return turn @ poses

    return call
