"""A contact sheet: pictures of the same size on a grid, each with a caption."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["contact_sheet"]

_GAP = 8  # pixels between and around the pictures
_BACKGROUND, _INK = 24, 230


def contact_sheet(
    pictures: Sequence[npt.NDArray[np.uint8]], captions: Sequence[str], *, columns: int | None = None
) -> npt.NDArray[np.uint8]:
    """Arrange pictures on a sheet, row by row.

    Args:
        pictures: uint8 [H, W] each, all of the same size.
        captions: one per picture, set below it.
        columns: pictures per row; by default the sheet is about square.

    Returns:
        uint8 [rows · (H + caption) + gaps, columns · W + gaps].

    Raises:
        ValueError: if there is no picture, the sizes differ, or the number of captions differs from that of pictures.

    Example:
        >>> contact_sheet([np.zeros((64, 64), np.uint8)] * 4, ["AP", "PA", "LAO", "RAO"]).shape
        (192, 152)
    """
    from PIL import Image, ImageDraw, ImageFont

    sizes = {picture.shape for picture in pictures}
    if len(sizes) != 1 or len(captions) != len(pictures):
        raise ValueError(f"pictures must be of one size and have a caption each, got {sizes}, {len(captions)} captions")
    height, width = sizes.pop()
    columns = columns or math.ceil(math.sqrt(len(pictures)))
    line = max(12, width // 16)
    step_x, step_y = width + _GAP, height + line + 2 * _GAP
    rows = math.ceil(len(pictures) / columns)
    sheet = Image.new("L", (columns * step_x + _GAP, rows * step_y + _GAP), _BACKGROUND)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=line)
    for index, (picture, caption) in enumerate(zip(pictures, captions, strict=True)):
        left, top = _GAP + index % columns * step_x, _GAP + index // columns * step_y
        sheet.paste(Image.fromarray(picture), (left, top))
        draw.text((left + width / 2, top + height + _GAP // 2), caption, fill=_INK, font=font, anchor="ma")
    return np.asarray(sheet)
