"""Values of DICOM tags as plain Python, or a sentence that names the file and the tag."""

import logging
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pydicom
from pydicom.dataset import Dataset

from deepdrr._door import shown

__all__ = ["damage_as_sentence", "frame_count", "number", "numbers", "optional_number", "quiet", "text", "words"]


@contextmanager
def quiet() -> Iterator[None]:
    """Silence pydicom's warnings and log lines: what matters in them is checked here and refused in a sentence."""
    logger = logging.getLogger("pydicom")
    settings = pydicom.config.settings
    before = logger.disabled, settings.reading_validation_mode
    logger.disabled, settings.reading_validation_mode = True, pydicom.config.IGNORE
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.disabled, settings.reading_validation_mode = before


@contextmanager
def damage_as_sentence(path: Path, what: str) -> Iterator[None]:
    """Say what pydicom and the decoders raise, which is anything, in a sentence; refusals of ours name the path."""
    try:
        yield
    except MemoryError:
        raise
    except OSError as error:
        raise OSError(f"cannot read '{path}': {error.strerror or 'it ends too early'}") from error
    except Exception as error:
        if isinstance(error, ValueError) and str(path) in str(error):
            raise
        raise ValueError(f"'{path}' {what}") from error


def text(dataset: Dataset, keyword: str) -> str:
    """The value as stripped text, "" where the tag is absent, empty or unreadable."""
    try:
        value = dataset.get(keyword)
        return "" if value is None else str(value).replace("\0", "").strip()
    except Exception:  # pydicom raises what its value parsers raise; an unreadable label is no label
        return ""


def words(dataset: Dataset, keyword: str) -> tuple[str, ...]:
    """The values of a text tag with several values in upper case, e.g. ImageType."""
    value = _raw(dataset, keyword, "")
    if value is None:
        return ()
    values = [value] if isinstance(value, str) else list(value)
    return tuple(str(v).strip().upper() for v in values)


def numbers(dataset: Dataset, keyword: str, count: int, where: str) -> tuple[float, ...]:
    """The finite numbers of a required tag.

    Args:
        dataset: the data set or the item of a sequence.
        keyword: DICOM keyword.
        count: how many numbers the tag holds.
        where: file (and frame), for the error message.

    Raises:
        ValueError: if the tag is missing, holds another count, or holds what is not a finite number.
    """
    value = _raw(dataset, keyword, where)
    if value is None or value == "":
        raise ValueError(f"{where} has no {keyword}, which a CT slice must have")
    values = [value] if isinstance(value, str | int | float) else list(value)
    try:
        found = tuple(float(v) for v in values)
    except (TypeError, ValueError):
        found = ()
    if len(found) != count or not all(math.isfinite(v) for v in found):
        found_text = "\\".join(str(v) for v in values)
        raise ValueError(
            f"{keyword} of {where} must be {count} finite number{'s' * (count > 1)}, got {shown(found_text)[1:-1]}"
        )
    return found


def number(dataset: Dataset, keyword: str, where: str) -> float:
    """The finite number of a required tag."""
    return numbers(dataset, keyword, 1, where)[0]


def optional_number(dataset: Dataset, keyword: str, where: str) -> float | None:
    """The finite number of a tag, or None where the tag is absent or empty."""
    value = _raw(dataset, keyword, where)
    return None if value is None or value == "" else number(dataset, keyword, where)


def frame_count(dataset: Dataset) -> int:
    """How many frames a file states to hold, 1 for a classic slice."""
    count = text(dataset, "NumberOfFrames")
    return int(count) if count.isdigit() else 1


def _raw(dataset: Dataset, keyword: str, where: str) -> Any:
    try:
        return dataset.get(keyword)
    except Exception as error:  # pydicom raises what its value parsers raise
        raise ValueError(f"{keyword} of {where} cannot be read: it is damaged") from error
