"""The frame that a file states: RAS or LPS, in mm."""

from torch import Tensor

from deepdrr._door import shown
from deepdrr.geometry import RAS_FROM_LPS, check_affine

__all__ = ["Frame", "check_unit", "ras_from"]

# 3D Slicer's words, and the numbers of its older versions (vtkMRMLStorageNode: 0 RAS, 1 LPS).
_FRAMES = {"RAS": "RAS", "LPS": "LPS", "0": "RAS", "1": "LPS"}
# The unit as a word, or in the three words of a coded term.
_MILLIMETRES = ("mm", "millimeter", "millimetre")

Frame = str


def ras_from(frame: object, where: str) -> Tensor:
    """The transform [4, 4] from the frame that a file states to RAS.

    Args:
        frame: RAS or LPS, as a word or as the numbers 0 and 1 of older files.
        where: the file and the place in it, for the error.

    Raises:
        ValueError: for any other, among them IJK, which is a matter of one image.
    """
    number = isinstance(frame, int | float) and not isinstance(frame, bool)
    word = f"{frame:g}" if number else str(frame).strip().upper() if isinstance(frame, str) else ""
    if word not in _FRAMES:
        raise ValueError(f"{where} must state its coordinate system as RAS (0) or LPS (1), got {shown(frame)}")
    return check_affine(RAS_FROM_LPS if _FRAMES[word] == "LPS" else RAS_FROM_LPS @ RAS_FROM_LPS, "frame")


def check_unit(unit: object, where: str) -> None:
    """Refuse lengths in another unit than mm."""
    words = unit if isinstance(unit, list) else [unit]
    if not words or words[0] not in _MILLIMETRES:
        raise ValueError(f"{where} must be in mm, got {shown(unit)}")
