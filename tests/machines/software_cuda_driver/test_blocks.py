"""Blocks on the software driver: shared memory, barriers, warps, atomics; kernels from nvcc in both dialects."""

import ctypes
import subprocess
from pathlib import Path

import numpy as np
import pytest
from raw_driver import CudaError, RawDriver

HERE = Path(__file__).parent
RNG = np.random.default_rng(7)


# Up to compute_90 nvcc writes `.f32` registers, from compute_100 on `.b32` ones.
@pytest.fixture(scope="module", params=["compute_75", "compute_100"])
def ptx(request: pytest.FixtureRequest, library: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    out = tmp_path_factory.mktemp("ptx") / "kernels.ptx"
    source = HERE / "kernels_under_test.cu"
    subprocess.run(["nvcc", f"-arch={request.param}", "-ptx", str(source), "-o", str(out)], check=True)
    return out.read_text()


def test_sums_of_blocks_through_shared_memory(driver: RawDriver, ptx: str) -> None:
    values = RNG.random(1000, np.float32)
    a, out = driver.upload(values), driver.upload(np.zeros(4, np.float32))
    function = driver.function(driver.load(ptx), "block_sums")
    driver.launch(function, (4,), (256,), [a, out, ctypes.c_int(1000)])
    sums = driver.download(out, np.zeros(4, np.float32))
    padded = np.concatenate([values, np.zeros(24, np.float32)]).reshape(4, 256)
    # The tree of sums has eight levels: eight roundings of a float32 relative to a sum of about 128.
    np.testing.assert_allclose(sums, padded.astype(np.float64).sum(1), rtol=8 * 2**-24)


def test_a_missing_barrier_shows(driver: RawDriver, ptx: str) -> None:
    values = np.ones(128, np.float32)
    a, out = driver.upload(values), driver.upload(np.zeros(2, np.float32))
    driver.launch(driver.function(driver.load(ptx), "block_sums_without_barrier"), (2,), (64,), [a, out])
    assert not np.array_equal(driver.download(out, np.zeros(2, np.float32)), [64.0, 64.0])


def test_sums_of_warps_by_shuffles(driver: RawDriver, ptx: str) -> None:
    values = RNG.integers(0, 100, 256).astype(np.float32)
    a, out = driver.upload(values), driver.upload(np.zeros(8, np.float32))
    driver.launch(driver.function(driver.load(ptx), "warp_sums"), (2,), (128,), [a, out])
    np.testing.assert_array_equal(driver.download(out, np.zeros(8, np.float32)), values.reshape(8, 32).sum(1))


def test_shuffles_in_each_direction_and_in_segments(driver: RawDriver, ptx: str) -> None:
    out = driver.upload(np.zeros(128, np.int32))
    driver.launch(driver.function(driver.load(ptx), "shuffles"), (1,), (32,), [out])
    up, xor, idx, down = driver.download(out, np.zeros(128, np.int32)).reshape(4, 32)
    lane = np.arange(32)
    np.testing.assert_array_equal(up, np.where(lane >= 3, lane - 3, lane))
    np.testing.assert_array_equal(xor, lane ^ 5)
    np.testing.assert_array_equal(idx, lane // 8 * 8 + (lane + 1) % 8)
    np.testing.assert_array_equal(down, np.where(lane % 16 + 2 < 16, lane + 2, lane))


def test_votes(driver: RawDriver, ptx: str) -> None:
    out = driver.upload(np.zeros(3, np.uint32))
    driver.launch(driver.function(driver.load(ptx), "votes"), (1,), (32,), [out])
    np.testing.assert_array_equal(driver.download(out, np.zeros(3, np.uint32)), [0xAAAAAAAA, 1, 1])


def test_atomics_lose_nothing(driver: RawDriver, ptx: str) -> None:
    bins = RNG.integers(0, 16, 5000).astype(np.uint32)
    a, count, total = (
        driver.upload(bins),
        driver.upload(np.zeros(17, np.uint32)),
        driver.upload(np.zeros(1, np.float32)),
    )
    function = driver.function(driver.load(ptx), "histogram")
    driver.launch(function, (20,), (256,), [a, count, total, ctypes.c_int(5000)])
    counted = driver.download(count, np.zeros(17, np.uint32))
    np.testing.assert_array_equal(counted[:16], np.bincount(bins, minlength=16))
    assert counted[16] == bins.max()
    assert driver.download(total, np.zeros(1, np.float32))[0] == 2500.0


def test_shared_memory_that_comes_with_the_launch(driver: RawDriver, ptx: str) -> None:
    values = np.arange(64, dtype=np.int32)
    a, out = driver.upload(values), driver.upload(np.zeros(64, np.int32))
    driver.launch(driver.function(driver.load(ptx), "dynamic_shared"), (1,), (64,), [a, out], shared=256)
    np.testing.assert_array_equal(driver.download(out, values), values[::-1])


@pytest.mark.parametrize(
    ("kernel", "code", "message"),
    [
        ("overrun_shared", 700, "outside of shared memory"),
        ("stuck", 719, "wait for each other"),
        ("traps", 719, "trap"),
    ],
)
def test_faults_name_the_kernel_and_the_thread(
    driver: RawDriver, ptx: str, kernel: str, code: int, message: str
) -> None:
    arguments: list[object] = [driver.upload(np.zeros(32, np.float32)), ctypes.c_int(8)]
    driver.launch(driver.function(driver.load(ptx), kernel), (1,), (32,), arguments)  # type: ignore[arg-type]
    with pytest.raises(CudaError, match=message) as caught:
        driver.synchronize()
    assert caught.value.code == code
    assert kernel in str(caught.value)
    with pytest.raises(CudaError, match=message):  # it stays, as on hardware
        driver.allocate(4)


def test_shared_memory_over_the_limit_is_refused(driver: RawDriver, ptx: str) -> None:
    out = driver.upload(np.zeros(64, np.int32))
    with pytest.raises(CudaError) as caught:
        driver.launch(driver.function(driver.load(ptx), "dynamic_shared"), (1,), (64,), [out, out], shared=49153)
    assert caught.value.code == 1
