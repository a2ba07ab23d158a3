"""The pelvis CTs of the DeepFluoro data set, fetched once and kept."""

import gzip
import os
import zlib
from pathlib import Path

from deepdrr.data.samples._cache import cache_folder
from deepdrr.data.samples._download import download

__all__ = ["download_deepfluoro"]

# The copy that nanodrr's tutorials use: volumes and label maps as NIfTI files, in one folder a subject.
_URL = "https://huggingface.co/datasets/eigenvivek/xvr-data/resolve/main/deepfluoro"
_SUBJECTS = 6  # Grupp et al., Int. J. CARS 15, 759 (2020): six cadaveric specimens
_FILES = ("volume.nii.gz", "mask.nii.gz")
_HEADERS = [size.to_bytes(4, order) for size in (348, 540) for order in ("little", "big")]  # of NIfTI-1 and NIfTI-2


def download_deepfluoro(
    subject_id: int = 1,
    *,
    url: str | None = None,
    sha256: tuple[str, str] | None = None,
    progress: bool = True,
) -> tuple[str, str]:
    """Fetch a subject of the DeepFluoro data set (Grupp et al., Int. J. CARS 15, 759, 2020): a CT and its labels.

    The files are kept in the folder `deepfluoro` of DEEPDRR_CACHE, or of deepdrr's folder in the user's cache; they
    are fetched once. A connection that ends is taken up again where it ended, by this call or by the next. The data set
    publishes no SHA-256; without one, the checksum inside the gzip files verifies them. Proxies are taken from the
    environment, and certificates that only your network trusts from REQUESTS_CA_BUNDLE.

    Args:
        subject_id: 1 to 6.
        url: holds the folders `subject01` to `subject06`, each with `volume.nii.gz` and `mask.nii.gz`; a mirror may be
            `https:`, `http:` or `file:`. None: DEEPDRR_DEEPFLUORO_URL, or else the copy that nanodrr uses.
        sha256: of the two files, hexadecimal; files in the cache are compared with it too.
        progress: show a bar on standard error, if that is a terminal or a notebook.

    Returns:
        Paths of the CT and of the label map, as `Subject.from_filepath` takes them.

    Raises:
        ValueError: for an unknown subject, or a malformed URL or checksum.
        ConnectionError: if a file cannot be fetched; the sentence says where to put it by hand.
        OSError: if a file is not what it should be, or cannot be stored.
    """
    if isinstance(subject_id, bool) or not isinstance(subject_id, int) or not 1 <= subject_id <= _SUBJECTS:
        raise ValueError(f"subject_id must be a whole number from 1 to {_SUBJECTS}, got {subject_id!r}")
    if sha256 is not None and (isinstance(sha256, str) or len(sha256) != len(_FILES)):
        raise ValueError(f"sha256 must be two checksums, of {' and '.join(_FILES)}, got {sha256!r}")
    base = url or os.environ.get("DEEPDRR_DEEPFLUORO_URL") or _URL
    subject = f"subject{subject_id:02d}"
    folder = cache_folder() / "deepfluoro" / subject
    image, labels = (
        download(
            f"{base.rstrip('/')}/{subject}/{name}",
            folder / name,
            digest=digest,
            check=_check_nifti,
            progress=progress,
        )
        for name, digest in zip(_FILES, sha256 or (None, None), strict=True)
    )
    return str(image), str(labels)


def _check_nifti(path: Path) -> None:
    """Unpack to the end, which finds a login page in place of the file and every byte that changed."""
    name = path.name.removeprefix(".").removesuffix(".part")
    try:
        with gzip.open(path) as stream:
            header_bytes = stream.read(4)
            while stream.read(1 << 20):
                pass
    except (OSError, EOFError, zlib.error) as error:
        raise OSError(f"'{name}' must be a whole gzip file: {error}; nothing of it was kept") from error
    if header_bytes not in _HEADERS:
        raise OSError(f"'{name}' must hold a NIfTI image, got the first bytes {header_bytes!r}; nothing of it was kept")
