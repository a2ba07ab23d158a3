"""A CT scan from DICOM files: a folder of slices, or multi-frame Enhanced CT."""

import os
import warnings
from pathlib import Path
from typing import Literal

from deepdrr.data._checks import check_choice
from deepdrr.data._doubts import Assume
from deepdrr.data._scan import Scan, Source
from deepdrr.data.dicom._copies import check_distinct, step_doubt, without_copies
from deepdrr.data.dicom._files import read_folder
from deepdrr.data.dicom._frames import DicomFrame, frames_of
from deepdrr.data.dicom._padding import padding_doubt
from deepdrr.data.dicom._pixels import check_decoders, read_hu
from deepdrr.data.dicom._repair import resample
from deepdrr.data.dicom._series import Series, choose_series
from deepdrr.data.dicom._stack import find_faults, has_own_references, stack_frames
from deepdrr.data.dicom._tags import quiet

__all__ = ["Repair", "read_dicom"]

Repair = Literal["resample", "shear"]


def read_dicom(
    path: str | os.PathLike[str],
    *,
    series: str | int | None = None,
    repair: Repair | None = None,
    assume: Assume | None = None,
) -> Scan:
    """Read a CT series.

    Slices are put in order by their position along their normal. Rescale slope and intercept are applied slice
    by slice; padding (PixelPaddingValue and its range, and all at or below −1500 HU) becomes air. What is not an
    even stack of CT slices straight above each other is refused with a sentence that says what was found.

    Two repairs can be asked for. They do nothing to a stack that needs none, and what they did is in `source.notes`:

    - `"resample"`: unevenly spaced, missing, shifted or tilted slices are interpolated linearly onto an even grid
      along the normal (a tilted stack widens in its plane; new corners are air);
    - `"shear"`: slices of a tilted gantry are kept as they are, untouched, and the affine says where they lie: its
      third column is not at right angles to the other two. This is exact. Uneven slices are still refused.

    Args:
        path: a folder, read however deep, or one multi-frame file.
        series: the SeriesInstanceUID, SeriesNumber, SeriesDescription or a part of it, where there are several.
        repair: the repair to allow.
        assume: what pixels are that hold a padding value which is also that of tissue: `"air"`, or `"tissue"`. None
            takes for air what is connected with the border of its slice, and warns of the rest.

    Returns:
        The scan. Its source holds no patient identity, dates or UIDs.

    Raises:
        FileNotFoundError: if nothing is at `path`.
        OSError: if a file cannot be read.
        ValueError: for all that is not one whole CT scan.
    """
    if repair is not None:
        check_choice(repair, Repair, "repair")
    with quiet():
        scan, doubts = _read(Path(path), series, repair, assume)
    for doubt in doubts:
        warnings.warn(doubt, UserWarning, stacklevel=2)
    return scan


def _read(path: Path, series: str | int | None, repair: Repair | None, assume: Assume | None) -> tuple[Scan, list[str]]:
    """The scan, and what to warn of: within `quiet` nobody would hear it."""
    chosen = choose_series(read_folder(path), series)
    frames = list(frames_of(chosen.headers))
    check_decoders(frames)
    stack, notes = without_copies(stack_frames(path, frames))
    check_distinct(stack)
    faults = find_faults(stack)
    for fault in faults:
        if repair not in fault.repairs:
            ways = " or ".join(f"repair={name!r}" for name in fault.repairs)
            advice = f"{ways} deals with it" if ways else "no repair deals with it"
            raise ValueError(f"'{path}': {fault.sentence}; {advice}")
    hu, padding, kept = read_hu(stack.frames, assume)
    doubts = padding_doubt(kept, stack.frames[0])
    affine = stack.affine()
    if has_own_references(stack.frames):
        notes.append("every slice has a frame of reference of its own; their positions are those of one scan")
    doubts += step_doubt(stack)
    if faults and repair == "resample":
        hu, affine, note = resample(stack, hu)
        notes.append(note)
    elif faults:
        notes.append(f"the gantry was tilted by {stack.tilt_degrees:.2f}°, which the affine holds as a shear")
    return Scan(hu, affine, _source(path, chosen, stack.frames, padding, tuple(notes))), doubts


def _source(path: Path, series: Series, frames: tuple[DicomFrame, ...], padding: int, notes: tuple[str, ...]) -> Source:
    voltages = {frame.kvp for frame in frames}
    return Source(
        path=str(path),
        format="dicom",
        modality="CT",
        kvp=voltages.pop() if len(voltages) == 1 else None,
        description=series.description,
        padding_voxels=padding,
        notes=notes,
    )
