"""Spectra of your own, filters, air kerma, half-value layers."""

from pathlib import Path

import pytest
import torch

from deepdrr.materials import linear_attenuation
from deepdrr.spectrum import Spectrum, air_kerma_ugy, filtered, half_value_layer, mean_energy, monochromatic


def test_monochromatic_half_value_layers_are_ln2_over_mu() -> None:
    beam = monochromatic(60.0)
    expected = float(torch.log(torch.tensor(2.0)) / linear_attenuation("aluminium", 60.0))
    assert half_value_layer(beam) == pytest.approx(expected)
    assert half_value_layer(beam, order=2) == pytest.approx(expected)
    assert float(mean_energy(beam)) == 60.0


def test_air_kerma_of_monochromatic_photons() -> None:
    """30 keV: µ_en/ρ 0.1537 cm²/g (NIST); 1e6 photons/mm² = 1e8/cm² · 30 keV · 1.602e-16 J · 153.7 /kg = 73.87 µGy."""
    assert float(air_kerma_ugy(monochromatic(30.0, 1e6))) == pytest.approx(73.87, rel=0.002)  # that of µ_en/ρ


def test_filtering_adds_up() -> None:
    beam = Spectrum.from_arrays([30.0, 60.0], [1.0, 1.0])
    once = filtered(filtered(beam, "copper", 0.1), "copper", 0.2)
    torch.testing.assert_close(once.photons, filtered(beam, "copper", 0.3).photons)
    assert float(mean_energy(once)) > 45.0


def test_filter_thickness_has_a_gradient() -> None:
    thickness = torch.tensor(0.2, dtype=torch.float64, requires_grad=True)
    behind = filtered(monochromatic(60.0), "copper", thickness).photons.sum()
    behind.backward()
    assert thickness.grad is not None
    assert float(thickness.grad) == pytest.approx(-float(linear_attenuation("copper", 60.0) * behind.detach()))


def test_from_csv(tmp_path: Path) -> None:
    file = tmp_path / "beam.csv"
    file.write_text("# my tube\nkeV,photons\n20.5,1000\n21.5;2000\n22.5 3e3\n", encoding="utf-8")
    beam = Spectrum.from_csv(file, kvp=80.0)
    assert beam.energies_kev.tolist() == [20.5, 21.5, 22.5]
    assert beam.photons.tolist() == [1000.0, 2000.0, 3000.0]
    assert beam.kvp == 80.0
    assert repr(beam) == "Spectrum(beam.csv: 80 kVp, mean 21.83 keV)"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("keV,n\n20,1\n21\n", "line 3 of .* got '21'"),
        ("keV,n\nwhat,ever\n", "line 2"),
        ("20,nan\n", "line 1.*finite"),
        ("# nothing\n", "must hold rows"),
        ("20,1\n20,1\n", "rise"),
    ],
)
def test_csv_that_is_no_spectrum(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "beam.csv"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        Spectrum.from_csv(file)


def test_csv_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="there is no file"):
        Spectrum.from_csv(tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("energies", "photons", "message"),
    [
        ([40.0, 50.0], [1.0, -2.0], "photons must be .* got -2"),
        ([40.0, 50.0], [1.0, float("nan")], "photons must be .* got nan"),
        ([40.0, 50.0], [0.0, 0.0], "zero in every bin"),
        ([40.0, 50.0], [1.0], "shapes"),
        ([50.0, 40.0], [1.0, 1.0], "rise"),
        ([0.04, 0.05], [1.0, 1.0], "keV, not MeV, got energies up to 0.05"),
        ([40000.0, 50000.0], [1.0, 1.0], r"1 to 200 keV \(not eV\), got 40000 to 50000"),
        ([60.0, 250.0], [1.0, 1.0], "got 60 to 250"),
    ],
)
def test_arrays_that_are_no_spectrum(energies: list[float], photons: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Spectrum.from_arrays(energies, photons)


def test_wrong_arguments() -> None:
    with pytest.raises(ValueError, match=r"thickness_mm of 'copper' must be .* got -0.1"):
        filtered(monochromatic(60.0), "copper", -0.1)
    with pytest.raises(ValueError, match=r"order must be .* got 3"):
        half_value_layer(monochromatic(60.0), order=3)
    with pytest.raises(ValueError, match="did you mean 'copper'"):
        filtered(monochromatic(60.0), "coper", 0.1)
