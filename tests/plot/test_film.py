"""MP4s: input and output of the encoder, and the error without one."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

pytest.importorskip("matplotlib", reason="drawing needs the extra deepdrr[plot]")

from deepdrr.plot import animate, write_frames
from deepdrr.plot._film import find_ffmpeg


def gradients(count: int, width: int = 65, height: int = 33) -> list[Image.Image]:
    """Pictures of some 2000 colors each; every one is darker than the one before."""
    x, y = np.meshgrid(np.linspace(0.0, 1.0, width), np.linspace(0.0, 1.0, height))
    colors = 255.0 * np.stack([x, y, 0.5 * (x + y)], axis=-1)
    return [Image.fromarray(np.rint(colors * (1.0 - 0.2 * n)).astype(np.uint8)) for n in range(count)]


@pytest.fixture(params=["program", "package"])
def encoder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The ffmpeg of this machine, and the one that imageio-ffmpeg brings."""
    if request.param == "package":
        pytest.importorskip("imageio_ffmpeg")
        monkeypatch.setenv("PATH", "")
    elif shutil.which("ffmpeg") is None:
        pytest.skip("there is no ffmpeg on the PATH")
    return find_ffmpeg()


def program(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell script on the PATH in place of ffmpeg."""
    if sys.platform == "win32":
        pytest.skip("shell scripts are POSIX")
    folder.mkdir()
    (folder / "ffmpeg").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "ffmpeg").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")


def decoded(encoder: str, path: Path, width: int, height: int) -> np.ndarray:
    """The frames of a film [N, H, W, 3]."""
    command = [encoder, "-loglevel", "error", "-i", str(path), "-f", "rawvideo", "-pix_fmt", "rgb24", "pipe:1"]
    done = subprocess.run(command, capture_output=True, check=True)
    return np.frombuffer(done.stdout, np.uint8).reshape(-1, height, width, 3).astype(float)


def test_a_film_has_the_frames_and_their_colors(encoder: str, tmp_path: Path) -> None:
    pictures = gradients(4)
    path = write_frames(pictures, tmp_path / "a.mp4", fps=10, pause=0.5)
    assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]
    found = decoded(encoder, path, 64, 32)
    assert len(found) == 4 + 5
    expected = np.stack([np.asarray(p, float)[:32, :64] for p in [*pictures, *[pictures[-1]] * 5]])
    # Lossy: halved color resolution and H.264's default quality cost 1.5 grey levels in the mean.
    assert np.abs(found - expected).mean() < 3.0
    assert len(np.unique(found[0].reshape(-1, 3), axis=0)) > 256  # which a GIF cannot have


def test_the_encoder_gets_the_pixels_of_each_frame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path / "bin", 'for last; do :; done; echo "$@" > "$0.said"; cat > "$last"', monkeypatch)
    pictures = gradients(2)
    path = write_frames(pictures, tmp_path / "a.mp4", fps=5, pause=0.4)
    frames = [np.asarray(p)[:32, :64].tobytes() for p in pictures]
    assert path.read_bytes() == b"".join([*frames, frames[1], frames[1]])
    assert "-pix_fmt rgb24 -s 64x32 -r 5 -i pipe:0" in (tmp_path / "bin" / "ffmpeg.said").read_text()


@pytest.mark.parametrize(
    "script", ["echo no such codec >&2; exit 1", "cat > /dev/null; echo no such codec >&2; exit 1"]
)
def test_an_encoder_that_fails_leaves_no_file(script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path / "bin", script, monkeypatch)
    with pytest.raises(OSError, match=r"cannot write '.*a\.mp4': ffmpeg failed: no such codec"):
        write_frames(gradients(30, 640, 480), tmp_path / "a.mp4")
    assert [p.name for p in tmp_path.iterdir()] == ["bin"]


def test_without_an_encoder_nothing_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(
        ImportError, match=r"an MP4 needs ffmpeg: install the program, or pip install 'deepdrr\[film\]'"
    ):
        animate(torch.full((2, 1, 8, 8), torch.nan), out=tmp_path / "a.mp4", verbose=False)
    assert not list(tmp_path.iterdir())


def test_no_frames_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="frames must hold at least one picture, got none"):
        write_frames([], tmp_path / "a.gif")
