"""The files that `animate` writes, read again."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

pytest.importorskip("matplotlib", reason="drawing needs the extra deepdrr[plot]")

from deepdrr.plot import animate


def ramp(count: int, channels: int = 1) -> torch.Tensor:
    """Frames of one grey each, from 0 to 1."""
    return torch.linspace(0.0, 1.0, count).reshape(-1, 1, 1, 1).expand(count, channels, 12, 12) / channels


def frames(path: Path) -> list[tuple[np.ndarray, float]]:
    """Pixels and duration of each frame."""
    with Image.open(path) as file:
        found = []
        for index in range(file.n_frames):
            file.seek(index)
            found.append((np.asarray(file.convert("RGB")), file.info.get("duration", 0.0)))
        return found


def test_all_frames_have_one_gray_scale(tmp_path: Path) -> None:
    path = animate(ramp(3), out=tmp_path / "a.gif", ticks=False, verbose=False)
    assert path == tmp_path / "a.gif"
    middle = [int(pixels[pixels.shape[0] // 2, pixels.shape[1] // 2, 0]) for pixels, _ in frames(path)]
    np.testing.assert_allclose(middle, [0, 127, 255], atol=2)  # a palette's rounding


@pytest.mark.parametrize("fps", [20, 7, 30])
def test_time_is_kept_and_the_last_frame_stays(tmp_path: Path, fps: float) -> None:
    path = animate(ramp(8), out=tmp_path / "a.gif", fps=fps, pause=0.5, verbose=False)
    assert path is not None
    durations = [duration for _, duration in frames(path)]
    assert len(durations) == 8
    assert sum(durations) == pytest.approx(1000.0 * 8 / fps + 500.0, abs=5.0)  # half a step of a GIF, 10 ms
    assert durations[-1] - durations[0] == pytest.approx(500.0, abs=10.0)


def test_how_often_it_is_shown(tmp_path: Path) -> None:
    for loop in (0, 3):
        path = animate(ramp(2), out=tmp_path / "a.gif", loop=loop, verbose=False)
        assert path is not None
        with Image.open(path) as file:
            assert file.info["loop"] == loop


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png", ".GIF"])
def test_formats(tmp_path: Path, suffix: str) -> None:
    path = animate(ramp(3), out=str(tmp_path / f"a{suffix}"), verbose=False)
    assert path is not None
    assert len(frames(path)) == 3


def test_a_fixed_image_makes_three_columns_with_edges_in_the_third(tmp_path: Path) -> None:
    moving = torch.zeros(2, 1, 60, 60)
    moving[0, 0, 20:40, 20:40] = 1.0
    moving[1, 0, 25:45, 20:40] = 1.0
    alone = animate(moving, out=tmp_path / "one.gif", verbose=False)
    beside = animate(moving, out=tmp_path / "three.gif", fixed_img=moving[:1], titles=["a", "b"], verbose=False)
    assert alone is not None
    assert beside is not None
    (first, _), (second, _) = frames(beside)
    width = first.shape[1] // 3
    assert width == frames(alone)[0][0].shape[1]
    red = [(f[..., 0] > 200) & (f[..., 1] < 60) & (f[..., 2] < 60) for f in (first, second)]
    assert not red[0][:, : 2 * width].any()
    assert red[0][:, 2 * width :].sum() > 100
    assert np.nonzero(red[1])[0].mean() > np.nonzero(red[0])[0].mean()  # the moving image went down
    np.testing.assert_allclose(first[:, :width], second[:, :width], atol=2)  # each frame has a palette of its own


def test_channels_become_masks_and_given_masks_take_their_place(tmp_path: Path) -> None:
    channels = torch.ones(2, 2, 12, 12)
    colored = animate(channels, out=tmp_path / "a.gif", verbose=False)
    nothing = torch.zeros(2, 2, 12, 12)
    gray = animate(channels, nothing, out=tmp_path / "b.gif", verbose=False)
    assert colored is not None
    assert gray is not None
    assert np.ptp(frames(colored)[0][0].astype(int), axis=-1).max() > 20
    assert np.ptp(frames(gray)[0][0].astype(int), axis=-1).max() == 0


def test_without_a_file_it_is_shown_in_the_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    module: Any = SimpleNamespace(display=shown.append, HTML=str)
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(display=module))
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    assert animate(ramp(2), verbose=False) is None
    assert shown[0].startswith("<img src='data:image/gif;base64,R0lGOD")


def test_without_a_notebook_a_file_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "IPython.display", None)
    with pytest.raises(ImportError, match="out=None, is shown in a notebook"):
        animate(ramp(2), verbose=False)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"titles": ["a"]}, "titles must have one entry for each of 2 frames, got 1"),
        ({"fps": 0}, r"fps must be in \(0, 100\], got 0"),
        ({"pause": -1.0}, "pause must be 0 to 600 seconds, got -1.0"),
        ({"fixed_img": torch.zeros(2, 1, 12, 12)}, r"fixed_img must be one image .* got shape \(2, 1, 12, 12\)"),
        ({"moving_mask": torch.zeros(1, 2, 12, 12)}, "moving_mask must have the images and pixels"),
        ({"loop": -1}, "loop must be 0 to 65535, got -1"),
        ({"out": "a.avi"}, "out must end in .gif, .png, .webp, .mp4, got 'a.avi'"),
    ],
)
def test_what_does_not_fit_is_refused_and_leaves_no_file(tmp_path: Path, options: dict[str, Any], words: str) -> None:
    options = {"out": tmp_path / "a.gif", "verbose": False} | options
    with pytest.raises(ValueError, match=words):
        animate(ramp(2), **options)
    assert not list(tmp_path.iterdir())


def test_a_failure_while_drawing_leaves_no_file(tmp_path: Path) -> None:
    broken = torch.full((2, 1, 12, 12), torch.nan)
    with pytest.raises(ValueError, match="moving must be finite"):
        animate(broken, out=tmp_path / "a.gif", fixed_img=torch.zeros(1, 1, 12, 12), verbose=False)
    assert not list(tmp_path.iterdir())
