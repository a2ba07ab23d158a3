"""`processed`: compression, edge enhancement, circular field and presets."""

import math
from typing import Any

import numpy as np
import pytest
import torch

from deepdrr.display import (
    PRESETS,
    Processing,
    circular_field,
    compressed,
    display,
    edge_enhanced,
    processed,
)

ROWS, COLUMNS = np.meshgrid(np.arange(128.0), np.arange(128.0), indexing="ij")


def wave(period_px: float) -> np.ndarray[Any, Any]:
    return 3.0 + np.sin(2 * np.pi * COLUMNS / period_px)


def gain(step: Any, period_px: float) -> float:
    """Amplitude after over before, of a wave away from the border."""
    middle = slice(32, 96)
    return float(step(wave(period_px))[64, middle].std() / wave(period_px)[64, middle].std())


def test_compression_takes_contrast_from_large_structures_only() -> None:
    def step(image: Any) -> Any:
        return compressed(image, 0.6, sigma_px=8.0, pivot=3.0)

    assert gain(step, 8.0) == pytest.approx(1.0, abs=1e-3)
    assert gain(lambda image: compressed(image, 0.6, sigma_px=1.0, pivot=3.0), 64.0) == pytest.approx(0.4, abs=0.02)
    even = np.full((20, 30), 5.0)
    np.testing.assert_allclose(step(even), 3.0 + 0.4 * 2.0)


def test_edge_enhancement_is_an_unsharp_mask() -> None:
    period, sigma, amount = 8.0, 1.5, 0.8
    expected = 1 + amount * (1 - math.exp(-2 * (math.pi * sigma / period) ** 2))
    assert gain(lambda image: edge_enhanced(image, amount, sigma_px=sigma), period) == pytest.approx(expected, rel=1e-3)
    even = np.full((20, 30), 5.0)
    np.testing.assert_allclose(edge_enhanced(even, 2.0), even)


def test_an_edge_overshoots_on_both_sides() -> None:
    edge = np.where(COLUMNS > 63.5, 2.0, 1.0)
    found = edge_enhanced(edge, 1.0)[64]
    assert found.min() < 0.9
    assert found.max() > 2.1
    assert found[:40] == pytest.approx(1.0, abs=1e-5)  # the cut Gaussian rings by as much


def test_the_field_is_round() -> None:
    found = circular_field(np.ones((100, 160)))
    assert found.sum() == pytest.approx(math.pi * 50**2, rel=0.01)
    assert found[0, 0] == 0.0
    assert found[50, 80] == 1.0


def patient() -> torch.Tensor:
    dense = torch.from_numpy(4.0 + np.sin(COLUMNS / 20) + 0.2 * np.sin(ROWS))
    return 1e5 * torch.exp(-dense)


def test_plain_is_display() -> None:
    signal = patient()
    np.testing.assert_array_equal(processed(signal, "plain", open_field=1e5), display(signal, open_field=1e5))


def test_compression_raises_the_contrast_of_detail() -> None:
    signal = patient()
    plain, flat = (
        processed(signal, p, open_field=1e5, dtype="float32") for p in ("plain", Processing(compression=0.6))
    )
    detail = [np.abs(np.diff(picture[:, 61:65], axis=0)).mean() for picture in (plain, flat)]
    assert detail[1] > 1.5 * detail[0]


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_every_preset_makes_a_picture(name: str, dtype: Any) -> None:
    stack = torch.stack([patient(), 10 * patient()])
    found = processed(stack, name, dtype=dtype)
    assert found.shape == (2, 128, 128)
    assert found.dtype == np.dtype(dtype)
    # Each has its own window, so exposure makes no difference but for rounding.
    np.testing.assert_allclose(found[0].astype(float), found[1].astype(float), atol=0.01 * float(found[0].max()))
    if PRESETS[name].circular:
        assert found[0, 0, 0] == 0
    assert len(PRESETS[name].description) < 200


def test_a_given_window_is_that_of_the_attenuation() -> None:
    signal = patient()
    given = processed(signal, Processing(window=(3.5, 4.5)), open_field=1e5)
    np.testing.assert_array_equal(given, display(signal, open_field=1e5, window=(3.5, 4.5)))
    # Even images keep their grey under compression: window and low-pass shrink alike.
    for dense, gray in ((3.5, 0.0), (4.0, 0.5), (4.25, 0.75)):
        even = torch.full((16, 16), 1e5 * math.exp(-dense), dtype=torch.float64)
        found = processed(even, Processing(window=(3.5, 4.5), compression=0.5), open_field=1e5, dtype="float32")
        np.testing.assert_allclose(found, gray, atol=1e-6)


def test_the_automatic_window_after_compression_holds_the_patient() -> None:
    for name in ("radiograph", "bone detail", "soft tissue"):
        found = processed(patient(), name, open_field=1e5, dtype="float32")
        assert float(((found <= 0) | (found >= 1)).mean()) < 0.12


def test_a_constant_image_is_even() -> None:
    assert (processed(torch.full((20, 20), 5.0), "radiograph") == 0).all()


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"compression": 1.0}, r"compression must be in \[0, 1\), got 1.0"),
        ({"edge": -0.5}, "edge must be finite and not negative, got -0.5"),
        ({"edge_px": 0.0}, "edge_px must be positive and finite, got 0.0"),
        ({"compression_scale": math.nan}, "compression_scale must be positive and finite, got nan"),
    ],
)
def test_processing_that_cannot_be(given: dict[str, float], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Processing(**given)  # type: ignore[arg-type]


def test_unknown_presets_are_named() -> None:
    with pytest.raises(ValueError, match=r"processing must be one of plain, radiograph, .* got 'x'"):
        processed(patient(), "x")
