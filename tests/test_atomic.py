"""`atomic_path` leaves a whole file or none."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from deepdrr._atomic import atomic_path, check_target


def write_half(path: Path, failure: BaseException) -> None:
    with atomic_path(path) as temporary:
        temporary.write_bytes(b"half")
        raise failure


def test_the_file_appears_when_the_block_ends_well(tmp_path: Path) -> None:
    target = tmp_path / "scan.nii.gz"
    with atomic_path(target) as temporary:
        assert temporary.parent == tmp_path  # the same file system, so that the rename is atomic
        assert temporary.suffixes == [".nii", ".gz"]
        temporary.write_bytes(b"whole")
        assert not target.exists()
    assert target.read_bytes() == b"whole"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("failure", [RuntimeError("library"), KeyboardInterrupt()])
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path, failure: BaseException) -> None:
    target = tmp_path / "picture.png"
    target.write_bytes(b"old")
    with pytest.raises(type(failure)):
        write_half(target, failure)
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_full_disk_is_a_sentence_with_the_path(tmp_path: Path) -> None:
    target = tmp_path / "picture.png"
    with pytest.raises(OSError, match=r"cannot write '.*picture\.png': No space left") as caught:
        write_half(target, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    assert caught.value.errno == errno.ENOSPC
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="file size limits are POSIX")
def test_a_real_limit_of_the_system_leaves_nothing(tmp_path: Path) -> None:
    code = (
        "import resource, sys\n"
        "from deepdrr._atomic import atomic_path\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "with atomic_path(sys.argv[1]) as temporary:\n"
        "    temporary.write_bytes(bytes(5000))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "big.bin")], capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "big.bin': File too large; nothing was left behind" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_link_is_followed(tmp_path: Path) -> None:
    real = tmp_path / "real.bin"
    real.write_bytes(b"old")
    link = tmp_path / "link.bin"
    link.symlink_to(real)
    with atomic_path(link) as temporary:
        temporary.write_bytes(b"new")
    assert link.is_symlink()
    assert real.read_bytes() == b"new"


def test_folders_that_cannot_take_the_file(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError, match="path must be a file to write"), atomic_path(tmp_path):
        pass
    with pytest.raises(FileNotFoundError, match=r"the folder '.*missing' does not exist"):
        write_half(tmp_path / "missing" / "a.png", OSError("the folder comes first"))


def test_a_target_is_looked_at_before_the_work(tmp_path: Path) -> None:
    check_target(tmp_path / "a.png", "out")
    with pytest.raises(IsADirectoryError, match="out must be a file to write"):
        check_target(tmp_path, "out")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a folder that even root cannot write to")
def test_an_unwritable_folder_is_a_sentence() -> None:
    with pytest.raises(OSError, match=r"cannot write '/proc/self/picture\.png': the folder '/proc/self' does not let"):
        check_target(Path("/proc/self/picture.png"))
    with pytest.raises(OSError, match=r"cannot write '/proc/self/picture\.png': the folder '/proc/self' does not let"):
        write_half(Path("/proc/self/picture.png"), OSError("the folder comes first"))


def test_a_block_that_writes_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="cannot write"), atomic_path(tmp_path / "a.png"):
        pass


@pytest.mark.skipif(sys.platform == "win32", reason="pipes in the file system are POSIX")
def test_a_pipe_is_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.png"
    os.mkfifo(pipe)
    with pytest.raises(OSError, match="regular file"), atomic_path(pipe):
        pass
    assert pipe.is_fifo()


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(OSError, match=r"cannot write .*the folder .* does not let files be written") as caught,
        atomic_path(tmp_path / "a.txt") as temporary,
    ):
        raise PermissionError(errno.EACCES, "Permission denied", str(temporary))
    assert str(tmp_path) in str(caught.value)
    assert temporary.name not in str(caught.value)
