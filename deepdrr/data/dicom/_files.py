"""Finding the DICOM files under a path and reading their headers."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pydicom
from pydicom.dataset import FileDataset
from pydicom.errors import InvalidDicomError

__all__ = ["Folder", "Header", "read_folder"]

# What the reader looks at. The rest, patient and private tags among it, is not even kept in memory.
_TAGS = (
    "SOPClassUID Modality ImageType SeriesInstanceUID SeriesNumber SeriesDescription KVP "
    "AcquisitionNumber TemporalPositionIdentifier FrameOfReferenceUID ImagePositionPatient "
    "ImageOrientationPatient SamplesPerPixel PhotometricInterpretation PixelPresentation NumberOfFrames Rows "
    "Columns PixelSpacing BitsAllocated PixelRepresentation PixelPaddingValue PixelPaddingRangeLimit "
    "RescaleIntercept RescaleSlope RescaleType SharedFunctionalGroupsSequence PerFrameFunctionalGroupsSequence"
)
_SUFFIXES = {".dcm", ".dicom", ".ima"}
_DIRECTORY_CLASS = "1.2.840.10008.1.3.10"  # Media Storage Directory: a DICOMDIR


@dataclass(frozen=True, eq=False)
class Header:
    """A DICOM file without its pixels.

    Attributes:
        path: the file.
        dataset: its tags, those in `_TAGS`.
        bare: whether it lacks the file preamble and meta information of PS3.10, as older archives write it.
    """

    path: Path
    dataset: FileDataset
    bare: bool = False


@dataclass(frozen=True)
class Folder:
    """What lies under a path: the headers of the DICOM files, and how many files are something else."""

    path: Path
    headers: tuple[Header, ...] = field(default=())
    others: int = 0


def read_folder(path: Path) -> Folder:
    """Read the headers of a DICOM file, or of all under a folder, however deep.

    Files that are not DICOM, and directories of media (DICOMDIR), are counted and left out. A file that is DICOM by
    its content or its name and cannot be read is refused: it might be a slice of the scan.

    Args:
        path: file or folder.

    Raises:
        FileNotFoundError: if nothing is there.
        OSError: if the system does not let a file be read.
        ValueError: if a DICOM file is damaged.
    """
    if not path.exists():
        raise FileNotFoundError(f"path must be a DICOM file or a folder of them, got '{path}', which does not exist")
    files = [path] if not path.is_dir() else sorted(_walk(path))
    found = [_read_header(file) for file in files]
    headers = tuple(header for header in found if header is not None)
    return Folder(path, headers, len(files) - len(headers))


def _walk(folder: Path) -> Iterator[Path]:
    """All regular files below; links to folders are not followed, so that no loop is possible."""

    def refuse(error: OSError) -> None:
        raise OSError(f"cannot read the folder '{error.filename}': {error.strerror}") from None

    for parent, _, names in os.walk(folder, onerror=refuse):
        for name in names:
            file = Path(parent) / name
            if stat.S_ISREG(_stat(file).st_mode):
                yield file


def _stat(file: Path) -> os.stat_result:
    try:
        return file.stat()
    except OSError as error:
        raise OSError(f"cannot read '{file}': {error.strerror}") from None


def _read_header(file: Path) -> Header | None:
    """The header, or None for a file that is not DICOM."""
    start = _first_bytes(file)
    preamble = start[128:132] == b"DICM"
    # Without the preamble a data set starts with a tag of group 0002 or 0008, in either byte order.
    bare = not preamble and start[:2] in (b"\x02\x00", b"\x08\x00", b"\x00\x08")
    if not preamble and not bare:
        if file.suffix.lower() in _SUFFIXES and not file.name.startswith("."):
            raise ValueError(f"'{file}' is named like a DICOM file but is none ({_stat(file).st_size} bytes)")
        return None
    try:
        dataset = pydicom.dcmread(file, stop_before_pixels=True, force=bare, specific_tags=[*_TAGS.split()])
        _parse(dataset)
    except InvalidDicomError:
        return None
    except OSError as error:
        raise OSError(f"cannot read '{file}': {error.strerror or error}") from None
    except MemoryError:
        raise
    except Exception as error:  # pydicom raises what its parsers raise
        if bare:
            return None
        raise ValueError(f"'{file}' is a damaged DICOM file: {error}") from None
    if bare and "SOPClassUID" not in dataset:
        return None
    if dataset.file_meta.get("MediaStorageSOPClassUID") == _DIRECTORY_CLASS:
        return None
    return Header(file, dataset, bare)


def _parse(dataset: FileDataset) -> None:
    """Have pydicom parse what it has put off, so that damage in the description of frames shows here."""
    for keyword in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
        for group in dataset.get(keyword) or ():
            for _ in group.iterall():
                pass
    list(dataset.file_meta)


def _first_bytes(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            return stream.read(132)
    except OSError as error:
        raise OSError(f"cannot read '{file}': {error.strerror}") from None
