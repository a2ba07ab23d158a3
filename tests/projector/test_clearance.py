"""Random poses that no C-arm can take are drawn again."""

import pytest
import torch

from deepdrr import MobileCArm, Volume
from deepdrr.camera import Camera
from deepdrr.projector import check_clearance, clear_camera


@pytest.fixture(scope="module")
def body() -> Volume:
    """A cube of water, 400 mm wide, in air; its centre is at the world's origin."""
    hu = torch.full((50, 50, 50), -1000.0)
    hu[5:45, 5:45, 5:45] = 0.0
    volume = Volume.from_array(hu, torch.diag(torch.tensor([10.0, 10.0, 10.0, 1.0], dtype=torch.float64)))
    volume.orient_patient(head_first=True, supine=True)
    return volume


def beside(generator: torch.Generator) -> Camera:
    """A C-arm whose isocenter is up to 500 mm beside the body's centre; half the time an end is in the body."""
    x, y, z = (1000 * torch.rand(3, generator=generator) - 500).tolist()
    return MobileCArm((x, y, z)).camera


def test_the_first_clear_camera_is_taken(body: Volume) -> None:
    refused = 0
    for seed in range(20):
        found = clear_camera(beside, [body], torch.Generator().manual_seed(seed))
        check_clearance(body, found)
        generator = torch.Generator().manual_seed(seed)
        for _ in range(100):
            camera = beside(generator)
            if torch.equal(camera.camera_from_world, found.camera_from_world):
                break
            refused += 1
            with pytest.raises(ValueError, match="must be outside the patient"):
                check_clearance(body, camera)
    assert refused > 0  # otherwise nothing was drawn again


def test_the_draw_is_the_generators(body: Volume) -> None:
    one, other = (clear_camera(beside, [body], torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(one.camera_from_world, other.camera_from_world)


def test_it_ends(body: Volume) -> None:
    def within(generator: torch.Generator) -> Camera:
        return MobileCArm((0.0, 530.0 * (1 + 0.1 * float(torch.rand((), generator=generator))), 0.0)).camera

    with pytest.raises(ValueError, match="no clear pose among 7 that were drawn; of the last: the source must be"):
        clear_camera(within, [body], torch.Generator(), tries=7)
    with pytest.raises(ValueError, match="tries must be at least 1, got 0"):
        clear_camera(within, [body], torch.Generator(), tries=0)


def test_an_error_of_the_draw_is_not_swallowed(body: Volume) -> None:
    def wrong(generator: torch.Generator) -> Camera:
        raise ValueError("no such view")

    with pytest.raises(ValueError, match="no such view"):
        clear_camera(wrong, [body], torch.Generator())
