"""Numbers of the pixels in NPY, PNG, TIFF and DICOM files: what a file claims is checked before it is decoded."""

import copy
import math
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from deepdrr._door import file_bytes
from deepdrr._numbers import as_count

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

__all__ = ["dicom_pixels", "frame_index", "numpy_pixels", "picture_pixels"]

# A film of 43 cm digitized at 50 µm has 74 million; the largest flat panels have 20.
_MOST_PIXELS = 2**27
# Pillow's modes of one channel that hold the grey itself, and not the number of a colour.
_GREY_MODES = ("1", "L", "I", "F", "I;16", "I;16L", "I;16B", "I;16N", "LA", "RGB", "RGBA")


def numpy_pixels(file: Path) -> NDArray[Any]:
    """The array of a .npy file.

    Raises:
        ValueError: if it is none, holds anything but numbers, or other than its header states.
    """
    with file.open("rb") as stream:
        shape, is_fortran, dtype = _numpy_header(stream, file)
        count, there = math.prod(shape), file_bytes(file) - stream.tell()
        if count * dtype.itemsize != there:
            size = "×".join(map(str, shape[:8]))
            raise ValueError(
                f"'{file}' is truncated or damaged: {size} values of {dtype} take "
                f"{count * dtype.itemsize} bytes, there are {there}"
            )
        _check_count(count, file)
        values = np.fromfile(stream, dtype, count)
    return values.reshape(shape, order="F" if is_fortran else "C")


def frame_index(frame: int | None, count: int, file: Path) -> int:
    """The place of the frame that is meant, from 0.

    Raises:
        TypeError: if the frame is not an integer.
        ValueError: if there is no such frame, or there are several and none is named.
    """
    if frame is None:
        if count == 1:
            return 0
        raise ValueError(f"frame must be given for '{file}', which holds {count} frames: 1 to {count}")
    number = as_count(frame, "frame")
    if number > count:
        raise ValueError(f"frame must be 1 to {count}, the frames of '{file}', got {number}")
    return number - 1


def picture_pixels(file: Path, frame: int | None = None) -> NDArray[Any]:
    """The pixels of a PNG or TIFF file, of a TIFF with several pages those of one of them.

    Raises:
        ValueError: if it is none, is damaged, has too many pixels, or colours from a palette.
        OSError: if the system does not let it be read.
    """
    from PIL import Image, UnidentifiedImageError

    formats = ("PNG", "TIFF")  # others have their own readers, some of them programs
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Pillow about bombs; there is a limit of ours
            with Image.open(file, formats=formats) as image:
                size, mode, kind = image.size, image.mode, image.format
                _check_count(math.prod(size), file)
                if kind == "PNG":
                    image.verify()  # compares the checksum of each chunk, which decoding does not
            if mode not in _GREY_MODES:
                raise ValueError(f"an X-ray must hold the grey of its pixels, '{file}' has the mode {mode}")
            with Image.open(file, formats=formats) as image:
                image.seek(frame_index(frame, getattr(image, "n_frames", 1), file))
                return np.array(image)
    except UnidentifiedImageError as error:
        raise ValueError(f"'{file}' is no picture that can be read") from error
    except MemoryError:
        raise MemoryError(f"'{file}' must fit in memory, got a picture that does not") from None
    except Exception as error:  # Pillow raises what its parsers raise
        if isinstance(error, ValueError) and str(file) in str(error):
            raise
        if isinstance(error, OSError) and error.errno is not None:
            raise OSError(f"cannot read '{file}': {error.strerror}") from error
        raise ValueError(f"'{file}' is a damaged picture, or has more than {_MOST_PIXELS} pixels") from error


def dicom_pixels(file: Path, frame: int | None = None) -> "tuple[Dataset, NDArray[Any], int, int]":
    """The data set of a DICOM file, the stored pixels of one frame, its place from 0, and how many frames there are.

    Raises:
        ValueError: if it is none, has no pixels, or they cannot be decoded.
        OSError: if the system does not let it be read.
    """
    import pydicom
    from pydicom.errors import InvalidDicomError
    from pydicom.pixels.utils import pixel_array

    from deepdrr.data.dicom._bits import in_low_bits, is_shifted, with_all_bits
    from deepdrr.data.dicom._codestreams import check_codestreams, hushed
    from deepdrr.data.dicom._deflated import check_deflated
    from deepdrr.data.dicom._files import Header
    from deepdrr.data.dicom._tags import damage_as_sentence, quiet

    with file.open("rb") as stream:
        check_deflated(file, stream)
    with quiet(), damage_as_sentence(file, "has no pixels that can be read: they are missing or damaged"):
        try:
            dataset = pydicom.dcmread(file)
        except InvalidDicomError as error:
            raise ValueError(f"'{file}' is neither .npy, .png, .tiff nor a DICOM file") from error
        count = int(dataset.get("NumberOfFrames") or 1)
        _check_count(int(dataset.Rows) * int(dataset.Columns), file)
        syntax = dataset.file_meta.TransferSyntaxUID
        check_codestreams(dataset, syntax, file)
    index = frame_index(frame, count, file)
    with quiet(), damage_as_sentence(file, "has no pixels that can be read: they are missing or damaged"):
        shifted = is_shifted(Header(file, dataset))
        whole = with_all_bits(copy.copy(dataset), syntax) if shifted else dataset
        with hushed(syntax):
            pixels = pixel_array(whole, index=index) if count > 1 else whole.pixel_array
    return dataset, in_low_bits(pixels, dataset) if shifted else pixels, index, count


def _numpy_header(stream: BinaryIO, file: Path) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of headers that Python 2 wrote
            version = np.lib.format.read_magic(stream)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, is_fortran, dtype = read(stream)
    except MemoryError:
        raise
    except Exception as error:  # the header is a Python literal: whatever its parser raises
        raise ValueError(f"'{file}' is no NumPy file of numbers: its header cannot be read") from error
    if dtype.kind not in "biufc" or any(n < 0 for n in shape):
        raise ValueError(f"'{file}' is no NumPy file of numbers: it holds {dtype} of shape {shape[:8]}")
    return shape, is_fortran, dtype


def _check_count(count: int, file: Path) -> None:
    if count > _MOST_PIXELS:
        raise ValueError(f"'{file}' must be an image of at most {_MOST_PIXELS} pixels, got {count}")
