"""Unique identifiers of DICOM studies, series and images."""

import uuid
from dataclasses import dataclass
from typing import Self

__all__ = ["DicomUids"]


@dataclass(frozen=True)
class DicomUids:
    """The three unique identifiers of an image; several images of one study share the first.

    Attributes:
        study, series, instance: DICOM UIDs, at most 64 characters.

    Example:
        >>> first = DicomUids.new(seed="pelvis AP")
        >>> first == DicomUids.new(seed="pelvis AP")
        True
    """

    study: str
    series: str
    instance: str

    @classmethod
    def new(cls, seed: str | None = None) -> Self:
        """Fresh identifiers below the root 2.25 (PS3.5 B.2: a UUID as a decimal number).

        Args:
            seed: the same text gives the same identifiers; None generates new ones.
        """
        return cls(*(_uid(seed, part) for part in ("study", "series", "instance")))


def _uid(seed: str | None, part: str) -> str:
    drawn = uuid.uuid4() if seed is None else uuid.uuid5(uuid.NAMESPACE_URL, f"deepdrr:{part}:{seed}")
    return f"2.25.{drawn.int}"
