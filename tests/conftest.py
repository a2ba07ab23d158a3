"""Shared by all tests."""

import sys
from collections.abc import Generator, Iterator

import pytest
import torch
from cuda_machine import Gpu, reason_against_tests, software_driver
from on_device import Asked, answering_with_cuda

from deepdrr import _kernels
from deepdrr._cuda import serving

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


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a device: `make test` leaves it out, `make test-cuda` and `make test-device` run it."""
    for item in items:
        if "cuda_session" in getattr(item, "fixturenames", ()):
            item.add_marker("on_cuda")
        if item.path.parent.name == "stand_in_device":
            item.add_marker("on_stand_in")


@pytest.fixture
def generator() -> torch.Generator:
    """A seeded source of randomness, so that a failure can be repeated."""
    return torch.Generator().manual_seed(20261122)


@pytest.fixture
def without_kernels(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An installation without the compiled modules."""
    for build in _kernels.BUILDS:
        monkeypatch.setitem(sys.modules, f"deepdrr._kernels_{build}", None)
    _kernels._load.cache_clear()
    yield
    _kernels._load.cache_clear()


@pytest.fixture
def batch_rounding(request: pytest.FixtureRequest) -> float:
    """How far a view in a batch may lie from the same view alone: nothing on the CPU, float32's rounding on a GPU."""
    return 0.0 if request.config.getoption("--device") == "cpu" else 1e-5


@pytest.fixture(scope="session")
def cuda_session() -> Iterator[Gpu]:
    if (missing := reason_against_tests()) is not None:
        pytest.skip(f"make test-cuda runs this on the software CUDA driver; here {missing}")
    here = Gpu.here()
    yield here
    here.launcher.close()


@pytest.fixture
def gpu(cuda_session: Gpu) -> Iterator[Gpu]:
    """A GPU, or the software driver: there the host's tensors are the device's, and the CUDA kernels take them."""
    cuda_session.launcher.forget()
    software = software_driver()
    before = 0 if software is None else software.swcuda_contexts_pushed()
    with serving(cuda_session.device, cuda_session.launcher):
        yield cuda_session
    if software is not None:
        software.swcuda_recover()
        assert software.swcuda_contexts_pushed() == before


@pytest.fixture(autouse=True)
def _suite_on_the_device(request: pytest.FixtureRequest) -> Iterator[None]:
    """With `--device cuda`: the CUDA backend answers for the compiled one."""
    if request.config.getoption("--device") == "cpu" or request.path.parent.name not in SUITES:
        yield
        return
    if (marker := request.node.get_closest_marker("cpu_only")) is not None:
        pytest.skip(marker.args[0])
    gpu: Gpu = request.getfixturevalue("gpu")
    if gpu.device.type == "cpu" and (marker := request.node.get_closest_marker("large")) is not None:
        pytest.skip(f"too large for the software driver: {marker.args[0]}")
    with answering_with_cuda(gpu) as asked:
        request.node.stash[ASKED] = asked
        yield


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """A test that has launched nothing on the device says nothing about it."""
    result = yield
    asked = pyfuncitem.stash.get(ASKED, None)
    if asked is not None and asked.nothing is not None:
        pytest.skip(asked.nothing)
    return result
