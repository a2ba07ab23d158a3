"""The contents of the axes after `plot_drr` and `overlay`, as arrays."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor

matplotlib = pytest.importorskip("matplotlib", reason="drawing needs the extra deepdrr[plot]")

from matplotlib import pyplot  # noqa: E402

from deepdrr.plot import overlay, picture, plot_drr  # noqa: E402


@pytest.fixture(autouse=True)
def _without_a_screen() -> Iterator[None]:
    matplotlib.use("agg")
    yield
    pyplot.close("all")


def block(height: int, width: int, rows: slice, columns: slice) -> Tensor:
    """[1, 1, H, W], ones in a rectangle."""
    image = torch.zeros(1, 1, height, width)
    image[..., rows, columns] = 1.0
    return image


def drawn(ax: pyplot.Axes, index: int) -> np.ndarray:
    return np.asarray(ax.images[index].get_array())


def test_one_axes_for_each_image_with_the_sum_over_the_channels() -> None:
    images = torch.arange(2 * 3 * 4 * 5.0).reshape(2, 3, 4, 5)
    axes = plot_drr(images, title=["AP", "lateral"])
    assert [ax.get_xlabel() for ax in axes] == ["AP", "lateral"]
    for ax, image in zip(axes, images, strict=True):
        np.testing.assert_array_equal(drawn(ax, 0), image.sum(0).numpy())


def test_the_first_row_is_at_the_top_and_counted_as_one() -> None:
    (ax,) = plot_drr(torch.rand(1, 1, 4, 6))
    assert ax.get_ylim() == (3.5, -0.5)
    assert [text.get_text() for text in ax.get_xticklabels()] == ["1", "6"]
    assert [text.get_text() for text in ax.get_yticklabels()] == ["1", "4"]
    assert list(ax.get_yticks()) == [0, 3]
    (bare,) = plot_drr(torch.rand(1, 1, 4, 6), ticks=False)
    assert list(bare.get_xticks()) == list(bare.get_yticks()) == []


def test_channels_after_the_first_are_masks_with_an_outline() -> None:
    label = block(9, 9, slice(2, 7), slice(2, 7))
    image = torch.cat([torch.ones(1, 1, 9, 9), label, torch.zeros_like(label)], dim=1)
    (ax,) = plot_drr(image, interior_alpha=0.25, edge_alpha=0.5)
    layer = drawn(ax, 1)
    expected = 0.75 * label[0, 0].numpy()  # filling and outline
    expected[3:6, 3:6] = 0.25
    np.testing.assert_allclose(layer[..., 3], expected, rtol=1e-6)
    np.testing.assert_allclose(layer[4, 4, :3], matplotlib.colormaps["Set2"](0.0)[:3], rtol=1e-6)


def test_a_given_mask_is_drawn_like_channels_and_its_background_is_not() -> None:
    image = torch.rand(1, 1, 9, 9)
    label = block(9, 9, slice(2, 7), slice(0, 4))
    (with_mask,) = plot_drr(image, mask=torch.cat([torch.ones_like(label), label], dim=1))
    (with_channels,) = plot_drr(torch.cat([image, label], dim=1))
    np.testing.assert_array_equal(drawn(with_mask, 1), drawn(with_channels, 1))
    np.testing.assert_array_equal(drawn(with_mask, 0), image[0, 0].double().numpy())


def test_a_later_class_covers_an_earlier_one() -> None:
    both = torch.cat([torch.ones(1, 1, 3, 3)] * 3, dim=1)
    (ax,) = plot_drr(both, interior_alpha=0.5, edge_alpha=0.0)
    one, two = (np.array(matplotlib.colormaps["Set2"](index / 6)[:3]) for index in (0, 1))
    layer = drawn(ax, 1)[1, 1]
    assert layer[3] == pytest.approx(0.75)  # 1 − 0.5²
    np.testing.assert_allclose(layer[:3], (0.5 * two + 0.25 * one) / 0.75, rtol=1e-6)


def test_colors_repeat_after_their_number() -> None:
    labels = torch.zeros(1, 4, 1, 9)
    for index in range(3):
        labels[0, index + 1, 0, 3 * index] = 1.0
    (ax,) = plot_drr(labels, mask_n_colors=2)
    layer = drawn(ax, 1)[0]
    np.testing.assert_array_equal(layer[0, :3], layer[6, :3])
    assert not np.array_equal(layer[0, :3], layer[3, :3])


def test_one_image_without_masks_has_one_layer() -> None:
    (ax,) = plot_drr(torch.rand(1, 1, 4, 4))
    assert len(ax.images) == 1


def test_options_go_to_the_image() -> None:
    (ax,) = plot_drr(torch.rand(1, 2, 4, 4), cmap="bone", vmin=-1.0, vmax=3.0)
    assert ax.images[0].get_clim() == (-1.0, 3.0)
    assert ax.images[0].get_cmap().name == "bone"


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64, torch.int32, torch.bool])
def test_any_real_number_can_be_drawn_and_graphs_do_not_matter(dtype: torch.dtype) -> None:
    image = torch.ones(1, 1, 2, 2, dtype=dtype)
    plot_drr(image.requires_grad_() if dtype.is_floating_point else image)


def test_existing_axes_are_drawn_into() -> None:
    _, grid = pyplot.subplots(2, 2)
    axes = plot_drr(torch.rand(4, 1, 3, 3), axs=grid)
    assert axes == list(grid.ravel())
    (single,) = plot_drr(torch.rand(1, 1, 3, 3), axs=grid[0, 0])
    assert single is grid[0, 0]


def test_the_picture_on_paper_has_the_colors_at_their_pixels() -> None:
    """Through matplotlib's renderer: a white image, a filled label at its right, seen in the figure's bytes."""
    figure = matplotlib.figure.Figure(figsize=(1, 1), dpi=80)
    canvas = matplotlib.backends.backend_agg.FigureCanvasAgg(figure)
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set_axis_off()
    label = block(8, 8, slice(0, 8), slice(4, 8))
    image = torch.cat([1.0 - label, label], dim=1)
    plot_drr(image, axs=[ax], ticks=False, vmin=0.0, vmax=1.0, interior_alpha=1.0, mask_cmap="Set1")
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[..., :3]
    assert pixels[40, 20].tolist() == [255, 255, 255]
    red = np.array(matplotlib.colormaps["Set1"](0.0)[:3]) * 255
    np.testing.assert_allclose(pixels[40, 60], red, atol=1)  # one grey level, rounding


def outlined(moving: Tensor, size: int) -> tuple[np.ndarray, np.ndarray, pyplot.Axes]:
    """Rows and columns of the moving image's edges, in its pixels."""
    (ax,) = overlay(moving, torch.rand_like(moving), edge_detection_size=size)
    left, right, bottom, top = ax.images[1].get_extent()
    rows, columns = np.nonzero(drawn(ax, 1)[..., 3])
    height, width = drawn(ax, 1).shape[:2]
    return top + (rows + 0.5) * (bottom - top) / height, left + (columns + 0.5) * (right - left) / width, ax


@pytest.mark.parametrize("size", [100, 200, 73])
def test_edges_lie_on_the_border_of_the_moving_image(size: int) -> None:
    rows, columns, ax = outlined(block(100, 100, slice(30, 70), slice(20, 60)), size)
    outside = np.maximum(np.abs(rows - 49.5), np.abs(columns - 39.5)) - 20.0  # from the border at 19.5 and 59.5
    # Canny's edge is one pixel wide and in one of the two that share the border: a pixel of either grid.
    assert np.abs(outside).max() <= max(1.0, 100 / size)
    assert len(rows) >= 4 * 40 * size / 100 - 8  # nearly closed; Canny rounds the four corners off
    assert drawn(ax, 1)[0, 0, :3].tolist() == [1.0, 0.0, 0.0]


def test_edges_keep_the_shape_of_an_oblong_image() -> None:
    rows, columns, ax = outlined(block(60, 240, slice(20, 40), slice(100, 140)), 200)
    assert drawn(ax, 1).shape == (50, 200, 4)
    borders = (rows.min(), rows.max(), columns.min(), columns.max())
    np.testing.assert_allclose(borders, (19.5, 39.5, 99.5, 139.5), atol=1.2)  # a pixel of 240 / 200


def test_opacity_and_thresholds_of_edges() -> None:
    moving = block(50, 50, slice(10, 40), slice(10, 40))
    (strong,) = overlay(moving, moving, edge_alpha=0.5, edge_detection_size=50)
    assert drawn(strong, 1)[..., 3].max() == pytest.approx(0.5)
    (none,) = overlay(moving, moving, canny_high=2000, edge_detection_size=50)  # steeper than any step of 255
    assert drawn(none, 1)[..., 3].max() == 0.0
    (flat,) = overlay(torch.ones_like(moving), moving)
    assert drawn(flat, 1)[..., 3].max() == 0.0


@pytest.mark.parametrize(
    ("image", "error", "words"),
    [
        (np.zeros((1, 1, 2, 2)), TypeError, "img must be a tensor .* got ndarray"),
        (torch.zeros(1, 1, 2, 2, dtype=torch.complex64), TypeError, "real numbers, got torch.complex64"),
        (torch.zeros(2, 2), ValueError, r"img must be \[B, C, H, W\].* got shape \(2, 2\)"),
        (torch.zeros(1, 1, 0, 2), ValueError, "at least one pixel"),
    ],
)
def test_what_is_no_image_is_refused(image: Tensor, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        plot_drr(image)


def test_arguments_that_do_not_fit_are_refused() -> None:
    one, two = torch.rand(1, 1, 4, 4), torch.rand(2, 1, 4, 4)
    with pytest.raises(ValueError, match="mask must be None where img has several channels"):
        plot_drr(torch.rand(1, 2, 4, 4), mask=torch.rand(1, 2, 4, 4))
    with pytest.raises(ValueError, match=r"mask must have the images and pixels .* got \(1, 2, 3, 3\)"):
        plot_drr(one, mask=torch.rand(1, 2, 3, 3))
    with pytest.raises(ValueError, match="title must have one entry for each of 2 images, got 1"):
        plot_drr(two, title=["AP"])
    with pytest.raises(TypeError, match="title must be a list"):
        plot_drr(two, title="AP")
    with pytest.raises(ValueError, match="axs must have one axes for each of 2 images, got 1"):
        plot_drr(two, axs=[pyplot.gca()])
    with pytest.raises(ValueError, match="mask_n_colors must be at least 1, got 0"):
        plot_drr(torch.rand(1, 2, 4, 4), mask_n_colors=0)
    with pytest.raises(ValueError, match="edge_width must not be negative, got -1"):
        plot_drr(torch.rand(1, 2, 4, 4), edge_width=-1)
    with pytest.raises(ValueError, match="as many images and pixels"):
        overlay(one, two)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"blur_kernel": 4}, "blur_kernel must be odd and positive, got 4"),
        ({"canny_low": 5, "canny_high": 2}, "canny_low ≤ canny_high, got 5 and 2"),
        ({"edge_alpha": 1.5}, r"edge_alpha must be in \[0, 1\], got 1.5"),
        ({"edge_detection_size": 2}, "edge_detection_size must be at least 3, got 2"),
    ],
)
def test_edges_refuse_numbers_out_of_range(options: dict[str, float], words: str) -> None:
    image = torch.rand(1, 1, 8, 8)
    with pytest.raises(ValueError, match=words):
        overlay(image, image, **options)  # type: ignore[arg-type]


def test_an_image_with_nan_has_no_edges() -> None:
    image = torch.rand(1, 1, 8, 8)
    broken = image.clone()
    broken[..., 3, 3] = torch.nan
    with pytest.raises(ValueError, match="moving must be finite to have edges, got 1 values"):
        overlay(broken, image)
    overlay(image, broken)  # it is only shown, with a hole


def test_a_picture_without_a_figure_is_what_is_drawn() -> None:
    """Through matplotlib's renderer with one dot a pixel."""
    image = torch.cat([torch.rand(1, 1, 20, 20), block(20, 20, slice(5, 15), slice(8, 20))], dim=1)
    figure = matplotlib.figure.Figure(figsize=(1, 1), dpi=20)
    canvas = matplotlib.backends.backend_agg.FigureCanvasAgg(figure)
    ax = figure.add_axes((0, 0, 1, 1))
    plot_drr(image, axs=ax, ticks=False)
    ax.set_axis_off()
    canvas.draw()
    drawn_pixels = np.asarray(canvas.buffer_rgba())[..., :3].astype(int)
    np.testing.assert_allclose(
        picture(image[0]).astype(int), drawn_pixels, atol=4
    )  # a colour map of 256, two roundings
    with pytest.raises(ValueError, match="img must be finite, got 1 values"):
        picture(torch.tensor([[[0.0, torch.nan]]]))
    with pytest.raises(ValueError, match=r"img must be \[B, C, H, W\]"):
        picture(image)
