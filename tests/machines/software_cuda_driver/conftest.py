"""The software driver, built once per session where a CUDA toolkit is."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from build_software_driver import build_driver, toolkit  # noqa: E402
from raw_driver import RawDriver  # noqa: E402


@pytest.fixture(scope="session")
def library() -> Path:
    if toolkit() is None:
        pytest.skip("the software CUDA driver needs a CUDA toolkit (nvcc on PATH)")
    return build_driver(HERE.parents[2] / "out" / "software_cuda_driver")


@pytest.fixture
def driver(library: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RawDriver]:
    driver = RawDriver(library)
    before = driver.library.swcuda_allocations()
    yield driver
    driver.library.swcuda_recover()
    driver.close()
    assert driver.library.swcuda_contexts_pushed() == 0
    assert driver.library.swcuda_allocations() >= before
