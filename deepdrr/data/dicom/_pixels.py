"""Stored pixels to Hounsfield units."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import FileDataset
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.utils import iter_pixels
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from deepdrr.data._checks import empty_voxels
from deepdrr.data._doubts import Assume
from deepdrr.data.dicom._bits import in_low_bits, is_shifted, with_all_bits
from deepdrr.data.dicom._codestreams import check_codestreams, hushed
from deepdrr.data.dicom._files import Header, Span
from deepdrr.data.dicom._frames import DicomFrame
from deepdrr.data.dicom._padding import to_hu

__all__ = ["check_decoders", "read_hu", "stored_pixels", "transfer_syntax"]

# Bits of a pixel that NumPy reads from the file; others are pydicom's.
_BITS = 16


def check_decoders(frames: Sequence[DicomFrame]) -> None:
    """Refuse a compression that nothing installed can decode, before any work is done.

    Args:
        frames: the slices.

    Raises:
        ValueError: names the transfer syntax, the decoders that would do and what to install.
    """
    headers = {transfer_syntax(frame.header): frame.header for frame in frames}
    for syntax, header in headers.items():
        try:
            decoder = get_decoder(syntax)
        except NotImplementedError:
            raise ValueError(
                f"'{header.path}' is stored as {syntax.name} ({syntax}), which is not a transfer syntax of CT images "
                "that can be decoded here; convert it to Explicit VR Little Endian"
            ) from None
        if not decoder.is_available:
            raise ValueError(
                f"'{header.path}' is compressed as {syntax.name} ({syntax}), for which no decoder is installed "
                f"({'; '.join(decoder.missing_dependencies)}): pip install 'deepdrr[dicom]'"
            )


def transfer_syntax(header: Header) -> UID:
    """How the pixels are stored: as the file states it, or from the encoding of a file without meta information."""
    stated = header.dataset.file_meta.get("TransferSyntaxUID")
    if stated:
        return UID(str(stated))
    implicit, little = header.dataset.original_encoding
    if not little:
        return ExplicitVRBigEndian
    return ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian


def read_hu(frames: Sequence[DicomFrame], assume: Assume | None = None) -> tuple[NDArray[np.float32], int, int]:
    """Hounsfield units of a stack of slices, with all that was not measured as air.

    Args:
        frames: the slices in the order of k, equal in shape.
        assume: what pixels with a padding value that is also tissue are, see `read_dicom`.

    Returns:
        hu float32 [I, J, K] (i along a row, j down a column), how many voxels were padding and became air, and how
        many hold the padding value and did not.

    Raises:
        ValueError: if the pixels of a file are missing, cut off or damaged.
    """
    rows, columns = frames[0].shape
    slices = empty_voxels((len(frames), rows, columns), frames[0].header.path)
    padding, kept = 0, 0
    for k, stored in stored_pixels(frames):
        became_air, stayed = to_hu(stored, frames[k], slices[k], assume)
        padding, kept = padding + became_air, kept + stayed
    return slices.transpose(2, 1, 0), padding, kept


def stored_pixels(frames: Sequence[DicomFrame]) -> Iterator[tuple[int, NDArray[Any]]]:
    """The stored numbers [rows, columns] of each slice, with its place in `frames`, one file after the other."""
    by_file = sorted(range(len(frames)), key=lambda k: (str(frames[k].header.path), frames[k].index))
    for _, group in groupby(by_file, key=lambda k: frames[k].header.path):
        members = list(group)
        header = frames[members[0]].header
        count, shifted = 0, is_shifted(header)
        for k, stored in zip(members, _decode(header, [frames[k].index for k in members]), strict=False):
            if stored.shape != frames[k].shape:
                raise ValueError(f"{frames[k].name} must hold {frames[k].shape} pixels, got {stored.shape}")
            count += 1
            yield k, in_low_bits(stored, header.dataset) if shifted else stored
        if count < len(members):
            raise ValueError(f"'{header.path}' must hold the pixels of {len(members)} slices, got {count}")


def _decode(header: Header, indices: list[int]) -> Iterator[NDArray[Any]]:
    """Frames of a file in ascending order, decoded one at a time."""
    try:
        if header.pixels is not None and _is_plain(header.dataset):
            yield from _plain(header, header.pixels, indices)
            return
        _check_stored(header)
        # Without indices pydicom fails on JPEG 2000 whose signedness contradicts the header.
        frames = iter_pixels(_pixel_source(header), indices=indices, raw=True)
        while (frame := _next(frames, transfer_syntax(header))) is not None:
            yield frame
    except OSError as error:
        raise OSError(f"cannot read '{header.path}': {error.strerror or error}") from None
    except MemoryError:
        raise
    except Exception as error:  # pydicom and the decoders raise what they like
        if isinstance(error, ValueError) and str(header.path) in str(error):
            raise
        reason = str(error) if isinstance(error, _LengthError) else "they are missing or damaged"
        syntax = transfer_syntax(header)
        raise ValueError(f"the pixels of '{header.path}' ({syntax.name}) cannot be decoded: {reason}") from error


def _next(frames: Iterator[NDArray[Any]], syntax: UID) -> NDArray[Any] | None:
    with hushed(syntax):
        return next(frames, None)


def _is_plain(dataset: FileDataset) -> bool:
    """Whether stored numbers are the low bits of 16."""
    stored = dataset.get("BitsStored")
    return bool(
        dataset.BitsAllocated == _BITS and stored and 1 <= stored <= _BITS and dataset.get("HighBit") == stored - 1
    )


class _LengthError(Exception):
    """More or fewer bytes than the header states."""


def _plain(header: Header, span: Span, indices: list[int]) -> Iterator[NDArray[Any]]:
    """Frames of 16 bits that lie in the file as they are."""
    rows, columns = int(header.dataset.Rows), int(header.dataset.Columns)
    _check_count(header, span.count)
    dtype = np.dtype("<i2" if int(header.dataset.PixelRepresentation) else "<u2")
    unused = _BITS - int(header.dataset.BitsStored)  # may hold what is no part of the number
    with header.path.open("rb") as stream:
        for index in indices:
            stream.seek(span.first + index * rows * columns * dtype.itemsize)
            values = np.frombuffer(stream.read(rows * columns * dtype.itemsize), dtype)
            if len(values) < rows * columns:
                raise _LengthError(f"{rows * columns} are stated, and the file ends after {len(values)}")
            yield (values << unused >> unused if unused else values).reshape(rows, columns)


def _check_stored(header: Header) -> None:
    """Refuse pixels that are longer than stated, of which pydicom leaves out the rest, and frames that are cut off."""
    syntax = transfer_syntax(header)
    if syntax == DeflatedExplicitVRLittleEndian:
        return
    tags = ["PixelData", "Rows", "Columns", "NumberOfFrames"]
    dataset = pydicom.dcmread(header.path, force=header.bare, specific_tags=tags)
    if syntax.is_compressed:
        check_codestreams(dataset, syntax, header.path)
    else:
        _check_count(header, len(dataset.get("PixelData", b"")))


def _check_count(header: Header, count: int) -> None:
    """Refuse bytes of pixels that are a row or more longer than stated."""
    dataset = header.dataset
    rows, columns, frames = dataset.Rows, dataset.Columns, int(dataset.get("NumberOfFrames") or 1)
    row_bytes = columns * dataset.BitsAllocated // 8
    if count >= frames * rows * row_bytes + row_bytes:
        raise _LengthError(f"{frames * rows} rows of {row_bytes} bytes are stated, but there are {count} bytes")


def _pixel_source(header: Header) -> Path | pydicom.FileDataset:
    """The file, or its data set where pydicom cannot find the pixels by their place in the file."""
    syntax = transfer_syntax(header)
    stated = header.dataset.file_meta.get("TransferSyntaxUID")
    if is_shifted(header):
        return with_all_bits(pydicom.dcmread(header.path, force=header.bare), syntax)
    if stated and syntax != DeflatedExplicitVRLittleEndian:
        return header.path
    dataset = pydicom.dcmread(header.path, force=header.bare)
    dataset.file_meta.TransferSyntaxUID = syntax
    return dataset
