"""The example of a ResNet beside a `Projector`, its radiographs by the CUDA kernels, in any order of first use."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from cuda_machine import Gpu, HostMemory, software_driver
from torch.nn.modules.module import register_module_forward_pre_hook

from deepdrr._cuda import Launcher, serving

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))

from example_modules import load

# The panel sees more than the bundled CT holds, and air beyond it teaches as well.
pytestmark = pytest.mark.filterwarnings("ignore:the CT ends inside the beam:UserWarning")

example = load("train_beside_projector")


class FirstUse:
    """A launcher that is made when it is first launched, as on a GPU, and tells when."""

    def __init__(self, events: list[str]) -> None:
        self.events, self.made = events, None

    def launch(self, *arguments: object) -> None:
        if self.made is None:
            self.events.append("launcher")
            self.made = Launcher(0, HostMemory(software_driver()))
        self.made.launch(*arguments)


@contextmanager
def told_when_used(kind: type[torch.nn.Module], events: list[str]) -> Iterator[None]:
    """Within the block, modules of a kind tell that they are called."""

    def tell(module: torch.nn.Module, _inputs: object) -> None:
        if isinstance(module, kind):
            events.append("network")

    hook = register_module_forward_pre_hook(tell)
    try:
        yield
    finally:
        hook.remove()


@pytest.mark.parametrize("first", ["network", "projector", "between"])
def test_any_order_of_first_use(gpu: Gpu, first: str) -> None:
    expected = example.train(device=torch.device("cpu"), first=first, steps=2, size=16, batch=4)
    events: list[str] = []
    launcher = FirstUse(events) if software_driver() is not None else gpu.launcher
    with serving(gpu.device, launcher), told_when_used(example.SmallResNet, events):
        found = example.train(device=gpu.device, first=first, steps=2, size=16, batch=4)
    # Pictures agree to 2e-4 (see test_cuda_choice), their noise but for photons at a limit.
    assert found == pytest.approx(expected, rel=1e-2)
    if software_driver() is not None:
        assert events[0] == ("network" if first == "between" else "launcher")
        launcher.made.close()
        software_driver().cuCtxPopCurrent_v2(None)  # PyCUDA leaves it where a launcher is closed
