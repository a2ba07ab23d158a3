"""`display`: logarithm, window, polarity and grey values."""

import math
import sys
from typing import Any

import numpy as np
import pytest
import torch

from deepdrr.display import attenuation, automatic_window, display

OPEN_FIELD = 1000.0


def phantom(size: int = 256) -> tuple[torch.Tensor, torch.Tensor]:
    """Attenuation: air beside a body of 5 with a gradient and a bone of 7; and the signal behind it."""
    rows = torch.linspace(0, 1, size, dtype=torch.float64)[:, None].expand(size, size)
    dense = torch.zeros(size, size, dtype=torch.float64)
    body = slice(size // 4, size)
    dense[:, body] = 5.0 + rows[:, body]
    dense[size // 2 : size // 2 + size // 8, body] = 7.0
    return dense, OPEN_FIELD * torch.exp(-dense)


def test_an_explicit_window_is_linear_in_the_attenuation() -> None:
    dense = torch.tensor([[0.0, 1.0, 2.0, 3.0, 4.0]], dtype=torch.float64)
    signal = OPEN_FIELD * torch.exp(-dense)
    picture = display(signal, open_field=OPEN_FIELD, window=(1.0, 3.0), dtype="float32")
    # float32 of numbers between 0 and 1: half a unit in the last place is 6e-8.
    np.testing.assert_allclose(picture, [[0.0, 0.0, 0.5, 1.0, 1.0]], atol=1e-7)
    same = display(dense, quantity="attenuation", window=(1.0, 3.0), dtype="float32")
    np.testing.assert_allclose(same, picture, atol=1e-7)


@pytest.mark.parametrize(("dtype", "top"), [("uint8", 255), ("uint16", 65535), ("float32", 1.0)])
def test_each_type_has_its_full_range(dtype: Any, top: float) -> None:
    picture = display(phantom()[1], dtype=dtype)
    assert picture.dtype == np.dtype(dtype)
    assert picture.min() == 0
    assert picture.max() == top


def test_bone_is_white_or_black() -> None:
    _, signal = phantom()
    white, black = (display(signal, polarity=p, dtype="uint8") for p in ("bone_white", "bone_black"))
    bone, air = (140, 200), (140, 10)
    assert white[bone] == 255
    assert white[air] == 0
    np.testing.assert_array_equal(white, 255 - black)


def test_gamma_is_an_exponent() -> None:
    dense = np.array([[0.0, 0.25, 0.5, 1.0]])
    picture = display(dense, quantity="attenuation", window=(0.0, 1.0), gamma=2.0, dtype="float32")
    np.testing.assert_allclose(picture, dense**2, atol=1e-7)  # float32, as above


def test_the_window_is_that_of_the_patient_not_of_the_air() -> None:
    dense, signal = phantom()
    # The body has 5 to 7; the 2nd percentile of the ramp is 0.02 above its start.
    assert automatic_window(signal, open_field=OPEN_FIELD) == pytest.approx((5.02, 7.0), abs=0.01)
    # More air in the picture, same window.
    wide = torch.cat([torch.full_like(signal, OPEN_FIELD), signal], dim=1)
    assert automatic_window(wide, open_field=OPEN_FIELD) == pytest.approx((5.02, 7.0), abs=0.01)
    # Where the open field is in the picture it need not be told.
    assert automatic_window(signal) == pytest.approx((5.02, 7.0), abs=0.01)
    assert automatic_window(dense, quantity="attenuation") == pytest.approx((5.02, 7.0), abs=0.01)


def test_metal_does_not_darken_the_anatomy() -> None:
    """A twentieth of the picture is a nail: the window stops at the outer fence instead of at 13."""
    anatomy = torch.linspace(7.8, 8.8, 4000, dtype=torch.float64).reshape(50, 80)
    with_nail = anatomy.clone()
    with_nail[:, 40:44] = 13.0
    for quantity in ("signal", "attenuation"):
        shown = torch.exp(-with_nail) if quantity == "signal" else with_nail
        low, high = automatic_window(shown, quantity=quantity, open_field=1.0 if quantity == "signal" else None)
        assert low == pytest.approx(7.82, abs=0.02)
        assert high == pytest.approx(
            8.55 + 3 * 0.5, abs=0.15
        )  # three times the quartiles' distance above the upper one


def test_the_window_looks_at_a_region() -> None:
    dense = torch.linspace(5.0, 7.0, 1000, dtype=torch.float64).expand(50, 1000).clone()
    dense[:20] = 4.0  # a strip of a cut CT
    region = torch.ones(50, 1000, dtype=torch.bool)
    region[:20] = False
    signal = OPEN_FIELD * torch.exp(-dense)
    found = automatic_window(signal, open_field=OPEN_FIELD, region=region)
    assert found == pytest.approx((5.02, 7.0), abs=0.03)
    assert automatic_window(signal, open_field=OPEN_FIELD)[0] < 4.1
    assert np.array_equal(
        display(signal, open_field=OPEN_FIELD, region=region), display(signal, open_field=OPEN_FIELD, window=found)
    )
    nowhere = automatic_window(signal, open_field=OPEN_FIELD, region=torch.zeros(50, 1000))
    assert nowhere == automatic_window(signal, open_field=OPEN_FIELD)  # better than a window of nothing
    with pytest.raises(ValueError, match=r"region must fit \(50, 1000\), got shape \(3, 4\)"):
        automatic_window(signal, region=torch.ones(3, 4))


def test_noise_does_not_stretch_the_window(generator: torch.Generator) -> None:
    signal = phantom(1024)[1] * 10  # behind the body some 10 to 70 counts
    noisy = torch.poisson(signal, generator=generator)
    clean_low, clean_high = automatic_window(signal, open_field=10 * OPEN_FIELD)
    low, high = automatic_window(noisy, open_field=10 * OPEN_FIELD)
    # Blocks of 8×8 pixels of 10 counts: 4 % of noise in the attenuation; 99.8 % is three of them.
    assert low == pytest.approx(clean_low, abs=0.15)
    assert high == pytest.approx(clean_high, abs=0.15)


def test_dead_pixels_are_shown_as_the_densest_and_do_not_pull(generator: torch.Generator) -> None:
    _, signal = phantom()
    signal[:40, 200:] = -3.0  # electronic noise below zero
    assert automatic_window(signal, open_field=OPEN_FIELD) == pytest.approx((5.1, 7.0), abs=0.1)
    assert (display(signal, open_field=OPEN_FIELD)[:40, 200:] == 255).all()


def test_an_open_field_map_takes_out_the_fall_off() -> None:
    dense, _ = phantom()
    fall_off = torch.linspace(500.0, 1000.0, 256, dtype=torch.float64).expand(256, 256)
    np.testing.assert_allclose(attenuation(fall_off * torch.exp(-dense), fall_off), dense, atol=1e-12)


def test_each_picture_of_a_stack_has_its_own_window() -> None:
    _, signal = phantom()
    stack = torch.stack([signal, 100 * signal])
    together = display(stack)
    assert together.shape == (2, 256, 256)
    np.testing.assert_array_equal(together[0], display(signal))
    np.testing.assert_array_equal(together[1], display(100 * signal))


@pytest.mark.parametrize("value", [0.0, 7.0, -2.0])
@pytest.mark.parametrize("quantity", ["signal", "attenuation"])
@pytest.mark.parametrize("clahe", [None, 0.01])
def test_a_constant_image_is_an_even_picture(value: float, quantity: Any, clahe: float | None) -> None:
    picture = display(torch.full((30, 40), value), quantity=quantity, clahe=clahe)
    assert (picture == 0).all()


def test_one_pixel_is_a_picture() -> None:
    assert display([[3.0]]).shape == (1, 1)


def test_equalization_raises_local_contrast_and_repeats() -> None:
    _, signal = phantom()
    plain, once, again = display(signal), display(signal, clahe=0.02), display(signal, clahe=0.02)
    np.testing.assert_array_equal(once, again)
    soft = (slice(10, 60), slice(100, 250))
    assert once[soft].std() > plain[soft].std()


def test_equalization_without_its_library_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skimage.exposure", None)
    with pytest.raises(ImportError, match=r"pip install 'deepdrr\[clahe\]'"):
        display(phantom()[1], clahe=0.01)


def test_the_image_is_not_changed() -> None:
    image = phantom()[1].requires_grad_()
    before = image.detach().clone()
    display(image, clahe=0.01, polarity="bone_black")
    assert torch.equal(image.detach(), before)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"quantity": "dose"}, "quantity must be one of signal, attenuation, got 'dose'"),
        ({"polarity": "white"}, "polarity must be one of bone_white, bone_black, got 'white'"),
        ({"dtype": "int32"}, "dtype must be one of uint8, uint16, float32, got 'int32'"),
        ({"window": (3.0, 3.0)}, r"window must be \(low, high\) with low < high"),
        ({"window": (math.nan, 3.0)}, "window must be"),
        ({"gamma": 0.0}, r"gamma must be positive and finite, got 0\.0"),
        ({"clahe": 2.0}, r"clahe must be a clip limit in \(0, 1\]"),
        ({"open_field": 0.0}, "open_field must be positive and finite, got 0.0 to 0.0"),
        ({"open_field": torch.ones(3, 5)}, r"open_field must be a number or fit \(2, 2\), got shape \(3, 5\)"),
        ({"open_field": 1.0, "quantity": "attenuation"}, "open_field belongs to quantity='signal'"),
    ],
)
def test_arguments_that_cannot_be(arguments: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        display(torch.ones(2, 2), **arguments)


@pytest.mark.parametrize("image", [torch.tensor([[1.0, math.nan]]), torch.tensor([[math.inf, 1.0]])])
def test_an_image_must_be_finite(image: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="image must be finite, got 1 pixels"):
        display(image)


@pytest.mark.parametrize("shape", [(), (4,), (0, 4), (3, 0, 4)])
def test_an_image_must_have_pixels(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="image must be"):
        display(torch.ones(shape))


def test_a_window_is_that_of_one_picture() -> None:
    with pytest.raises(ValueError, match=r"image must be one picture \[H, W\], got shape \(2, 4, 4\)"):
        automatic_window(torch.ones(2, 4, 4))
