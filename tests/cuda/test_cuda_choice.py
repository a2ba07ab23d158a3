"""`project`, `Projector`, `render` and `DRR` choose the CUDA backend by themselves if their tensors are on a GPU."""

import pytest
import torch
from cuda_machine import Gpu, marches
from on_device import answering_with_cuda
from raycast_scenes import carm, grid, noise
from torch.testing import assert_close

from deepdrr import MobileCArm, Volume
from deepdrr._cuda import serving
from deepdrr.camera import make_k_inv, make_rt_inv
from deepdrr.data import Subject
from deepdrr.drr import DRR, render
from deepdrr.projector import Projector
from deepdrr.raycast import Exact, Field, Request, project, select_backend
from deepdrr.resources import resource_path

# Float32 sums of a few hundred terms, on either side.
CLOSE = {"rtol": 1e-5, "atol": 1e-5}


def test_the_backend_of_tensors_on_a_gpu(gpu: Gpu) -> None:
    field, rays = gpu.field(Field(torch.ones(1, 3, 3, 3), grid((3, 3, 3), (1, 1, 1)))), gpu.rays(carm(2, 2, 3))
    choice = select_backend(Request(field, rays, "linear", Exact()))
    assert (choice.backend.name, choice.reason) == ("cuda", "the fastest there is")


def test_a_projector_on_a_gpu_takes_the_pictures_of_one_on_the_cpu(gpu: Gpu, launched: list[str]) -> None:
    ct = Volume.from_nifti(resource_path("data/ct/pelvis.nii.gz")).resample(12.0)
    ct.orient_patient(head_first=True, supine=True)
    camera = MobileCArm(alpha=20).camera.resized(16, 16)
    found = Projector(ct, carm=camera, device=gpu.device)()
    assert marches(launched) == ["exact_linear_f32_group", "spectral_sums_4"]
    # Area densities agree to 1e-5 of about 45 g/cm², attenuation multiplies them by 0.2 cm²/g.
    expected = Projector(ct, carm=camera, backend="reference")()
    assert_close(found.cpu().double(), expected, rtol=2e-4, atol=0)


def test_a_subject_on_a_gpu_is_rendered_there(gpu: Gpu, launched: list[str], generator: torch.Generator) -> None:
    image = torch.rand(1, 1, 9, 12, 15, generator=generator) * 2000 - 600
    subject = Subject(image, torch.diag(torch.tensor([2.0, 2.5, 3.0, 1.0])))
    pose = make_rt_inv(torch.tensor([[7.0, -4, 3]]), torch.tensor([[2.0, 650, -3]]), isocenter=subject.isocenter)
    k_inv = make_k_inv(1000.0, 6.0, 7.0, 3.0, -2.0, 10, 12)
    expected = render(subject, k_inv, pose, 1000.0, 10, 12, 50, backend="reference")
    there = subject.to(gpu.device)
    found = render(there, k_inv.to(gpu.device), pose.to(gpu.device), 1000.0, 10, 12, 50)
    assert (found.device.type, marches(launched)) == (gpu.device.type, ["step_linear_f32"])
    assert_close(found.cpu(), expected, **CLOSE)
    drr = DRR(k_inv, torch.tensor([1000.0]), 10, 12).to(gpu.device)
    assert_close(drr(there, pose.to(gpu.device), 50).cpu(), expected, **CLOSE)
    assert len(marches(launched)) == 2


class Deaf:
    """A launcher that launches nothing."""

    def launch(self, *arguments: object) -> None:
        """Does nothing."""


def test_a_suite_that_launches_nothing_does_not_pass(gpu: Gpu) -> None:
    """What `--device cuda` puts behind the CPU's tests would notice a backend that leaves the GPU out."""
    field, camera = (
        Field(noise((1, 5, 6, 7), torch.Generator().manual_seed(0)), grid((5, 6, 7), (1, 1, 1))),
        carm(4, 4, 9),
    )
    with answering_with_cuda(gpu) as asked:
        assert asked.nothing == "nothing is integrated but by the reference"
        project(field, camera, backend="reference")
        assert asked.nothing is not None
        project(field, camera)
        assert (asked.nothing, marches(asked.launched)) == (None, ["exact_linear_f32"])
        with serving(gpu.device, Deaf()), pytest.raises(AssertionError, match="has launched no kernel"):
            project(field, camera)
