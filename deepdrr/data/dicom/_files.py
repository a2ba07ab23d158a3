"""Finding the DICOM files under a path and reading their headers."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import pydicom
from pydicom.dataset import FileDataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from deepdrr._door import check_file, file_bytes, shown_path
from deepdrr.data.dicom._deflated import check_deflated
from deepdrr.data.dicom._excerpt import Excerpt

__all__ = ["Folder", "Header", "Span", "read_folder"]

# What the reader looks at. The rest, patient and private tags among it, is not even kept in memory.
_TAGS = (
    "SOPClassUID Modality ImageType SeriesInstanceUID SeriesNumber SeriesDescription KVP "
    "SpacingBetweenSlices "
    "AcquisitionNumber TemporalPositionIdentifier FrameOfReferenceUID ImagePositionPatient "
    "ImageOrientationPatient SamplesPerPixel PhotometricInterpretation PixelPresentation NumberOfFrames Rows "
    "Columns PixelSpacing BitsAllocated BitsStored HighBit PixelRepresentation PixelPaddingValue "
    "PixelPaddingRangeLimit RescaleIntercept RescaleSlope RescaleType SharedFunctionalGroupsSequence "
    "PerFrameFunctionalGroupsSequence"
)
_TAG_LIST = _TAGS.split()
_EXCERPT = Excerpt(_TAG_LIST)
_OF_PIXELS = ("NumberOfFrames", "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation")
# Transfer syntaxes whose pixels lie in the file as they are; "" where older archives state none.
_PLAIN = (ExplicitVRLittleEndian, ImplicitVRLittleEndian, "")
_PIXEL_DATA = b"\xe0\x7f\x10\x00"  # (7FE0,0010)
# The series of a patient lie two or three folders deep, in archives of many studies some ten; 5000 slices are many.
_DEEPEST = 64
_MOST_ENTRIES = 200_000
_SUFFIXES = {".dcm", ".dicom", ".ima"}
_DIRECTORY_CLASS = "1.2.840.10008.1.3.10"  # Media Storage Directory: a DICOMDIR


@dataclass(frozen=True)
class Span:
    """Bytes of a file.

    Attributes:
        first: the first byte.
        count: how many.
    """

    first: int
    count: int


@dataclass(frozen=True, eq=False)
class Header:
    """A DICOM file without its pixels.

    Attributes:
        path: the file.
        dataset: its tags, those in `_TAGS`.
        bare: whether it lacks the file preamble and meta information of PS3.10, as older archives write it.
        pixels: where the bytes of its pixels lie, None if they are packed or at no known place.
        alike: bytes of which the same say the same of a slice, but for its position; None if that is not known.
    """

    path: Path
    dataset: FileDataset
    bare: bool = False
    pixels: Span | None = None
    alike: bytes | None = None


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
    files = sorted(_walk(path)) if path.is_dir() else [check_file(path)]
    found = [_read_header(file) for file in files]
    headers = tuple(header for header in found if header is not None)
    return Folder(path, headers, len(files) - len(headers))


def _walk(folder: Path) -> Iterator[Path]:
    """All regular files below; links to folders are not followed, so that no loop is possible."""
    waiting, count = [(folder, 0)], 0
    while waiting:
        parent, depth = waiting.pop()
        if depth > _DEEPEST:
            raise ValueError(f"'{folder}' must hold folders at most {_DEEPEST} deep, got deeper ones: give one of them")
        for entry in _entries(parent):
            count += 1
            if count > _MOST_ENTRIES:
                raise ValueError(f"'{folder}' must hold at most {_MOST_ENTRIES} files, got more: give a folder in it")
            if entry.is_dir(follow_symlinks=False):
                waiting.append((parent / entry.name, depth + 1))
            elif _is_regular(entry):
                yield parent / entry.name


def _entries(folder: Path) -> list["os.DirEntry[str]"]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError as error:
        raise OSError(f"cannot read the folder '{shown_path(folder)}': {error.strerror}") from None


def _is_regular(entry: "os.DirEntry[str]") -> bool:
    try:
        return stat.S_ISREG(entry.stat().st_mode)
    except OSError as error:
        raise OSError(f"cannot read '{entry.path}': {error.strerror}") from None


def _read_header(file: Path) -> Header | None:
    """The header, or None for a file that is not DICOM."""
    try:
        with file.open("rb") as stream:
            return _header_in(stream, file)
    except OSError as error:
        raise OSError(f"cannot read '{file}': {error.strerror or error}") from None


def _header_in(stream: BinaryIO, file: Path) -> Header | None:
    start = stream.read(132)
    preamble = start[128:132] == b"DICM"
    # Without the preamble a data set starts with a tag of group 0002 or 0008, in either byte order.
    bare = not preamble and start[:2] in (b"\x02\x00", b"\x08\x00", b"\x00\x08")
    if not preamble and not bare:
        if file.suffix.lower() in _SUFFIXES and not file.name.startswith("."):
            raise ValueError(f"'{file}' is named like a DICOM file but is none ({file_bytes(file)} bytes)")
        return None
    check_deflated(file, stream)
    excerpt = None if bare else _EXCERPT.of(stream)
    try:
        if excerpt is not None:
            dataset = pydicom.dcmread(excerpt[0])
        else:
            stream.seek(0)
            dataset = pydicom.dcmread(stream, stop_before_pixels=True, force=bare, specific_tags=_TAG_LIST)
        _parse(dataset)
    except InvalidDicomError:
        return None
    except (OSError, MemoryError):
        raise
    except Exception as error:  # pydicom raises what its parsers raise
        if bare:
            return None
        raise ValueError(f"'{file}' is a damaged DICOM file: its header cannot be read") from error
    if bare and "SOPClassUID" not in dataset:
        return None
    if dataset.file_meta.get("MediaStorageSOPClassUID") == _DIRECTORY_CLASS:
        return None
    alike = None if excerpt is None else excerpt[1]
    return Header(file, dataset, bare, _pixel_span(stream, dataset), alike)


def _pixel_span(stream: BinaryIO, dataset: FileDataset) -> Span | None:
    """Where uncompressed little-endian pixels lie, behind the tag at which pydicom stopped."""
    is_implicit, is_little = dataset.original_encoding
    if not is_little or str(dataset.file_meta.get("TransferSyntaxUID") or "") not in _PLAIN:
        return None
    start = stream.read(12)
    # PS3.5 7.1: tag, then a length of 32 bits, behind the VR and two unused bytes where the VR is explicit.
    length = start[4:8] if is_implicit else start[8:12]
    if start[:4] != _PIXEL_DATA or len(start) < 12 or not (is_implicit or start[4:6] in (b"OW", b"OB")):
        return None
    return Span(stream.tell() - (4 if is_implicit else 0), int.from_bytes(length, "little"))


def _parse(dataset: FileDataset) -> None:
    """Have pydicom parse what it has put off, so that damage in the description of frames and pixels shows here."""
    for keyword in _OF_PIXELS:
        dataset.get(keyword)
    for keyword in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
        for group in dataset.get(keyword) or ():
            for _ in group.iterall():
                pass
    for keyword in ("TransferSyntaxUID", "MediaStorageSOPClassUID"):
        dataset.file_meta.get(keyword)
