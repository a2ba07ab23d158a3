"""`unpack_package` with the clients themselves, on an index that is a folder: nothing comes from outside."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import deepdrr.data

CONTENT = {
    "fakect/cxr.nii.gz": b"an image",
    "fakect/__init__.py": b"raise SystemExit('nothing of a package may run')",
    "fakect-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: fakect\nVersion: 1.0\nRequires-Dist: nonesuch\n",
    "fakect-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
}
# What a program in an environment of nothing runs: the packages' own `__init__`, which load torch, are left out.
PROGRAM = f"""
import sys, types
from pathlib import Path
for name, folder in (("deepdrr", {deepdrr.__path__[0]!r}), ("deepdrr.data", {deepdrr.data.__path__[0]!r})):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [folder]
from deepdrr.data.samples._packages import unpack_package
try:
    unpack_package(sys.argv[1], Path(sys.argv[2]))
except ConnectionError as error:
    sys.exit(str(error))
"""


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("index")
    record = "".join(f"{name},,\n" for name in (*CONTENT, "fakect-1.0.dist-info/RECORD"))
    with zipfile.ZipFile(folder / "fakect-1.0-py3-none-any.whl", "w") as archive:
        for name, content in {**CONTENT, "fakect-1.0.dist-info/RECORD": record.encode()}.items():
            archive.writestr(name, content)
    return folder


@pytest.fixture(scope="module")
def without_pip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment like uv's: no pip in it."""
    folder = tmp_path_factory.mktemp("without") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    missing = subprocess.run([python, "-c", "import pip"], capture_output=True, text=True)
    assert "No module named 'pip'" in missing.stderr
    return python


def uv_folder() -> Path:
    """Where uv is: beside this Python, as the extra `dev` puts it, or on the PATH."""
    found = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if found is None:
        pytest.skip("there is no uv")
    return Path(found).parent


def unpack(python: Path, index: Path, to: Path, *, path: str = "", what: str = "fakect==1.0", program: str = PROGRAM):
    own = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_", "PYTHON"))}
    offline = {f"{client}_{key}": value for client in ("PIP", "UV") for key, value in settings(index).items()}
    environment = {**own, **offline, "PATH": path, "PIP_CONFIG_FILE": os.devnull, "UV_NO_CONFIG": "1"}
    command = [python, "-c", program, what, to]
    return subprocess.run(command, capture_output=True, text=True, env=environment)


def settings(index: Path) -> dict[str, str]:
    return {"NO_INDEX": "1", "FIND_LINKS": str(index)}


@pytest.mark.parametrize("client", ["pip", "uv", "ensurepip"])
def test_each_client_unpacks_it_and_installs_nothing(
    client: str, index: Path, without_pip: Path, tmp_path: Path
) -> None:
    if client == "ensurepip":
        pytest.importorskip("ensurepip")
    python = Path(sys.executable) if client == "pip" else without_pip
    done = unpack(python, index, tmp_path / "package", path=str(uv_folder()) if client == "uv" else "")
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "package" / "fakect" / "cxr.nii.gz").read_bytes() == b"an image"
    assert [path.name for path in tmp_path.iterdir()] == ["package"]
    used = (tmp_path / "package" / "fakect-1.0.dist-info" / "INSTALLER").read_text().strip()
    assert used == ("uv" if client == "uv" else "pip")
    assert not list(without_pip.parents[1].rglob("fakect*"))


@pytest.mark.parametrize(
    ("client", "words"),
    [
        ("pip", "No matching distribution found for nonesuch==1.0"),
        ("uv", "Because nonesuch was not found"),
    ],
)
def test_a_client_that_fails_is_quoted(client: str, words: str, index: Path, without_pip: Path, tmp_path: Path) -> None:
    python, path = (Path(sys.executable), "") if client == "pip" else (without_pip, str(uv_folder()))
    done = unpack(python, index, tmp_path / "package", path=path, what="nonesuch==1.0")
    assert done.returncode == 1
    assert done.stderr.startswith("cannot download nonesuch==1.0: ")
    assert words in done.stderr


def test_an_environment_without_any_client(index: Path, without_pip: Path, tmp_path: Path) -> None:
    program = f"import sys; sys.modules['ensurepip'] = None\n{PROGRAM}"
    done = unpack(without_pip, index, tmp_path / "package", program=program)
    assert (done.returncode, done.stderr.strip()) == (
        1,
        "cannot download fakect==1.0: there is neither pip nor uv here",
    )
    assert not list(tmp_path.iterdir())
