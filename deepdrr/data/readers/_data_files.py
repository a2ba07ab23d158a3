"""The files that a header names for its voxels."""

import re
from pathlib import Path

from deepdrr._door import check_file, shown
from deepdrr.data.readers._header_text import Field

__all__ = ["named_file", "numbered_files"]

# A whole body in slices of half a millimetre.
_MOST_FILES = 5000
_PLACE = re.compile(r"%0?[0-9]{0,2}[du]")


def named_file(field: Field, name: str) -> Path:
    """The file of a name in a header, which stands for a place beside the header.

    Raises:
        OSError, ValueError: as `check_file`; the sentence names both files.
    """
    if not name or len(name) > 4096:
        raise field.refused("the name of a file")
    file = field.file.parent / name
    try:
        return check_file(file)
    except (OSError, ValueError) as error:
        raise type(error)(f"'{field.file}' needs the file that its '{field.name}' names: {error}") from error


def numbered_files(field: Field, pattern: str, numbers: str) -> list[Path]:
    """The files of a pattern such as `slice_%03d.raw` for the numbers `first last step`.

    Raises:
        OSError, ValueError: for what is no such pattern, or a file that cannot be read.
    """
    first, last, step = Field(field.file, field.name, numbers).whole_numbers(3, 0)
    if not step or last < first or (last - first) // step >= _MOST_FILES or len(_PLACE.findall(pattern)) != 1:
        raise field.refused(f"a pattern such as a%03d.raw for at most {_MOST_FILES} files, or a file")
    if "%" in _PLACE.sub("", pattern):
        raise ValueError(f"'{field.name}' of '{field.file}' must hold one %d, got {shown(pattern)}")
    return [named_file(field, pattern % number) for number in range(first, last + 1, step)]
