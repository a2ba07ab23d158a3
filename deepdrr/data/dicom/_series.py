"""Which series of a folder is meant, and which of them are CT at all."""

from collections import Counter
from dataclasses import dataclass

from deepdrr._door import shown
from deepdrr.data.dicom._files import Folder, Header
from deepdrr.data.dicom._frames import NOT_HU
from deepdrr.data.dicom._tags import frame_count, text, words

__all__ = ["Series", "choose_series"]

_CT_CLASSES = {
    "1.2.840.10008.5.1.4.1.1.2": "CT",
    "1.2.840.10008.5.1.4.1.1.2.1": "Enhanced CT",
    "1.2.840.10008.5.1.4.1.1.2.2": "Legacy Converted Enhanced CT",
}
_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
_COLORS = {"COLOR", "MIXED", "TRUE_COLOR"}
_LISTED = 12
# Slices with a UID each are a series of slices where there are so many alike; two may be two pictures.
_FEWEST_JOINED = 3


@dataclass(frozen=True)
class Series:
    """Files of one series that are of one kind.

    Attributes:
        headers: the files.
        fault: why they are not slices of a CT (`"a localizer"`), "" if they are.
    """

    headers: tuple[Header, ...]
    fault: str

    @property
    def uid(self) -> str:
        """SeriesInstanceUID."""
        return text(self.headers[0].dataset, "SeriesInstanceUID")

    @property
    def number(self) -> str:
        """SeriesNumber, "" where there is none."""
        return text(self.headers[0].dataset, "SeriesNumber")

    @property
    def description(self) -> str:
        """SeriesDescription, "" where there is none."""
        return text(self.headers[0].dataset, "SeriesDescription")

    def summary(self, *, with_uid: bool) -> str:
        """Number, description and size, for a person to choose by."""
        first = self.headers[0].dataset
        images = sum(frame_count(header.dataset) for header in self.headers)
        size = f"{text(first, 'Columns') or '?'}×{text(first, 'Rows') or '?'}"
        line = f"series {self.number or 'without number'} {shown(self.description)} ({images} of {size}"
        return line + (f", {self.fault}" if self.fault else "") + (f", UID {self.uid})" if with_uid else ")")


def choose_series(folder: Folder, series: str | int | None) -> Series:
    """The CT series that is meant.

    Args:
        folder: the files.
        series: SeriesInstanceUID, SeriesNumber, SeriesDescription or a part of it; None where there is one only.

    Raises:
        ValueError: if there is no CT, if none or several match, or if the one that matches is not a CT. The sentence
            lists what was found.
    """
    groups = _group(folder.headers)
    usable = [group for group in groups if not group.fault]
    if series is None:
        if not usable:
            raise ValueError(f"'{folder.path}' must hold CT slices, found {_census(folder, groups)}")
        found = usable
    else:
        found = _matching(groups, str(series).strip())
        found = [group for group in found if not group.fault] or found
    if len(found) == 1 and not found[0].fault:
        return _check_whole(folder, found[0], groups)
    if len(found) == 1:
        raise ValueError(f"series={series!r} must be a CT, got {found[0].fault} in '{folder.path}'")
    if not found:
        raise ValueError(f"series={series!r} must name one in '{folder.path}', which holds {_listing(groups)}")
    what = "series must be given" if series is None else f"series={series!r} must name one series only"
    raise ValueError(f"{what} by UID, number or description for '{folder.path}', which holds {_listing(found)}")


def _group(headers: tuple[Header, ...]) -> list[Series]:
    groups: dict[tuple[str, ...], list[Header]] = {}
    of_alike: dict[bytes, list[Header]] = {}
    for header in headers:
        _check_classes(header)
        if header.alike is not None and header.alike in of_alike:
            of_alike[header.alike].append(header)
            continue
        fault = _fault(header)
        uid = text(header.dataset, "SeriesInstanceUID")
        if not fault and not ("Rows" in header.dataset and "Columns" in header.dataset):
            raise ValueError(f"'{header.path}' is a CT image without Rows or Columns")
        group = groups.setdefault((uid, fault) if uid else ("", fault, *_likeness(header)), [])
        group.append(header)
        if header.alike is not None:
            of_alike[header.alike] = group
    return _joined([Series(tuple(members), key[1]) for key, members in groups.items()])


def _likeness(header: Header) -> tuple[str, ...]:
    """What slices of one series have in common besides its UID."""
    keywords = ("SeriesNumber", "SeriesDescription", "Rows", "Columns")
    return tuple(text(header.dataset, keyword) for keyword in keywords)


def _joined(groups: list[Series]) -> list[Series]:
    """Series of which an anonymiser or exporter gave every slice a UID of its own, as one: their places must fit.

    Raises:
        ValueError: if some slices of a series have its UID, and others none.
    """
    alone: dict[tuple[str, ...], list[Series]] = {}
    for group in groups:
        if not group.fault and len(group.headers) == 1 and group.uid and frame_count(group.headers[0].dataset) == 1:
            alone.setdefault(_likeness(group.headers[0]), []).append(group)
    split = [parts for parts in alone.values() if len(parts) >= _FEWEST_JOINED]
    taken = {id(part) for parts in split for part in parts}
    kept = [group for group in groups if id(group) not in taken]
    kept += [Series(tuple(part.headers[0] for part in parts), "") for parts in split]
    named = {_likeness(group.headers[0]) for group in kept if group.uid and not group.fault}
    for group in kept:
        if not group.uid and not group.fault and _likeness(group.headers[0]) in named:
            raise ValueError(
                f"'{group.headers[0].path}' has no SeriesInstanceUID, which other slices of its series have"
            )
    return kept


def _check_classes(header: Header) -> None:
    """Refuse a file that does not say what it is: it might be a slice of the scan."""
    within, outside = text(header.dataset, "SOPClassUID"), text(header.dataset.file_meta, "MediaStorageSOPClassUID")
    if not (within or outside in _CT_CLASSES):
        raise ValueError(f"'{header.path}' does not say what kind of DICOM object it is (SOPClassUID)")
    if within and outside in _CT_CLASSES and within not in _CT_CLASSES:
        raise ValueError(
            f"'{header.path}' must be of one kind, got {_CT_CLASSES[outside]} outside and "
            f"SOPClassUID {shown(within)} inside"
        )


def _check_whole(folder: Folder, chosen: Series, groups: list[Series]) -> Series:
    """Refuse a series of which some files would be left out; scouts and screen shots are no part of a scan."""
    for other in groups:
        if other.uid == chosen.uid and other.fault not in ("", "a localizer", "a secondary capture"):
            raise ValueError(
                f"{chosen.summary(with_uid=False)} of '{folder.path}' must hold CT slices only, "
                f"but '{other.headers[0].path}' is {other.fault}"
            )
    return chosen


def _fault(header: Header) -> str:
    """Why a file is not a slice of a CT, "" if it is one."""
    dataset = header.dataset
    sop_class = text(dataset, "SOPClassUID") or text(dataset.file_meta, "MediaStorageSOPClassUID")
    modality = shown(text(dataset, "Modality"))[1:-1]
    if sop_class.startswith(_SECONDARY_CAPTURE):
        return "a secondary capture"
    if sop_class not in _CT_CLASSES:
        return (
            f"modality {shown(modality)[1:-1]}"
            if modality not in ("", "CT")
            else f"no CT image but {_class_name(header)}"
        )
    if modality not in ("", "CT"):
        return f"modality {shown(modality)[1:-1]}"
    image_type = words(dataset, "ImageType")
    if "LOCALIZER" in image_type:
        return "a localizer"
    flavour = sorted(NOT_HU.intersection(image_type))
    if flavour:
        return f"not in Hounsfield units but {flavour[0]}"
    return _color_fault(header)


def _color_fault(header: Header) -> str:
    # MONOCHROME1 only asks a viewer to show low values bright: the stored numbers give the same HU (PS3.3 C.7.6.3.1.2).
    photometric = text(header.dataset, "PhotometricInterpretation") or "MONOCHROME2"
    samples = text(header.dataset, "SamplesPerPixel") or "1"
    if samples != "1" or photometric not in ("MONOCHROME1", "MONOCHROME2"):
        return f"a colour picture ({shown(photometric)[1:-1]})"
    presentation = text(header.dataset, "PixelPresentation").upper()
    return f"a colour map (PixelPresentation {shown(presentation)[1:-1]})" if presentation in _COLORS else ""


def _class_name(header: Header) -> str:
    return str(getattr(header.dataset.get("SOPClassUID"), "name", "")) or "an unknown kind of object"


def _matching(groups: list[Series], wanted: str) -> list[Series]:
    """The series that are meant, by the most specific of: UID, number, description, part of the description."""
    lower = wanted.lower()
    tests = (
        [g for g in groups if g.uid == wanted],
        [g for g in groups if g.number == wanted],
        [g for g in groups if g.description.lower() == lower],
        [g for g in groups if lower and lower in g.description.lower()],
    )
    return next((found for found in tests if found), [])


def _listing(groups: list[Series]) -> str:
    if not groups:
        return "no DICOM images"
    labels = Counter((g.number, g.description, g.fault) for g in groups)
    ordered = sorted(groups, key=lambda g: (bool(g.fault), not g.number.isdigit(), g.number.zfill(12), g.description))
    lines = [g.summary(with_uid=labels[g.number, g.description, g.fault] > 1) for g in ordered[:_LISTED]]
    more = [f"and {len(groups) - _LISTED} more"] if len(groups) > _LISTED else []
    return "; ".join(lines + more)


def _census(folder: Folder, groups: list[Series]) -> str:
    """What a folder without a CT holds: '4 × modality MR, 2 × a localizer, 3 files …'."""
    kinds = Counter({fault: 0 for fault in (g.fault for g in groups)})
    for group in groups:
        kinds[group.fault] += len(group.headers)
    lines = [f"{count} × {fault}" for fault, count in kinds.most_common()]
    if not folder.others and not lines:
        lines.append("no file at all")
    elif folder.others == 1:
        lines.append("a file that is not a DICOM image")
    elif folder.others:
        lines.append(f"{folder.others} files that are not DICOM images")
    return ", ".join(lines)
