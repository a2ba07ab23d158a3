"""Contents of a built package, with and without nvcc, and the settings that build wheels."""

import re
import runpy
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

from check_install import BUILDS, CUDA, faults  # noqa: E402

SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """The files of an installed package with CUDA kernels."""
    modules = [f"_kernels_{build}.cpython-311.so" for build in BUILDS]
    shared = [f"_share/data/{name}" for name in ("cross_sections.csv", "scattering_functions.csv", "ct/pelvis.nii.gz")]
    for name in (*modules, *CUDA, *shared):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(".version 7.0\n")
    (tmp_path / "py.typed").touch()
    return tmp_path


def test_a_complete_package_has_no_fault(package: Path) -> None:
    assert faults(package, cuda=True) == []
    for name in CUDA:
        (package / name).unlink()
    assert faults(package, cuda=False) == []


@pytest.mark.parametrize("name", [*(f"_kernels_{build}." for build in BUILDS), *CUDA, "_share/data/ct/pelvis.nii.gz"])
def test_what_is_missing_or_empty_is_named(package: Path, name: str) -> None:
    (path,) = package.glob(f"{name}*")
    path.write_text("")
    assert [name in fault for fault in faults(package, cuda=True)] == [True, *[True] * (name == CUDA[1])]
    path.unlink()
    (fault,) = faults(package, cuda=True)
    assert name in fault
    assert fault.endswith("is missing")


def test_a_package_built_without_nvcc_has_no_old_kernels(package: Path) -> None:
    assert faults(package, cuda=False) == [f"{name} is there, of a build without nvcc" for name in CUDA]


def test_ptx_for_new_drivers_alone_is_a_fault(package: Path) -> None:
    (package / CUDA[1]).write_text(".version 9.0\n")
    assert faults(package, cuda=True) == ["_kernels_cuda.ptx needs a newer driver than PTX 7.0 does"]


def test_without_nvcc_the_build_says_so_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    setuptools = pytest.importorskip("setuptools")
    monkeypatch.setitem(sys.modules, "pybind11", SimpleNamespace(get_include=lambda: ""))
    monkeypatch.setattr(setuptools, "setup", lambda **_given: None)
    command = runpy.run_path(str(ROOT / "setup.py"))["BuildKernels"](setuptools.Distribution())
    command.build_lib, command.inplace = str(tmp_path), False
    monkeypatch.setenv("PATH", str(tmp_path))
    command._build_cuda()
    assert "built without the CUDA kernels (there is no nvcc on PATH)" in capsys.readouterr().out
    assert list(tmp_path.rglob("_kernels_cuda*")) == []


def test_an_nvcc_of_several_releases_makes_no_kernels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its PTX is newer than its own assembler: it would ask for a newer driver than anyone has."""
    sys.path.insert(0, str(ROOT / "kernels" / "cuda"))
    import nvcc_build

    def run(*command: str) -> str:
        if command[0] == "ptxas":
            raise RuntimeError("ptxas failed: Unsupported .version 9.5")
        Path(command[-1]).write_text(".version 9.5\n")
        return ""

    monkeypatch.setattr(nvcc_build, "_run", run)
    monkeypatch.setattr(nvcc_build, "shutil", SimpleNamespace(which=lambda _name: "nvcc"))
    with pytest.raises(RuntimeError, match=r"Unsupported \.version 9\.5"):
        nvcc_build.build(tmp_path, ())
    assert not (tmp_path / nvcc_build.PTX).exists()


def test_wheels_are_built_for_the_pythons_that_the_package_takes() -> None:
    lowest = SETTINGS["project"]["requires-python"].removeprefix(">=")
    assert SETTINGS["tool"]["cibuildwheel"]["build"].startswith("cp31{" + lowest.rpartition(".")[2][1:])


def test_the_files_that_cibuildwheel_runs_are_there() -> None:
    settings = SETTINGS["tool"]["cibuildwheel"]
    commands = f"{settings['test-command']} {settings['linux']['before-all']}"
    named = re.findall(r"\{project\}/(\S+)", commands)
    assert named == ["scripts/check_install.py", "kernels/cuda/nvcc_requirements.txt"]
    assert all((ROOT / name).exists() for name in named)


def test_nvcc_from_pypi_is_of_one_release() -> None:
    lines = (ROOT / "kernels/cuda/nvcc_requirements.txt").read_text().splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert {pin.partition("==")[2].rpartition(".")[0] for pin in pins} == {"13.0"}
