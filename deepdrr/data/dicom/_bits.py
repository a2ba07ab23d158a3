"""Stored numbers that are not in the low bits of their words: PS3.5 8.1.1, where HighBit is not BitsStored − 1."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset
from pydicom.uid import UID, RLELossless

from deepdrr.data.dicom._files import Header

__all__ = ["in_low_bits", "is_shifted", "with_all_bits"]


def is_shifted(header: Header) -> bool:
    """Whether the numbers of a file are in other bits than the low ones. Codecs other than RLE have no such bits.

    Raises:
        ValueError: if the bits are not within a word.
    """
    dataset = header.dataset
    bits = [dataset.get(keyword) for keyword in ("BitsAllocated", "BitsStored", "HighBit")]
    if not all(isinstance(n, int) for n in bits):
        return False
    allocated, stored, high = bits
    if high == stored - 1:
        return False
    syntax = UID(str(dataset.file_meta.get("TransferSyntaxUID") or ""))
    if syntax.is_valid and not syntax.is_private and syntax.is_compressed and syntax != RLELossless:
        return False
    if not 0 < stored <= high + 1 <= allocated:
        raise ValueError(
            f"'{header.path}' is damaged: it keeps {stored} bits up to bit {high} in words of {allocated} bits"
        )
    return True


def with_all_bits(dataset: FileDataset, syntax: UID) -> FileDataset:
    """A data set whose decoder keeps all bits of a word, for `in_low_bits`."""
    dataset.BitsStored, dataset.HighBit = dataset.BitsAllocated, dataset.BitsAllocated - 1
    dataset.file_meta.TransferSyntaxUID = syntax
    return dataset


def in_low_bits(words: NDArray[Any], dataset: Dataset) -> NDArray[Any]:
    """The numbers of whole words, with their sign.

    Args:
        words: as decoded with all bits, signed or unsigned.
        dataset: the header as stated.

    Example:
        >>> header = Dataset()
        >>> header.BitsAllocated, header.BitsStored, header.HighBit = 16, 12, 15
        >>> in_low_bits(np.array([0x1230, 0xFFF0], dtype=np.uint16), header).tolist()
        [291, 4095]
    """
    above = dataset.BitsAllocated - 1 - dataset.HighBit
    shifted: NDArray[Any] = (words << above) >> (dataset.BitsAllocated - dataset.BitsStored)
    return np.asarray(shifted, dtype=words.dtype)
