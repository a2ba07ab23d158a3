"""The compiled backend from several Python threads at once, and in the workers of a DataLoader."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from raycast_scenes import carm, grid, noise
from torch import Tensor
from torch.utils.data import DataLoader

from deepdrr.raycast import Field, Step, project

RULES = pytest.mark.parametrize(
    "how",
    [{"interpolation": "linear"}, {"interpolation": "cubic", "integration": Step(mm=0.5)}],
    ids=["linear", "cubic"],
)
SHAPE = (24, 20, 18)


def image_and_gradients(seed: int, how: dict[str, object]) -> Tensor:
    """An image and its gradients with respect to values and pose as one vector; cubic with its coefficients."""
    values = noise((2, *SHAPE), torch.Generator().manual_seed(seed)).requires_grad_()
    camera = carm(13, 17, 35, (20.0 + seed, -35, 10))
    camera.camera_from_world.requires_grad_()
    image = project(Field(values, grid(SHAPE, (1.5, 0.8, 2.5), 40)), camera, backend="cpu", **how)
    gradients = torch.autograd.grad(image.square().sum(), (values, camera.camera_from_world))
    return torch.cat([t.detach().double().flatten() for t in (image, *gradients)])


@RULES
@pytest.mark.cpu_only("the same bits from threads at once: a GPU adds gradients in any order")
def test_python_threads_at_once_give_what_one_gives(how):
    expected = [image_and_gradients(seed, how) for seed in range(6)]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(image_and_gradients, list(range(6)) * 3, [how] * 18))
    assert all(torch.equal(result, expected[n % 6]) for n, result in enumerate(results))


@RULES
@pytest.mark.cpu_only("a GPU's context does not outlive a fork")
def test_the_workers_of_a_data_loader_give_what_the_parent_gives(how):
    expected = torch.stack([image_and_gradients(seed, how) for seed in range(4)])
    loader = DataLoader(range(4), batch_size=1, num_workers=2, collate_fn=lambda s: image_and_gradients(s[0], how))
    assert torch.equal(torch.stack(list(loader)), expected)


def test_the_processor_is_left_as_it_was(generator):
    """Kernels count numbers below 1e-38 as zero; torch, on the same thread, does not."""
    tiny = torch.tensor([1e-40])
    project(Field(noise((1, *SHAPE), generator), grid(SHAPE, (1.5, 0.8, 2.5))), carm(9, 9, 30), backend="cpu")
    assert (tiny * 0.5).item() > 0
