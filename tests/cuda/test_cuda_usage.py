"""Registers and spills of the compiled kernels stay within a budget, on every architecture of the build."""

import re
import shutil
import sys
from pathlib import Path

import pytest

CUDA = Path(__file__).resolve().parents[2] / "kernels" / "cuda"
sys.path.insert(0, str(CUDA))

from nvcc_build import ARCHITECTURES, LOWEST_VERSION, PTX, build, lowered, usage, wanted_architectures  # noqa: E402

# 80 registers let six blocks of 128 threads be active, 96 five, 128 four (64 K registers per multiprocessor).
USUAL, BUDGETS = 80, {"quantum_noise": 96, "write_crossings": 96, "_group": 96, "grad_rays": 128}


@pytest.fixture(scope="module")
def ptx(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("nvcc") is None:
        pytest.skip("there is no nvcc to compile the CUDA kernels with")
    out = tmp_path_factory.mktemp("kernels")
    build(out, ())
    return out / PTX


def budget(kernel: str) -> int:
    return next((registers for part, registers in BUDGETS.items() if part in kernel), USUAL)


@pytest.mark.parametrize(
    "architecture", [a if a in ("75", "90") else pytest.param(a, marks=pytest.mark.slow) for a in ARCHITECTURES]
)
def test_registers_and_spills_stay_within_the_budget(ptx: Path, architecture: str) -> None:
    kernels = usage(ptx, architecture)
    assert len(kernels) > 60
    assert [k for k in kernels if k.registers > budget(k.kernel)] == []
    assert [k for k in kernels if k.spilled_bytes > 0] == []


def test_noise_fuses_no_product_that_is_rounded(ptx: Path) -> None:
    """Else a GPU would draw other bits than a CPU. A power of two times a number is exact, wherever it is rounded."""
    bodies = re.findall(r"\.entry \w+_noise_f\d\d\((.*?\n)}\n", ptx.read_text(), re.DOTALL)
    assert len(bodies) == 4
    products = re.findall(r"\b(?:fma\.rn|mul)\.f64\s+%\w+, (\S+), (\S+)[,;]", "".join(bodies))
    assert [factors for factors in products if not any(map(is_power_of_two, factors))] == []
    assert all("mul.rn.f64" in body for body in bodies)


def is_power_of_two(operand: str) -> bool:
    bits = re.fullmatch(r"0[dD]([0-9A-Fa-f]{16})", operand)
    return bits is not None and int(bits[1], 16) % 2**52 == 0


def test_old_drivers_get_a_version_they_know(ptx: Path) -> None:
    """nvcc 13 writes 9.0, which needs a driver of 2025; the machine code under 7.0 is the same to the last byte."""
    assert f".version {LOWEST_VERSION}\n" in ptx.read_text()


def test_what_is_newer_than_its_sources_is_kept(ptx: Path) -> None:
    assert build(ptx.parent, ()) == ()


def test_lowering_takes_the_hints_away_and_nothing_else() -> None:
    text = '.version 9.0\n.target sm_75\n\t.pragma "used_bytes_mask 240";\n\tret;\n'
    assert lowered(text) == ".version 7.0\n.target sm_75\n\tret;\n"


def test_architectures_are_named_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPDRR_CUDA_ARCHITECTURES", "75,90a")
    assert wanted_architectures() == ("75", "90a")
    monkeypatch.setenv("DEEPDRR_CUDA_ARCHITECTURES", "none")
    assert wanted_architectures() == ()
    monkeypatch.setenv("DEEPDRR_CUDA_ARCHITECTURES", "turing")
    with pytest.raises(SystemExit, match="such as 75,90, or none, got turing"):
        wanted_architectures()
