"""`DRR`: a camera as a module."""

import copy

import pytest
import torch
from drr_scenes import HEIGHT, SDD, WIDTH, camera, poses, subject
from torch.testing import assert_close

from deepdrr.camera import Camera, make_k_inv
from deepdrr.drr import DRR, render


@pytest.fixture
def drr() -> DRR:
    return DRR.from_carm_intrinsics(SDD, 6.0, 7.0, 3.0, -2.0, HEIGHT, WIDTH)


def test_it_renders_with_what_it_holds(drr: DRR, generator: torch.Generator) -> None:
    one = subject(generator)
    pose = poses(2, one.isocenter)
    expected = render(one, camera(), pose, torch.tensor([SDD]), HEIGHT, WIDTH, 50)
    assert_close(drr(one, pose, 50), expected, rtol=0, atol=0)


@pytest.mark.parametrize("orthographic", [False, True])
def test_from_a_camera_and_its_pose(orthographic: bool, generator: torch.Generator) -> None:
    """By way of a `Camera` and back: matrices of float32 go through float64 and come back to an ulp."""
    one = subject(generator)
    pose = poses(2, one.isocenter)
    as_camera = Camera.from_inverse(camera(), pose, SDD, HEIGHT, WIDTH, orthographic=orthographic)
    found = DRR.from_camera(as_camera)(one, as_camera.rt_inv, 50)
    expected = render(one, camera(), pose, SDD, HEIGHT, WIDTH, 50, orthographic=orthographic)
    assert_close(found.float(), expected, rtol=0, atol=1e-5 * float(expected.max()))


def test_an_unbatched_camera_is_a_batch_of_one() -> None:
    one = Camera.carm(sdd_mm=1000, sid_mm=600, height=4, width=6, pixel_mm=2.0)
    made = DRR.from_camera(one)
    assert (made.k_inv.shape, made.sdd.shape, made.height, made.width) == ((1, 3, 3), (1,), 4, 6)
    assert torch.equal(made.k_inv[0], one.k_inv)


def test_gradients_reach_the_camera(generator: torch.Generator) -> None:
    one = subject(generator)
    sdd = torch.tensor([SDD], requires_grad=True)
    as_camera = Camera.from_inverse(camera(), poses(1, one.isocenter), sdd, HEIGHT, WIDTH)
    DRR.from_camera(as_camera)(one, as_camera.rt_inv, 50).sum().backward()
    assert sdd.grad is not None
    assert sdd.grad.abs() > 0


def test_everything_can_be_changed(drr: DRR, generator: torch.Generator) -> None:
    one = subject(generator)
    pose = poses(1, one.isocenter)
    drr.height, drr.width, drr.orthographic = 5, 7, True
    drr.k_inv = make_k_inv(800.0, 9.0, 9.0, 0.0, 0.0, 5, 7)
    drr.sdd = torch.tensor([800.0])
    expected = render(one, drr.k_inv, pose, 800.0, 5, 7, orthographic=True)
    assert_close(drr(one, pose), expected, rtol=0, atol=0)
    assert drr.tgt.shape == drr.src.shape == (1, 35, 3)
    drr.k_inv[..., 0, 0] /= 2  # in place too
    assert not torch.equal(drr(one, pose), expected)


def test_state_dict_holds_all_of_it(drr: DRR, generator: torch.Generator) -> None:
    other = DRR(torch.eye(3)[None].repeat(2, 1, 1), torch.ones(2), 3, 3, True)  # of another number of cameras
    other.load_state_dict(drr.state_dict())
    for same in (other, copy.deepcopy(drr)):
        assert (same.height, same.width, same.orthographic) == (HEIGHT, WIDTH, False)
        assert_close(same.k_inv, drr.k_inv, rtol=0, atol=0)
        assert_close(same.sdd, drr.sdd, rtol=0, atol=0)
        assert_close(same.tgt, drr.tgt, rtol=0, atol=0)


def test_state_dict_is_one_of_plain_things(drr: DRR, tmp_path: object) -> None:
    path = tmp_path / "drr.pt"  # type: ignore[operator]
    torch.save(drr.state_dict(), path)
    again = DRR.from_carm_intrinsics(1.0, 1.0, 1.0, 0.0, 0.0, 1, 1)
    again.load_state_dict(torch.load(path, weights_only=True))
    assert again.width == WIDTH


def test_types(drr: DRR) -> None:
    assert drr.double().k_inv.dtype == torch.float64
    assert drr.half().k_inv.dtype == drr.sdd.dtype == torch.float64  # positions are not halved
    assert DRR.from_carm_intrinsics(SDD, 1, 1, 0, 0, 2, 2, dtype=torch.float64).sdd.dtype == torch.float64


def test_several_cameras_of_numbers(generator: torch.Generator) -> None:
    one = subject(generator)
    sdd = torch.tensor([900.0, 1000.0])
    drr = DRR.from_carm_intrinsics(sdd, 6.0, 7.0, 0.0, torch.tensor([1.0, 2.0]), HEIGHT, WIDTH)
    assert drr(one, poses(2, one.isocenter)).shape == (2, 1, HEIGHT, WIDTH)
    assert_close(drr.sdd, sdd)


def test_intrinsics_can_be_learnt(drr: DRR, generator: torch.Generator) -> None:
    one = subject(generator)
    drr.k_inv = torch.nn.Parameter(drr.k_inv)
    drr(one, poses(1, one.isocenter)).sum().backward()
    assert drr.k_inv.grad is not None
    assert drr.k_inv.grad.abs().max() > 0
    drr.sdd = torch.tensor([500.0])
    assert drr.half().sdd.dtype == torch.float32


def test_refusals() -> None:
    with pytest.raises(ValueError, match="height must be at least 1, got 0"):
        DRR(camera(), torch.ones(1), 0, 2)
    with pytest.raises(ValueError, match=r"sdd must be a positive distance in mm, got \[-1\.0\]"):
        DRR(camera(), torch.tensor([-1.0]), 2, 2)
    with pytest.raises(ValueError, match=r"k_inv must be \[B, 3, 3\], got shape \(4, 4\)"):
        DRR(torch.eye(4), torch.ones(1), 2, 2)
