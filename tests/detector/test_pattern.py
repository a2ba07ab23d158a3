"""Fixed pattern, and flat-field correction."""

import math

import pytest
import torch

from deepdrr.detector import (
    FixedPattern,
    FlatPanel,
    QuantumSignal,
    expected_signal,
    flat_field_corrected,
    interpolated_defects,
    random_pattern,
    with_pattern,
)


def ramp(height: int = 60, width: int = 80) -> torch.Tensor:
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return 1000.0 + 5.0 * rows + 3.0 * columns


def test_correction_takes_the_pattern_out(generator: torch.Generator) -> None:
    pattern = random_pattern(60, 80, defect_share=0.01, generator=generator)
    image, flat = ramp(), torch.full((60, 80), 4000.0)
    raw, dark, bright = (with_pattern(signal, pattern) for signal in (image, torch.zeros_like(flat), flat))
    assert float((raw - image)[~pattern.defects].std()) > 20.0
    corrected = flat_field_corrected(raw, dark, bright)
    good = ~pattern.defects
    # The mean gain of the panel stays in the image; the rest is float32's rounding.
    torch.testing.assert_close(corrected[good], (image * pattern.gain[good].mean())[good], rtol=1e-5, atol=0)
    assert bool(pattern.defects.any())
    # A ramp's neighbours are 5 and 3 keV away; a dead column's lower end is one-sided.
    assert float((corrected / pattern.gain[good].mean() - image)[pattern.defects].abs().max()) < 15.0


def test_correction_of_the_flat_itself_is_even(generator: torch.Generator) -> None:
    pattern = random_pattern(30, 30, defect_share=0.02, generator=generator)
    dark, bright = (with_pattern(torch.full((30, 30), v), pattern) for v in (0.0, 900.0))
    corrected = flat_field_corrected(bright.expand(2, 30, 30), dark, bright)
    torch.testing.assert_close(corrected, corrected[0, 0, 0].expand_as(corrected), rtol=1e-5, atol=0)


def test_a_cluster_is_filled_from_its_rim() -> None:
    defects = torch.zeros(20, 20, dtype=torch.bool)
    defects[5:12, 5:12] = True
    image = torch.full((20, 20), 7.0)
    image[defects] = math.nan
    torch.testing.assert_close(interpolated_defects(image, defects), torch.full((20, 20), 7.0))


def test_interpolation_keeps_good_pixels_and_their_gradient() -> None:
    image = torch.rand(5, 5, dtype=torch.float64, requires_grad=True)
    defects = torch.zeros(5, 5, dtype=torch.bool)
    defects[2, 2:4] = True
    assert torch.equal(interpolated_defects(image, defects)[~defects], image[~defects])
    torch.autograd.gradcheck(lambda x: interpolated_defects(x, defects), image)


def test_a_panel_with_its_pattern(generator: torch.Generator) -> None:
    pattern = random_pattern(8, 8, generator=generator)
    signal = QuantumSignal(torch.full((3, 8, 8), 500.0), torch.zeros(3, 8, 8))
    found = expected_signal(signal, FlatPanel(blur=None, pattern=pattern))
    torch.testing.assert_close(found, with_pattern(signal.mean, pattern))
    with pytest.raises(ValueError, match=r"pattern must have the size of the image \(4, 8\), got \(8, 8\)"):
        with_pattern(torch.ones(4, 8), pattern)


def test_patterns_that_cannot_be(generator: torch.Generator) -> None:
    gain, none = torch.ones(2, 2), torch.zeros(2, 2, dtype=torch.bool)
    with pytest.raises(ValueError, match=r"must all be \[H, W\]"):
        FixedPattern(gain, torch.zeros(3, 2), none)
    with pytest.raises(TypeError, match="defects must be bool"):
        FixedPattern(gain, gain, gain)
    with pytest.raises(ValueError, match="gain must be finite and not negative"):
        FixedPattern(-gain, gain, none)
    with pytest.raises(ValueError, match="offset_kev must be finite"):
        FixedPattern(gain, gain * math.inf, none)
    with pytest.raises(ValueError, match="gain_spread must be finite and not negative, got -1"):
        random_pattern(2, 2, gain_spread=-1.0, generator=generator)
    with pytest.raises(ValueError, match=r"defect_share must be in \[0, 1\], got 2"):
        random_pattern(2, 2, defect_share=2.0, generator=generator)


def test_corrections_that_cannot_be() -> None:
    image, none = torch.ones(2, 2), torch.zeros(2, 2, dtype=torch.bool)
    with pytest.raises(ValueError, match="of the same size"):
        flat_field_corrected(image, torch.zeros(3, 2), image)
    with pytest.raises(ValueError, match="flat must be brighter than dark"):
        flat_field_corrected(image, image, image, defects=none)
    with pytest.raises(ValueError, match="at least one good pixel"):
        interpolated_defects(image, ~none)
    with pytest.raises(ValueError, match=r"defects must be bool \[H, W\]"):
        interpolated_defects(image, none[:1])
