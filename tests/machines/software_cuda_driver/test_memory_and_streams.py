"""Memory, streams, events and injected faults on the software driver: stricter than hardware, never laxer."""

import ctypes
import subprocess
from pathlib import Path

import numpy as np
import pytest
from raw_driver import CudaError, RawDriver

HERE = Path(__file__).parent
ONES = np.ones(256, np.float32)


@pytest.fixture(scope="module")
def ptx(library: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    out = tmp_path_factory.mktemp("ptx") / "kernels.ptx"
    source = HERE / "kernels_under_test.cu"
    subprocess.run(["nvcc", "-arch=compute_75", "-ptx", str(source), "-o", str(out)], check=True)
    return out.read_text()


def add(
    driver: RawDriver, ptx: str, arrays: list[ctypes.c_uint64], stream: ctypes.c_void_p | None = None, n: int = 256
) -> None:
    function = driver.function(driver.load(ptx), "add")
    driver.launch(function, (-(-n // 128),), (128,), [*arrays, ctypes.c_int(n)], stream=stream)


def test_fresh_memory_is_nan(driver: RawDriver) -> None:
    assert np.isnan(driver.download(driver.allocate(1024), ONES)).all()


def test_an_access_past_the_end_faults_with_kernel_and_thread(driver: RawDriver, ptx: str) -> None:
    arrays = [driver.upload(ONES) for _ in range(3)]
    add(driver, ptx, arrays, n=257)
    with pytest.raises(
        CudaError, match=r"kernel add: access outside of memory: 4 bytes .* block \(2, 0, 0\)"
    ) as caught:
        driver.synchronize()
    assert caught.value.code == 700


def test_use_after_free_faults(driver: RawDriver, ptx: str) -> None:
    arrays = [driver.upload(ONES) for _ in range(3)]
    driver.free(arrays[1])
    add(driver, ptx, arrays)
    with pytest.raises(CudaError, match="outside of memory"):
        driver.synchronize()


def test_a_double_free_is_refused(driver: RawDriver) -> None:
    address = driver.allocate(16)
    driver.free(address)
    with pytest.raises(CudaError):
        driver.free(address)


def test_a_misaligned_access_faults(driver: RawDriver, ptx: str) -> None:
    a, out = driver.upload(ONES), driver.upload(ONES)
    driver.launch(driver.function(driver.load(ptx), "misaligned"), (1,), (1,), [a, out])
    with pytest.raises(CudaError, match="misaligned"):
        driver.synchronize()


def test_work_on_a_stream_has_not_run_until_it_is_waited_for(driver: RawDriver, ptx: str) -> None:
    arrays = [driver.upload(ONES), driver.upload(ONES), driver.upload(0 * ONES)]
    stream = driver.stream()
    add(driver, ptx, arrays, stream)
    assert driver.library.cuStreamQuery(stream) == 600  # not ready
    np.testing.assert_array_equal(driver.download(arrays[2], ONES), 0)  # the null stream does not wait for it
    driver.call("cuStreamSynchronize", stream)
    np.testing.assert_array_equal(driver.download(arrays[2], ONES), 2)


def test_the_null_stream_waits_for_blocking_streams(driver: RawDriver, ptx: str) -> None:
    arrays = [driver.upload(ONES), driver.upload(ONES), driver.upload(0 * ONES)]
    add(driver, ptx, arrays, driver.stream(flags=0))
    np.testing.assert_array_equal(driver.download(arrays[2], ONES), 2)


def test_an_event_orders_two_streams(driver: RawDriver, ptx: str) -> None:
    a, b, c, d = (driver.upload(x) for x in (ONES, ONES, 0 * ONES, 0 * ONES))
    first, second, done = driver.stream(), driver.stream(), driver.event()
    add(driver, ptx, [a, b, c], first)
    driver.call("cuEventRecord", done, first)
    driver.call("cuStreamWaitEvent", second, done, 0)
    add(driver, ptx, [c, c, d], second)
    driver.call("cuStreamSynchronize", second)
    np.testing.assert_array_equal(driver.download(d, ONES), 4)


def test_without_the_event_the_second_stream_reads_what_was_before(driver: RawDriver, ptx: str) -> None:
    a, b, c, d = (driver.upload(x) for x in (ONES, ONES, 0 * ONES, 0 * ONES))
    first, second = driver.stream(), driver.stream()
    add(driver, ptx, [a, b, c], first)
    add(driver, ptx, [c, c, d], second)
    driver.synchronize()
    np.testing.assert_array_equal(driver.download(d, ONES), 0)


def test_an_asynchronous_copy_reads_host_memory_when_it_runs(driver: RawDriver) -> None:
    host, target, stream = ONES.copy(), driver.allocate(1024), driver.stream()
    driver.call("cuMemcpyHtoDAsync_v2", target, host.ctypes.data_as(ctypes.c_void_p), ctypes.c_size_t(1024), stream)
    host[:] = 5
    driver.call("cuStreamSynchronize", stream)
    np.testing.assert_array_equal(driver.download(target, ONES), 5)


def test_memory_runs_out_at_the_size_of_the_device(driver: RawDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWCUDA_MEMORY", str(1 << 20))
    with pytest.raises(CudaError) as caught:
        driver.allocate(1 << 21)
    assert caught.value.code == 2


@pytest.mark.parametrize(
    ("function", "code"), [("cuMemAlloc", 2), ("cuLaunchKernel", 719), ("cuModuleLoadDataEx", 999)]
)
def test_the_nth_call_fails_as_told(driver: RawDriver, ptx: str, function: str, code: int) -> None:
    calls = {
        "cuMemAlloc": lambda: driver.allocate(16),
        "cuLaunchKernel": lambda: add(driver, ptx, [driver.upload(ONES) for _ in range(3)]),
        "cuModuleLoadDataEx": lambda: driver.load(ptx),
    }
    driver.library.swcuda_inject(function.encode(), 2, code)
    calls[function]()
    with pytest.raises(CudaError) as caught:
        calls[function]()
    assert caught.value.code == code
    assert driver.library.swcuda_calls(function.encode()) >= 2


def test_a_lost_device_stays_lost(driver: RawDriver) -> None:
    driver.library.swcuda_inject(b"cuMemAlloc", 1, 46)  # CUDA_ERROR_DEVICE_UNAVAILABLE
    for _ in range(2):
        with pytest.raises(CudaError) as caught:
            driver.allocate(16)
        assert caught.value.code == 46


def test_a_fatbin_is_refused_so_that_the_launcher_takes_the_ptx(driver: RawDriver) -> None:
    with pytest.raises(CudaError, match="PTX only") as caught:
        driver.load("P\xedU\xba: no text")
    assert caught.value.code == 209


def test_an_unknown_instruction_is_named(driver: RawDriver) -> None:
    text = ".version 7.0\n.target sm_75\n.address_size 64\n.visible .entry k() { frob.b32 %a; ret; }"
    with pytest.raises(CudaError, match="does not know the instruction 'frob'"):
        driver.load(text)


def test_a_launch_without_a_context_fails(library: Path) -> None:
    driver = RawDriver(library)
    driver.close()
    with pytest.raises(CudaError) as caught:
        driver.allocate(16)
    assert caught.value.code == 201


def test_a_second_device_cannot_reach_the_memory_of_the_first(
    driver: RawDriver, library: Path, ptx: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWCUDA_DEVICES", "2")
    arrays = [driver.upload(ONES) for _ in range(3)]
    other = RawDriver(library, device=1)
    add(other, ptx, arrays)
    with pytest.raises(CudaError, match="outside of memory"):
        other.synchronize()
    other.library.swcuda_recover()
    other.close()


def test_a_function_belongs_to_its_context(
    driver: RawDriver, library: Path, ptx: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWCUDA_DEVICES", "2")
    function = driver.function(driver.load(ptx), "traps")
    other = RawDriver(library, device=1)
    with pytest.raises(CudaError) as caught:
        other.launch(function, (1,), (1,), [])
    assert caught.value.code == 400
    other.close()
