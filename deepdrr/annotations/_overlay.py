"""A picture with its annotations drawn over it."""

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepdrr._atomic import atomic_path
from deepdrr.annotations._colors import COLORS
from deepdrr.annotations._image_annotations import ImageAnnotations

__all__ = ["overlay_picture", "write_overlay"]

_OPACITY = 0.25
_SMALLEST = 512  # pixels of the shorter side, below which names would cover the picture
_INK = (255, 255, 255)


def overlay_picture(picture: NDArray[np.uint8], annotations: ImageAnnotations) -> NDArray[np.uint8]:
    """Draw masks, boxes, outlines and landmarks with their names over a picture.

    Structures are tinted and have the box of their mask; landmarks are crosses, in a circle if metal hides them; those
    out of view are left out.

    Args:
        picture: uint8 [H, W], as `Radiograph.picture` makes it. Its pixels are repeated if the shorter side has less
            than 512.
        annotations: of this picture.

    Returns:
        uint8 [rows, columns, 3].

    Raises:
        ValueError: for a picture of another size or type.
    """
    from PIL import Image, ImageDraw, ImageFont

    size = (annotations.height, annotations.width)
    if picture.dtype != np.uint8 or picture.shape != size:
        raise ValueError(f"picture must be uint8 {size}, got {picture.dtype} {picture.shape}")
    scale = max(1, -(-_SMALLEST // min(size)))
    large = np.repeat(np.repeat(_tinted(picture, annotations.masks), scale, axis=0), scale, axis=1)
    image = Image.fromarray(large)
    height = max(12, min(large.shape[:2]) // 40)
    pen = _Pen(ImageDraw.Draw(image), ImageFont.load_default(size=height), scale, height)
    for n, (name, box) in enumerate(zip(annotations.structures, annotations.boxes, strict=True)):
        if not np.isnan(box).any():
            pen.box(box, name, COLORS[n % len(COLORS)])
    for n, (name, outline) in enumerate(annotations.outlines.items()):
        pen.lines(outline, annotations.edges[name], name, COLORS[-1 - n % len(COLORS)])
    for name, pixel, visibility in zip(annotations.points, annotations.pixels, annotations.visibility, strict=True):
        if visibility:
            pen.point(pixel, name, hidden=visibility == 1)
    return np.asarray(image)


def write_overlay(path: str | os.PathLike[str], picture: NDArray[np.uint8], annotations: ImageAnnotations) -> None:
    """Write `overlay_picture` as a PNG in colour.

    Raises:
        OSError: if it cannot be written.
        ValueError: as `overlay_picture`.
    """
    from PIL import Image

    drawn = Image.fromarray(overlay_picture(picture, annotations))
    with atomic_path(path) as temporary:
        drawn.save(temporary, format="PNG")


def _tinted(picture: NDArray[np.uint8], masks: NDArray[np.bool_]) -> NDArray[np.uint8]:
    tinted = np.repeat(picture[..., None].astype(np.float64), 3, axis=-1)
    for n, mask in enumerate(masks):
        tinted[mask] += _OPACITY * (np.array(COLORS[n % len(COLORS)]) - tinted[mask])
    return np.round(tinted).astype(np.uint8)


class _Pen:
    """Draws in the picture's pixels (u, v), at a scale."""

    def __init__(self, draw: Any, font: Any, scale: int, height: int) -> None:
        self._draw, self._font, self._scale, self._height = draw, font, scale, height

    def box(self, box: NDArray[np.float64], name: str, color: tuple[int, ...]) -> None:
        u0, v0, u1, v1 = (box * self._scale).tolist()
        self._draw.rectangle((u0, v0, u1 - 1, v1 - 1), outline=color, width=self._width)
        self._text((u0 + 2 * self._width, v0 + self._width), name, color)

    def lines(
        self, points: NDArray[np.float64], edges: tuple[tuple[int, int], ...], name: str, color: tuple[int, ...]
    ) -> None:
        places = points * self._scale
        for a, b in edges:
            if np.isfinite(places[[a, b]]).all():
                self._draw.line([*places[a].tolist(), *places[b].tolist()], fill=color, width=self._width)
        middle = places.mean(axis=0)
        if np.isfinite(middle).all():
            self._text(tuple(middle.tolist()), name, color)

    def point(self, pixel: NDArray[np.float64], name: str, *, hidden: bool) -> None:
        u, v = (pixel * self._scale).tolist()
        arm = self._height / 2
        self._draw.line([u - arm, v, u + arm, v], fill=_INK, width=self._width)
        self._draw.line([u, v - arm, u, v + arm], fill=_INK, width=self._width)
        if hidden:
            self._draw.ellipse([u - arm, v - arm, u + arm, v + arm], outline=_INK, width=self._width)
        self._text((u + arm, v + 1), name, _INK)

    def _text(self, place: tuple[float, ...], name: str, color: tuple[int, ...]) -> None:
        self._draw.text(place, name, fill=color, font=self._font, stroke_width=1, stroke_fill=(0, 0, 0))

    @property
    def _width(self) -> int:
        return max(1, self._height // 10)
