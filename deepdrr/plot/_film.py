"""`write_film`: write pictures as an MP4 through an ffmpeg program that reads their pixels from a pipe."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

from deepdrr._atomic import atomic_path
from deepdrr._extras import require

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["find_ffmpeg", "write_film"]


def find_ffmpeg() -> str:
    """The ffmpeg program on the PATH, or else that of imageio-ffmpeg.

    Raises:
        ImportError: if neither is found.
    """
    found = shutil.which("ffmpeg")
    if found:
        return found
    try:
        program: str = require("imageio_ffmpeg", "film", "an MP4").get_ffmpeg_exe()
    except (ImportError, RuntimeError) as error:  # RuntimeError: installed without a program for this machine
        raise ImportError("an MP4 needs ffmpeg: install the program, or pip install 'deepdrr[film]'") from error
    return program


def write_film(frames: Sequence["Image"], out: str | os.PathLike[str], *, fps: float, pause: float) -> Path:
    """Write pictures as the frames of an MP4, whole or not at all.

    Encoders halve the resolution of colors and so need even numbers of pixels: an odd last row or column is dropped.

    Args:
        frames: one or more, all of the same size, with two pixels or more along each side.
        out: the file.
        fps: frames per second.
        pause: extra time of the last frame, seconds.

    Returns:
        The path of the file.

    Raises:
        ImportError: if there is no ffmpeg.
        OSError: if the file cannot be written or ffmpeg fails; no partial file is left behind.
    """
    width, height = (side // 2 * 2 for side in frames[0].size)
    pixels = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", f"{fps:g}", "-i", "pipe:0"]
    # All players and browsers with H.264 support this color layout; the index comes first, for streaming.
    film = ["-pix_fmt", "yuv420p", "-movflags", "+faststart", "-f", "mp4"]
    held = [*frames, *[frames[-1]] * round(pause * fps)]
    with atomic_path(out) as temporary:
        command = [find_ffmpeg(), "-loglevel", "error", "-nostdin", "-y", *pixels, *film, str(temporary)]
        _feed(command, (frame.convert("RGB").crop((0, 0, width, height)).tobytes() for frame in held))
    return Path(out)


def _feed(command: list[str], chunks: Iterator[bytes]) -> None:
    """Run a program and feed chunks to its standard input."""
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=errors) as process,
    ):
        pipe: IO[bytes] | None = process.stdin
        assert pipe is not None
        try:
            for chunk in chunks:
                pipe.write(chunk)
            pipe.close()
        except BrokenPipeError:  # the program has ended; its error output says why
            with suppress(BrokenPipeError):
                pipe.close()
        code = process.wait()
        errors.seek(0)
        words = errors.read().decode(errors="replace").strip().splitlines()
    if code:
        raise OSError(f"ffmpeg failed: {words[-1] if words else f'it ended with code {code}'}")
