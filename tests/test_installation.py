"""What `import deepdrr` says of a package without kernels, and of another project of the same name."""

import sys
import warnings
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

import deepdrr
from deepdrr._installation import warn_of_others, warn_without_kernels
from deepdrr._kernels import _is_cut_off


def package(folder: Path, *, ours: bool = True, compiled: bool = False) -> Path:
    """A folder that Python takes for the package deepdrr."""
    made = folder.resolve() / "deepdrr"
    made.mkdir(parents=True)
    made.joinpath("__init__.py").touch()
    if ours:
        made.joinpath("_kernels.py").touch()
    if compiled:
        made.joinpath(f"_kernels_avx2{EXTENSION_SUFFIXES[0]}").touch()
    return made


def test_a_complete_package_says_nothing(tmp_path: Path) -> None:
    ours = package(tmp_path, compiled=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_without_kernels(ours, [str(tmp_path)])
        warn_of_others(ours, [str(tmp_path), "", str(tmp_path / "missing")])


def test_a_clone_without_kernels_names_the_command(tmp_path: Path) -> None:
    clone = package(tmp_path)
    tmp_path.joinpath("setup.py").touch()
    with pytest.warns(RuntimeWarning, match=r"no compiled kernels.*hundreds of times.*pip install -e"):
        warn_without_kernels(clone, [str(tmp_path)])


def test_a_clone_that_hides_an_installed_package_names_it(tmp_path: Path) -> None:
    clone, installed = package(tmp_path / "clone"), package(tmp_path / "site-packages", compiled=True)
    with pytest.warns(RuntimeWarning, match="site-packages.*start Python in another folder"):
        warn_without_kernels(clone, [str(clone.parent), str(installed.parent)])


def test_an_installed_package_without_kernels_is_to_be_installed_again(tmp_path: Path) -> None:
    with pytest.warns(RuntimeWarning, match="reinstall deepdrr"):
        warn_without_kernels(package(tmp_path), [])


def test_kernels_for_another_python_are_none(tmp_path: Path) -> None:
    ours = package(tmp_path)
    ours.joinpath("_kernels_avx2.cpython-310-x86_64-linux-gnu.so").touch()
    with pytest.warns(RuntimeWarning, match="no compiled kernels"):
        warn_without_kernels(ours, [])


@pytest.mark.skipif(sys.platform != "linux", reason="looks at ELF files")
def test_a_cut_off_library_is_known_before_it_ends_the_process(tmp_path: Path) -> None:
    """Loading one ends the process with SIGBUS: its pages are missing."""
    whole = next(Path(deepdrr.__file__).parent.glob("_kernels_*.so"))
    assert not _is_cut_off(whole)
    cut = tmp_path / whole.name
    for size in (10_000, whole.stat().st_size - 1):
        cut.write_bytes(whole.read_bytes()[:size])
        assert _is_cut_off(cut)
    cut.write_text("not a library")  # the loader refuses this one in words
    assert not _is_cut_off(cut)


def test_another_project_of_the_name_is_told(tmp_path: Path) -> None:
    ours, theirs = package(tmp_path / "a", compiled=True), package(tmp_path / "b", ours=False)
    with pytest.warns(RuntimeWarning, match=r"another project named deepdrr.*b/deepdrr"):
        warn_of_others(ours, [str(ours.parent), str(theirs.parent)])
