"""What the text headers of NRRD and MetaImage share: lines of bounded length, words that must be numbers, grids."""

import difflib
import math
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor

from deepdrr._door import shown

__all__ = ["Field", "TextHeader", "check_spelling", "lps_from_ijk", "next_line", "one_volume"]

# 3D Slicer writes the names and colours of segments into headers: 100 kB for 100 of them.
_LONGEST_LINE = 2**20
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")


@dataclass(frozen=True)
class Field:
    """A field of a header.

    Attributes:
        file: the file.
        name: the field's name.
        text: its value.
    """

    file: Path
    name: str
    text: str

    def numbers(self, count: int) -> list[float]:
        """So many finite numbers.

        Raises:
            ValueError: if there are fewer or more, or one is none.
        """
        words = self.text.split()
        try:
            found = [float(word) for word in words]
        except ValueError:
            found = []
        if len(found) != count or not all(math.isfinite(v) for v in found) or "_" in self.text:
            raise self.refused(f"{count} finite number{'s' * (count > 1)}")
        return found

    def whole_numbers(self, count: int, least: int) -> list[int]:
        """So many integers, none of them less than the least.

        Raises:
            ValueError: if there are fewer or more, or one is none.
        """
        words = self.text.split()
        found = [int(word) for word in words if _WHOLE.fullmatch(word)]
        if len(words) != count or len(found) != count or min(found) < least:
            raise self.refused(f"{count} integer{'s' * (count > 1)} of at least {least}")
        return found

    def refused(self, accepted: str) -> ValueError:
        """The error for a value that is not accepted."""
        return ValueError(f"'{self.name}' of '{self.file}' must be {accepted}, got {shown(self.text)}")


@dataclass(frozen=True)
class TextHeader:
    """A header as it stands in the file.

    Attributes:
        file: the file.
        fields: the fields by name.
        end: the first byte after the header.
        data_files: the lines after the word LIST, names of files with voxels.
    """

    file: Path
    fields: dict[str, Field]
    end: int
    data_files: tuple[str, ...] = ()

    def required(self, name: str) -> Field:
        """A field that a volume must have.

        Raises:
            ValueError: if the header lacks it.
        """
        if name not in self.fields:
            raise ValueError(f"'{self.file}' has no '{name}' in its header, which a volume must have")
        return self.fields[name]

    def lengths(self, count: str, sizes: str, most: int) -> list[int]:
        """The length of each axis, the fastest first.

        Args:
            count: name of the field with the number of axes.
            sizes: name of the field with their lengths.
            most: the largest number of axes that the format knows.
        """
        number = self.required(count).whole_numbers(1, 1)[0]
        if number > most:
            raise self.fields[count].refused(f"an integer from 1 to {most}")
        return self.required(sizes).whole_numbers(number, 1)


def next_line(stream: BinaryIO, file: Path) -> str | None:
    """The next line of a header without its end, None at the end of the file.

    Raises:
        ValueError: if it is too long for a header, or no text.
    """
    line = stream.readline(_LONGEST_LINE)
    if not line:
        return None
    if len(line) == _LONGEST_LINE:
        raise ValueError(f"'{file}' is damaged or not what its suffix says: its header has no end")
    try:
        return line.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        text = line.decode("latin-1").rstrip("\r\n")
        if any(ord(sign) < 32 and sign != "\t" for sign in text):
            raise ValueError(f"'{file}' is damaged or not what its suffix says: its header is no text") from None
        return text


def check_spelling(name: str, known: Collection[str], file: Path) -> None:
    """Refuse a field that no reader knows but that looks like one: it would be left out without a word."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.85)
    if near:
        raise ValueError(f"'{file}' is damaged: its header has a field {shown(name)}, did it mean {near[0]!r}?")


def one_volume(sizes: Sequence[int], file: Path) -> tuple[int, int, int]:
    """The size of the one 3-D volume that a file holds.

    Raises:
        ValueError: if it holds fewer or more axes than three.
    """
    if len(sizes) < 3 or any(n != 1 for n in sizes[3:]):
        raise ValueError(
            f"'{file}' must hold one 3-D volume, got {len(sizes)} dimensions {shown('×'.join(map(str, sizes)))[1:-1]}"
        )
    return sizes[0], sizes[1], sizes[2]


def lps_from_ijk(columns: Sequence[Sequence[float]], origin: Sequence[float]) -> Tensor:
    """The affine [4, 4] of the ways from voxel to voxel along i, j, k and of the centre of the first voxel."""
    affine = torch.eye(4, dtype=torch.float64)
    affine[:3, :3] = torch.tensor(columns, dtype=torch.float64).T
    affine[:3, 3] = torch.tensor(origin, dtype=torch.float64)
    return affine
