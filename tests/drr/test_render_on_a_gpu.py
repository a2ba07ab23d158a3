"""`render` of a subject on a GPU stays there: on one that torch pretends to have, with the CPU's numbers."""

import pytest
import torch
from pretend_gpu import PretendGpu
from torch import Tensor
from torch.testing import assert_close

from deepdrr.camera import make_k_inv, make_rt_inv
from deepdrr.data import Subject
from deepdrr.detector import Exposure, FlatPanel
from deepdrr.drr import render
from deepdrr.spectrum import tungsten_spectrum


@pytest.mark.parametrize(
    "physics",
    [
        {},
        {"spectrum": tungsten_spectrum(80.0)},
        {"spectrum": tungsten_spectrum(80.0), "exposure": Exposure(mas=2.0), "detector": FlatPanel()},
    ],
)
def test_images_and_gradients_are_those_of_the_cpu(generator: torch.Generator, physics: dict[str, object]) -> None:
    hu = torch.rand(1, 1, 9, 12, 15, generator=generator) * 2000 - 600
    matrix = torch.diag(torch.tensor([2.0, 2.5, 3.0, 1.0]))

    def rendered(device: str) -> tuple[Tensor, Tensor]:
        subject = Subject(hu.to(device), matrix.to(device))
        place = torch.tensor([[2.0, 650, -3]], device=device, requires_grad=True)
        isocenter = subject.isocenter
        pose = make_rt_inv(torch.tensor([[7.0, -4, 3]], device=device), place, isocenter=isocenter)
        k_inv = make_k_inv(1000.0, 6.0, 7.0, 3.0, -2.0, 10, 12, device=device)
        image = render(subject, k_inv, pose, 1000.0, 10, 12, 50, backend="reference", **physics)
        (gradient,) = torch.autograd.grad(image.mean(), place)
        assert {image.device.type, gradient.device.type} == {device}
        return image.detach().cpu(), gradient.cpu()

    image, gradient = rendered("cpu")
    with PretendGpu():
        found, by_place = rendered("cuda")
    assert_close(found, image, rtol=0, atol=0)
    assert_close(by_place, gradient, rtol=1e-6, atol=0)
