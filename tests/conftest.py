"""Shared by all tests."""

from collections.abc import Generator, Iterator

import pytest
import torch
from cuda_machine import Gpu, HostMemory, reason_against_tests, send_host_tensors_to_the_kernels, software_driver
from on_device import Asked, answer_with_cuda

from deepdrr._cuda import Launcher
from deepdrr._cuda import launcher as launcher_of

# Their tests are run with the CUDA backend behind `project` by `--device cuda`.
SUITES = {"raycast", "projector", "drr"}
ASKED = pytest.StashKey[Asked]()


def pytest_addoption(parser: pytest.Parser) -> None:
    where = f"where the suites of {', '.join(sorted(SUITES))} integrate: cuda is a GPU, or the software driver"
    parser.addoption("--device", choices=("cpu", "cuda"), default="cpu", help=where)


def pytest_configure(config: pytest.Config) -> None:
    """Refuse `--device cuda` where there is none. Give each of several workers one thread: they share the cores."""
    if config.getoption("--device") == "cuda" and (missing := reason_against_tests()) is not None:
        raise pytest.UsageError(f"--device must be cpu here, got cuda: {missing}; `make test-cuda` needs no GPU")
    if hasattr(config, "workerinput"):
        torch.set_num_threads(1)


@pytest.fixture
def generator() -> torch.Generator:
    """A seeded source of randomness, so that a failure can be repeated."""
    return torch.Generator().manual_seed(20261122)


@pytest.fixture(scope="session")
def cuda_session() -> Iterator[Gpu]:
    if (missing := reason_against_tests()) is not None:
        pytest.skip(f"make test-cuda runs this on the software CUDA driver; here {missing}")
    software = software_driver()
    if software is None:
        device = torch.device("cuda", torch.cuda.current_device())
        yield Gpu(device, launcher_of(device))
        return
    launcher = Launcher(0, HostMemory(software))
    yield Gpu(torch.device("cpu"), launcher)
    launcher.close()


@pytest.fixture
def gpu(cuda_session: Gpu, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gpu]:
    """On the software driver, sends the operator's calls on CPU tensors to the CUDA kernels."""
    software = software_driver()
    if software is None:
        yield cuda_session
        return
    send_host_tensors_to_the_kernels(cuda_session.launcher, monkeypatch)
    before = software.swcuda_contexts_pushed()
    yield cuda_session
    software.swcuda_recover()
    assert software.swcuda_contexts_pushed() == before


@pytest.fixture(autouse=True)
def _suite_on_the_device(request: pytest.FixtureRequest) -> None:
    """With `--device cuda`: the CUDA backend answers for the compiled one."""
    if request.config.getoption("--device") == "cpu" or request.path.parent.name not in SUITES:
        return
    if (marker := request.node.get_closest_marker("cpu_only")) is not None:
        pytest.skip(marker.args[0])
    gpu: Gpu = request.getfixturevalue("gpu")
    if gpu.device.type == "cpu" and (marker := request.node.get_closest_marker("large")) is not None:
        pytest.skip(f"too large for the software driver: {marker.args[0]}")
    request.node.stash[ASKED] = answer_with_cuda(gpu, request.getfixturevalue("monkeypatch"))


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """A test that has launched nothing on the device says nothing about it."""
    result = yield
    asked = pyfuncitem.stash.get(ASKED, None)
    if asked is not None and asked.nothing is not None:
        pytest.skip(asked.nothing)
    return result
