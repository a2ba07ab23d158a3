"""`download_deepfluoro` on full disks, under limits, killed, and twice at a time."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from deepfluoro_mirror import IMAGE, LABELS, Server, fetch, names

import deepdrr.data
from deepdrr.data import download_deepfluoro
from deepdrr.data.samples import _part

pytestmark = pytest.mark.usefixtures("cache")


def test_a_disk_that_is_full_from_the_start(server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    size = len(server.files[IMAGE])
    with pytest.raises(OSError, match=rf"cannot store .*No space left on device for another {size} bytes") as caught:
        fetch(server)
    assert caught.value.errno == errno.ENOSPC
    assert names(cache) == set()


def test_a_disk_that_fills_on_the_way(server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(_part.os, "fsync", full)
    with pytest.raises(OSError, match=r"cannot store .*No space left on device; nothing of it was kept"):
        fetch(server)
    assert names(cache) == set()


def start(server: Server, program: str = "") -> subprocess.Popen[str]:
    """Another process that fetches subject 1; the packages' own `__init__`, which load torch, are left out."""
    code = f"""
import sys, types
for name, folder in (("deepdrr", {deepdrr.__path__[0]!r}), ("deepdrr.data", {deepdrr.data.__path__[0]!r})):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [folder]
{program}
from deepdrr.data.samples._deepfluoro import download_deepfluoro
print(*download_deepfluoro(url={server.url!r}))
"""
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.skipif(sys.platform == "win32", reason="file size limits are POSIX")
def test_a_limit_of_the_system_in_the_middle(server: Server, cache: Path) -> None:
    process = start(server, "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))")
    _, errors = process.communicate()
    assert process.returncode != 0
    assert "volume.nii.gz': File too large; nothing of it was kept" in errors
    assert names(cache) == set()


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
def test_a_killed_process_leaves_no_half_file_and_its_part_is_used(server: Server, cache: Path) -> None:
    server.pause_s = 0.02
    process = start(server)
    part = cache / ".volume.nii.gz.part"
    deadline = time.monotonic() + 30.0
    while not (part.exists() and part.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert names(cache) == {part.name, f"{part.name}.txt"}
    server.pause_s = 0.0
    received = part.stat().st_size
    server.requests.clear()
    image, _ = fetch(server)  # the lock of the dead process does not hold it up
    assert server.requests[0] == (IMAGE, f"bytes={received}-")
    assert Path(image).read_bytes() == server.files[IMAGE]


def test_two_processes_fetch_it_once(server: Server, cache: Path) -> None:
    server.pause_s = 0.003
    processes = [start(server) for _ in range(2)]
    outputs = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    assert outputs[0][0].split() == [str(cache / "volume.nii.gz"), str(cache / "mask.nii.gz")]
    assert sorted(server.requests) == [(LABELS, None), (IMAGE, None)]


def test_a_cache_that_is_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DEEPDRR_CACHE", str(tmp_path / "file"))
    with pytest.raises(OSError, match=r"cannot make the folder .*; set DEEPDRR_CACHE"):
        download_deepfluoro(progress=False)
