"""Readout to ADU, the anti-scatter grid, and presets of panels."""

import math
from dataclasses import replace

import pytest
import torch

from deepdrr.detector import (
    GRIDS,
    PANELS,
    EnergyIntegratingDetector,
    FlatPanel,
    Grid,
    QuantumSignal,
    Readout,
    detect,
    digitize,
    expected_signal,
)


def even(mean: float, variance: float = 0.0, size: int = 4) -> QuantumSignal:
    return QuantumSignal(torch.full((size, size), mean), torch.full((size, size), variance))


class TestReadout:
    def test_gain_offset_and_rounding(self) -> None:
        readout = Readout(adu_per_kev=0.1, offset_adu=7.0, bits=12)
        signal = torch.tensor([0.0, 100.0, 104.0, 106.0])
        assert digitize(signal, readout).tolist() == [7.0, 17.0, 17.0, 18.0]
        torch.testing.assert_close(digitize(signal, readout, rounded=False), signal * 0.1 + 7)

    def test_too_few_bits_are_a_sentence(self) -> None:
        with pytest.raises(ValueError, match=r"bits must hold the signal: 8 bits hold 0 to 255 ADU, got .* to 300"):
            digitize(torch.tensor([1.0, 300.0]), Readout(adu_per_kev=1.0, offset_adu=0.0, bits=8))

    def test_saturation_clips_where_asked_for(self) -> None:
        readout = Readout(adu_per_kev=1.0, offset_adu=0.0, bits=8, saturation="clip")
        signal = torch.tensor([-5.0, 10.2, 300.0], requires_grad=True)
        found = digitize(signal, readout)
        found.sum().backward()
        assert found.tolist() == [0.0, 10.0, 255.0]
        assert signal.grad is not None
        assert signal.grad.tolist() == [0.0, 1.0, 0.0]

    @pytest.mark.parametrize("bits", [8, 12, 14, 16])
    def test_a_readout_made_for_a_signal_holds_it(self, bits: int) -> None:
        readout = Readout.for_signal(4e5, bits=bits)
        assert float(digitize(torch.tensor([4e5]), readout)) == pytest.approx(0.9 * readout.top_adu, abs=0.5)

    def test_an_image_in_adu(self, generator: torch.Generator) -> None:
        panel = FlatPanel(blur=None, readout=Readout(adu_per_kev=0.05, offset_adu=100.0, bits=14))
        assert panel.unit == "ADU"
        signal = even(5000.0, 5000.0 * 50, size=300)
        image = detect(signal, panel, generator=generator).double()
        assert torch.equal(image, image.round())
        assert float(expected_signal(signal, panel)[0, 0]) == 350.0
        spread = 0.05**2 * (5000.0 * 50 + (1500 / 33) ** 2) + 1 / 12  # quanta, electronics, rounding
        assert float(image.mean()) == pytest.approx(350.0, abs=5 * math.sqrt(spread) / 300)
        assert float(image.var()) == pytest.approx(spread, rel=0.025)  # five standard errors of 90 000 pixels

    @pytest.mark.parametrize(
        ("given", "sentence"),
        [
            ({"adu_per_kev": 0.0}, "adu_per_kev must be positive"),
            ({"adu_per_kev": 1.0, "bits": 0}, "bits must be a whole number from 1 to 24, got 0"),
            ({"adu_per_kev": 1.0, "bits": 12.5}, "bits must be a whole number"),
            ({"adu_per_kev": 1.0, "bits": 6, "offset_adu": 100.0}, "offset_adu must be from 0 to less than 63"),
            ({"adu_per_kev": 1.0, "saturation": "wrap"}, "saturation must be 'raise' or 'clip', got 'wrap'"),
        ],
    )
    def test_readouts_that_cannot_be(self, given: dict[str, float], sentence: str) -> None:
        with pytest.raises(ValueError, match=sentence):
            Readout(**given)  # type: ignore[arg-type]

    def test_bits_without_room(self) -> None:
        with pytest.raises(ValueError, match="bits must hold the offset of 100 ADU and a signal, got 6"):
            Readout.for_signal(1.0, bits=6)


class TestGrid:
    @pytest.mark.parametrize("name", GRIDS)
    def test_primary_and_scatter_pass_as_stated(self, name: str) -> None:
        grid = GRIDS[name]
        open_panel, behind = EnergyIntegratingDetector(), EnergyIntegratingDetector(grid=grid)
        primary, scatter, nothing = even(100.0, 10.0), even(300.0, 30.0), even(0.0)
        through = [
            float((expected_signal(p, behind, scatter=s) / expected_signal(p + s, open_panel))[0, 0])
            for p, s in ((primary, nothing), (nothing, scatter))
        ]
        assert through == pytest.approx([grid.primary, grid.scatter], abs=1e-6)
        both = float(expected_signal(primary, behind, scatter=scatter)[0, 0])
        assert both == pytest.approx(100 * grid.primary + 300 * grid.scatter)
        assert grid.scatter_to_primary == pytest.approx(grid.scatter / grid.primary)

    @pytest.mark.parametrize("name", GRIDS)
    @pytest.mark.parametrize("ratio", [0.0, 0.5, 4.0])
    def test_the_exposure_that_a_grid_asks_for(self, name: str, ratio: float) -> None:
        """With so many times the exposure, primary and scatter behind the grid leave what they left without it."""
        grid = GRIDS[name]
        open_panel, behind = EnergyIntegratingDetector(), EnergyIntegratingDetector(grid=grid)
        primary, scatter, factor = even(100.0, 10.0), even(100.0 * ratio, 10.0), grid.exposure_factor(ratio)
        without = expected_signal(primary, open_panel, scatter=scatter)
        found = expected_signal(primary.scaled(factor), behind, scatter=scatter.scaled(factor))
        torch.testing.assert_close(found, without)

    def test_the_old_name_of_one_over_the_primary_transmission(self) -> None:
        grid = GRIDS["ratio 10"]
        with pytest.warns(DeprecationWarning, match=r"bucky_factor is 1 / primary, without scatter"):
            assert grid.bucky_factor == grid.exposure_factor() == pytest.approx(1 / 0.706)
        with pytest.raises(ValueError, match=r"scatter_to_primary must be finite, 0 or more, got -1\.0"):
            grid.exposure_factor(-1.0)

    def test_the_ratio_ten_grid_of_the_literature(self) -> None:
        assert GRIDS["ratio 10"].scatter_to_primary == pytest.approx(0.30, abs=0.02)

    def test_fewer_quanta_are_noisier(self, generator: torch.Generator) -> None:
        panel = EnergyIntegratingDetector(electronic_noise_electrons=0.0, grid=Grid(primary=0.5, scatter=0.0))
        image = detect(even(5000.0, 5000.0 * 50, size=300), panel, generator=generator).double()
        assert float(image.var()) == pytest.approx(0.5 * 5000 * 50, rel=0.025)

    @pytest.mark.parametrize("value", [0.0, 1.2, -0.1, math.nan])
    def test_a_grid_lets_at_most_all_pass(self, value: float) -> None:
        with pytest.raises(ValueError, match=rf"primary must be a transmission in \(0, 1\], got {value}"):
            Grid(primary=value, scatter=0.1)
        if value != 0.0:
            with pytest.raises(ValueError, match=rf"scatter must be a transmission in \[0, 1\], got {value}"):
                Grid(primary=0.7, scatter=value)


def test_panels_differ_in_their_electronics(generator: torch.Generator) -> None:
    spread = {name: float(detect(even(0.0, 0.0, 128), panel, pixel_mm=(0.15, 0.15), generator=generator).std())
              for name, panel in PANELS.items()}  # fmt: skip
    assert spread["amorphous silicon"] == pytest.approx(1500 / 33, rel=0.03)
    assert 3 < spread["amorphous silicon"] / spread["CMOS"] < 5


@pytest.mark.parametrize("name", PANELS)
@pytest.mark.parametrize("binned", [1, 2, 4])
def test_a_binned_pixel_is_the_sum_of_its_reads(name: str, binned: int, generator: torch.Generator) -> None:
    panel = PANELS[name]
    own, size = panel.pitch_mm, 192
    fine = detect(even(0.0, 0.0, size), panel, pixel_mm=(own, own), generator=generator)
    summed = torch.nn.functional.avg_pool2d(fine[None], binned)[0] * binned**2
    coarse = detect(even(0.0, 0.0, size), panel, pixel_mm=(own * binned, own * binned), generator=generator)
    # Standard error of the spread of 48 × 48 and of 192 × 192 values: 1.5 and 0.4 %; four times both.
    assert float(coarse.std()) == pytest.approx(float(summed.std()), rel=0.065)
    assert panel.readout_noise_kev(None) == panel.electronic_noise_kev
    assert panel.readout_noise_kev((own / 2, own / 2)) == panel.electronic_noise_kev  # a pixel is read as a whole
    with pytest.raises(ValueError, match=r"pitch_mm must be positive and finite, got 0\.0"):
        replace(panel, pitch_mm=0.0)
