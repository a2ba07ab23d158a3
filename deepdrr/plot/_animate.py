"""`animate`: a batch of images as a moving picture; `draw_frames` and `write_frames` are its two halves."""

import os
from base64 import b64encode
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from deepdrr._atomic import atomic_path
from deepdrr._extras import require
from deepdrr._progress import progress_bar
from deepdrr.plot._arrays import Color, as_batch, as_mask
from deepdrr.plot._drr import overlay, plot_drr
from deepdrr.plot._film import find_ffmpeg, write_film

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["animate", "draw_frames", "write_frames"]

_FORMATS = {".gif": "GIF", ".png": "PNG", ".webp": "WEBP", ".mp4": "MP4"}  # "PNG" with several frames is an APNG
_WIDTH_INCHES, _TEXT_INCHES, _DPI = 3.0, 0.5, 100


def animate(
    moving_img: Tensor,
    moving_mask: Tensor | None = None,
    out: str | os.PathLike[str] | None = None,
    fixed_img: Tensor | None = None,
    fixed_mask: Tensor | None = None,
    titles: Sequence[str] | None = None,
    ticks: bool = True,
    fps: float = 20,
    pause: float = 1.0,
    blur_kernel: int = 3,
    canny_low: float = 0,
    canny_high: float = 100,
    edge_color: Color = (1.0, 0.0, 0.0),
    edge_alpha: float = 1.0,
    edge_detection_size: int = 200,
    verbose: bool = True,
    loop: int = 0,
    **plot_kwargs: Any,
) -> Path | None:
    """Animate a batch of images, optionally beside a fixed image and their edges over it.

    All frames share one grey scale, from the smallest to the largest value of the batch, so that the animation does not
    flicker; the fixed image has its own. If an image has several channels, their sum is shown, and the channels after
    the first become masks, unless a mask is given.

    Args:
        moving_img: [B, C, H, W], one frame per image.
        moving_mask: [B, C, H, W], as in `plot_drr`.
        out: file to write, `.gif`, `.webp`, `.png` (animated PNG) or `.mp4`; None: show it in the notebook.
        fixed_img: [1, C, H, W]; the frames then have three columns.
        fixed_mask: [1, C, H, W].
        titles: one per frame.
        ticks: as in `plot_drr`.
        fps: frames per second; a GIF rounds to hundredths of a second.
        pause: extra time of the last frame before the animation repeats, seconds.
        blur_kernel, canny_low, canny_high, edge_color, edge_alpha, edge_detection_size: as in `overlay`.
        verbose: show a progress bar.
        loop: how often the animation is shown; 0 forever. For MP4 the player decides.
        plot_kwargs: arguments of `plot_drr`, e.g. `vmin`.

    Returns:
        The path of the file; None in a notebook.

    Raises:
        TypeError: if an image is not a tensor.
        ValueError: for shapes, titles, numbers or a suffix that do not fit.
        ImportError: if matplotlib is not installed, for `out=None` outside a notebook, or for an MP4 without ffmpeg.
        OSError: if the file cannot be written; no partial file is left behind.

    Example:
        >>> import tempfile, torch
        >>> path = animate(torch.rand(3, 1, 8, 8), out=tempfile.mkdtemp() + "/noise.gif", fps=10, verbose=False)
        >>> path.name
        'noise.gif'
    """
    _check_timing(fps, pause, loop)
    _format_of(out)
    edges: dict[str, Any] = {
        "blur_kernel": blur_kernel,
        "canny_low": canny_low,
        "canny_high": canny_high,
        "edge_color": edge_color,
        "edge_alpha": edge_alpha,
        "edge_detection_size": edge_detection_size,
    }
    frames = draw_frames(
        moving_img,
        moving_mask,
        fixed_img,
        fixed_mask,
        titles=titles,
        ticks=ticks,
        edges=edges,
        verbose=verbose,
        **plot_kwargs,
    )
    if out is None:
        _show(frames, fps, pause, loop)
        return None
    return write_frames(frames, out, fps=fps, pause=pause, loop=loop)


def draw_frames(
    moving_img: Tensor,
    moving_mask: Tensor | None = None,
    fixed_img: Tensor | None = None,
    fixed_mask: Tensor | None = None,
    *,
    titles: Sequence[str] | None = None,
    ticks: bool = True,
    edges: Mapping[str, Any] | None = None,
    verbose: bool = False,
    **plot_kwargs: Any,
) -> list["Image"]:
    """Draw the frames of `animate`, for instance to write them in several formats.

    Args:
        moving_img, moving_mask, fixed_img, fixed_mask, titles, ticks, verbose, plot_kwargs: as in `animate`.
        edges: options of `overlay`, e.g. `{"canny_high": 24.0}`.

    Returns:
        One picture per image, all of the same size.

    Raises:
        TypeError: if an image is not a tensor.
        ValueError: for shapes, titles or numbers that do not fit.
        ImportError: if matplotlib is not installed.
    """
    moving, moving_mask = _single_channel(moving_img, moving_mask, "moving")
    _check_titles(len(moving), titles)
    fixed = None
    if fixed_img is not None:
        fixed, fixed_mask = _single_channel(fixed_img, fixed_mask, "fixed")
        if len(fixed) != 1:
            raise ValueError(f"fixed_img must be one image [1, C, H, W], got shape {tuple(fixed_img.shape)}")
    gray_scale = {"vmin": float(moving.min()), "vmax": float(moving.max())}

    def draw(index: int) -> "Image":
        at = slice(index, index + 1)
        title = titles[index] if titles is not None else None
        mask = None if moving_mask is None else moving_mask[at]
        options: dict[str, Any] = {"ticks": ticks, **plot_kwargs}
        figure, axs = _figure(1 if fixed is None else 3, moving.shape[-2] / moving.shape[-1])
        if fixed is None:
            plot_drr(moving[at], mask, title and [title], axs=axs, **{**gray_scale, **options})
        else:
            plot_drr(fixed, fixed_mask, ["Fixed"], axs=axs[:1], **options)
            plot_drr(moving[at], mask, [title or "Moving"], axs=axs[1:2], **{**gray_scale, **options})
            overlay(moving[at], fixed, ["Overlay"], ticks, axs[2:], **(edges or {}))
        return _picture(figure)

    frames = []
    with progress_bar("frames", len(moving), shown=verbose) as report:
        for index in range(len(moving)):
            frames.append(draw(index))
            report(index + 1)
    return frames


def write_frames(
    frames: Sequence["Image"], out: str | os.PathLike[str], *, fps: float = 20, pause: float = 1.0, loop: int = 0
) -> Path:
    """Write frames as an animation, whole or not at all.

    Args:
        frames: pictures of the same size.
        out: the file, `.gif`, `.webp`, `.png` or `.mp4`.
        fps, pause, loop: as in `animate`.

    Returns:
        The path of the file.

    Raises:
        ValueError: for an invalid number or suffix, or if there is no frame.
        ImportError: for an MP4 without ffmpeg.
        OSError: if the file cannot be written; no partial file is left behind.

    Example:
        >>> import tempfile, torch
        >>> frames = draw_frames(torch.rand(3, 1, 8, 8))
        >>> write_frames(frames, tempfile.mkdtemp() + "/noise.webp", fps=10).name
        'noise.webp'
    """
    if not frames:
        raise ValueError("frames must hold at least one picture, got none")
    _check_timing(fps, pause, loop)
    kind = _format_of(out)
    if kind == "MP4":
        return write_film(frames, out, fps=fps, pause=pause)
    with atomic_path(out) as temporary:
        _save(frames, temporary, kind, fps, pause, loop)
    return Path(out)


def _single_channel(image: Tensor, mask: Tensor | None, name: str) -> tuple[Tensor, Tensor | None]:
    """The sum over the channels; without a mask, the channels after the first become the mask."""
    values = as_batch(image, f"{name}_img")
    if mask is not None:
        return values.sum(dim=1, keepdim=True), as_mask(mask, values, f"{name}_mask")
    areas = values > 0 if values.shape[1] > 1 else None
    return values.sum(dim=1, keepdim=True), areas


def _check_titles(count: int, titles: Sequence[str] | None) -> None:
    if titles is not None and len(titles) != count:
        raise ValueError(f"titles must have one entry for each of {count} frames, got {len(titles)}")


def _check_timing(fps: float, pause: float, loop: int) -> None:
    if not 0.0 < fps <= 100.0:
        raise ValueError(f"fps must be in (0, 100], got {fps}")
    if not 0.0 <= pause <= 600.0:
        raise ValueError(f"pause must be 0 to 600 seconds, got {pause}")
    if not 0 <= loop < 2**16:
        raise ValueError(f"loop must be 0 to 65535, got {loop}")


def _format_of(out: str | os.PathLike[str] | None) -> str:
    """The format of a file; raises before anything is drawn if a library or program is missing."""
    if out is None:
        require("IPython.display", "notebook", "an animation without a file, out=None, is shown in a notebook and")
        return "GIF"
    suffix = Path(out).suffix.lower()
    if suffix not in _FORMATS:
        raise ValueError(f"out must end in {', '.join(_FORMATS)}, got '{out}'")
    if suffix == ".mp4":
        find_ffmpeg()
    return _FORMATS[suffix]


def _durations_ms(count: int, fps: float, pause: float) -> list[int]:
    """Duration of each frame in steps of 10 ms; the running sum is rounded, so that the animation keeps its pace."""
    ends = [10 * round(100.0 * (index + 1) / fps) for index in range(count)]
    durations = [end - start for start, end in zip([0, *ends], ends, strict=False)]
    durations[-1] += round(1000.0 * pause)
    return durations


def _figure(columns: int, height_by_width: float) -> tuple[Any, list[Any]]:
    """A separate figure that pyplot does not know, so that it need not be closed."""
    size = (_WIDTH_INCHES * columns, _WIDTH_INCHES * min(max(height_by_width, 0.2), 2.0) + _TEXT_INCHES)
    figure = require("matplotlib.figure", "plot", "drawing").Figure(figsize=size, dpi=_DPI, layout="constrained")
    require("matplotlib.backends.backend_agg", "plot", "drawing").FigureCanvasAgg(figure)
    return figure, list(figure.subplots(ncols=columns, squeeze=False)[0])


def _picture(figure: Any) -> "Image":
    from PIL import Image

    figure.canvas.draw()
    return Image.fromarray(np.asarray(figure.canvas.buffer_rgba())[..., :3])


def _save(frames: Sequence["Image"], to: Path | BytesIO, kind: str, fps: float, pause: float, loop: int) -> None:
    first, *rest = frames
    durations_ms = _durations_ms(len(frames), fps, pause)
    first.save(to, format=kind, save_all=True, append_images=rest, duration=durations_ms, loop=loop)


def _show(frames: Sequence["Image"], fps: float, pause: float, loop: int) -> None:
    buffer = BytesIO()
    _save(frames, buffer, "GIF", fps, pause, loop)
    notebook = require("IPython.display", "notebook", "showing an animation")
    notebook.display(notebook.HTML(f"<img src='data:image/gif;base64,{b64encode(buffer.getvalue()).decode()}'>"))
