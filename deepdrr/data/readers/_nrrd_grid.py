"""Where the voxels of an NRRD file lie."""

import re
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from deepdrr.data.readers._header_text import Field, lps_from_ijk

if TYPE_CHECKING:
    from deepdrr.data.readers._nrrd import NrrdHeader

__all__ = ["PATIENT_SPACES", "affine_of"]

# What turns each space's coordinates into RAS, as signs of its axes.
_RAS, _LAS, _LPS = (1.0, 1.0, 1.0), (-1.0, 1.0, 1.0), (-1.0, -1.0, 1.0)
PATIENT_SPACES = {
    "right-anterior-superior": _RAS,
    "ras": _RAS,
    "left-anterior-superior": _LAS,
    "las": _LAS,
    "left-posterior-superior": _LPS,
    "lps": _LPS,
}
"""The spaces of the format that name the patient's directions, with the signs of their axes in RAS."""

_MM = {"mm": 1.0, "millimeter": 1.0, "millimetre": 1.0, "cm": 10.0, "m": 1000.0, "meter": 1000.0, "metre": 1000.0}
_MM |= {"um": 1e-3, "µm": 1e-3, "micron": 1e-3, "microns": 1e-3, "micrometer": 1e-3, "micrometre": 1e-3}
_VECTOR = re.compile(r"\(([^()]*)\)|none", re.IGNORECASE)
# The kinds of axes along which a scalar is sampled in space.
_SPATIAL_KINDS = ("domain", "space", "none", "???", "")


def affine_of(header: "NrrdHeader") -> Tensor:
    """The affine to RAS mm of the three axes of a header with a patient's space, directions and origin.

    Raises:
        ValueError: if these are not three directions and an origin in known units, or contradict a spacing.
    """
    directions = _vectors(header.fields["space directions"], len(header.sizes()))
    origin = _vectors(header.fields["space origin"], 1)[0]
    if origin is None or any(d is None for d in directions[:3]) or any(d is not None for d in directions[3:]):
        raise header.fields["space directions"].refused("a direction for each of the first three axes")
    _check_kinds(header)
    columns = [d for d in directions[:3] if d is not None]
    _check_spacings(header, columns)
    signs = torch.tensor(PATIENT_SPACES[header.fields["space"].text.lower()], dtype=torch.float64)
    affine = lps_from_ijk(columns, origin)
    affine[:3] *= (signs * torch.tensor(_units(header), dtype=torch.float64))[:, None]
    return affine


def _vectors(field: Field, count: int) -> list[list[float] | None]:
    """Vectors `(x,y,z)` or `none`."""
    found = [match.group(1) for match in _VECTOR.finditer(field.text)]
    if len(found) != count or _VECTOR.sub("", field.text).strip():
        raise field.refused(f"{count} vector{'s' * (count > 1)} such as (1,0,0)")
    return [None if v is None else Field(field.file, field.name, v.replace(",", " ")).numbers(3) for v in found]


def _units(header: "NrrdHeader") -> list[float]:
    """The length of a unit along each axis of the space, in mm; files that state none mean mm, as all software does."""
    stated = header.fields.get("space units")
    if stated is None:
        return [1.0] * 3
    names = re.findall(r'"([^"]*)"', stated.text) or stated.text.split()
    found = [_MM.get(name.strip().lower()) for name in names]
    known = [mm for mm in found if mm is not None]
    if len(found) != 3 or len(known) != 3:
        raise stated.refused(f"three units of length ({', '.join(_MM)})")
    return known


def _check_kinds(header: "NrrdHeader") -> None:
    stated = header.fields.get("kinds")
    if stated is None:
        return
    words = stated.text.lower().split()
    if len(words) != len(header.sizes()):
        raise stated.refused(f"{len(header.sizes())} words")
    if any(word not in _SPATIAL_KINDS for word in words[:3]):
        raise stated.refused("domain or space for the three axes of a volume")


def _check_spacings(header: "NrrdHeader", columns: list[list[float]]) -> None:
    """Refuse spacings that are not the length of the directions; nan stands for none."""
    stated = header.fields.get("spacings")
    if stated is None:
        return
    words = stated.text.split()
    if len(words) != len(header.sizes()):
        raise stated.refused(f"{len(header.sizes())} numbers")
    for word, column in zip(words, columns, strict=False):
        if word.lower() == "nan":
            continue
        spacing = abs(Field(stated.file, stated.name, word).numbers(1)[0])
        length = sum(v * v for v in column) ** 0.5
        if abs(spacing - length) > 1e-3 * length:
            raise stated.refused(f"the lengths of the 'space directions', of which one is {length:g}")
