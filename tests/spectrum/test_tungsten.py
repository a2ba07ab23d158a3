"""Tungsten spectra against SpekPy 2.5.4 (casim), run beside this table with its own attenuation data."""

import pytest
import torch

from deepdrr.spectrum import filtered, half_value_layer, tungsten_spectrum
from deepdrr.validation._beam_quality import tube_checks
from deepdrr.validation._references import Row, reference_rows


@pytest.mark.parametrize("row", reference_rows("beams"), ids=lambda row: f"{row['kvp']}kVp-{row['aluminium_mm']}mm")
def test_beam_quality(row: Row) -> None:
    """The rows of the validation report: half-value layers 1 %, kerma 2 %, photons per kerma 3 %."""
    checks = tube_checks(row)
    assert len(checks) >= 4
    assert not [check for check in checks if not check.passed]


@pytest.mark.parametrize(
    ("kvp", "angle", "photons"),
    [
        (63, 12, {20.5: 89690.0, 33.5: 54222.0, 45.5: 27553.0, 55.5: 11491.0, 54.5: 12968.0, 59.5: 5610.4}),
        (77, 12, {20.5: 100610.0, 33.5: 72240.0, 45.5: 43495.0, 58.5: 22303.0, 68.5: 9996.1, 73.5: 4150.1}),
        (117, 12, {20.5: 109520.0, 33.5: 112020.0, 45.5: 82875.0, 58.5: 56250.0, 108.5: 5392.7, 113.5: 2258.2}),
        (100, 9, {20.5: 88418.0, 33.5: 90050.0, 45.5: 65039.0, 58.5: 42098.0, 91.5: 6815.6, 96.5: 2940.9}),
        (120, 17, {20.5: 139460.0, 33.5: 124880.0, 45.5: 88500.0, 58.5: 59148.0, 111.5: 5013.1, 116.5: 2059.6}),
    ],
)
def test_between_the_voltages_and_angles_of_the_table(kvp: float, angle: float, photons: dict[float, float]) -> None:
    """SpekPy's own photons/mm²/mAs in a few bins, unfiltered, at settings the table does not hold."""
    beam = tungsten_spectrum(kvp, anode_angle_deg=angle, filters=())
    found = dict(zip(beam.energies_kev.tolist(), beam.photons.tolist(), strict=True))
    for energy_kev, expected in photons.items():
        assert found[energy_kev] == pytest.approx(expected, rel=0.01)  # measured: 0.7 % in the last bin, else 0.4 %
    assert max(found) == kvp - 0.5


def test_a_setting_of_the_table_is_reproduced() -> None:
    beam = tungsten_spectrum(80.0, anode_angle_deg=12.0, filters=())
    assert float(beam.photons.sum()) == pytest.approx(6.8076e6, rel=1e-4)  # the table has 5 digits
    assert float(beam.energies_kev[-1]) == 79.5


def test_hardness_grows_smoothly_with_voltage() -> None:
    layers = torch.tensor([half_value_layer(tungsten_spectrum(kvp / 2)) for kvp in range(80, 301)])
    steps = layers.diff()
    assert bool((steps > 0).all())
    assert float(steps.diff().abs().max()) < 0.006  # mm Al per 0.5 kV: no step at a voltage of the table


def test_steeper_anodes_give_softer_beams() -> None:
    layers = [half_value_layer(tungsten_spectrum(80.0, anode_angle_deg=angle)) for angle in (6, 7.3, 9, 12, 15, 20)]
    assert layers == sorted(layers, reverse=True)


def test_default_is_a_c_arm() -> None:
    beam = tungsten_spectrum(70.0)
    assert half_value_layer(beam) == pytest.approx(4.056, rel=0.011)  # SpekPy, 10°, 3 mm Al + 0.1 mm Cu, its µ 1 % off
    assert beam.description == "tungsten 10°, 3 mm aluminium, 0.1 mm copper"


def test_voltage_has_a_gradient() -> None:
    kvp = torch.tensor(83.3, dtype=torch.float64, requires_grad=True)
    tungsten_spectrum(kvp).photons.sum().backward()
    low, high = (float(tungsten_spectrum(v).photons.sum()) for v in (83.2999, 83.3001))
    assert kvp.grad is not None
    assert float(kvp.grad) == pytest.approx((high - low) / 0.0002, rel=1e-3)  # central difference


def relative_slope(kvp: float, water_mm: float) -> float:
    """Derivative of the logarithm of the signal of an ideal panel behind water with respect to the voltage, per kV."""
    volts = torch.tensor(kvp, dtype=torch.float64, requires_grad=True)
    beam = filtered(tungsten_spectrum(volts), "water", water_mm)
    (beam.photons * beam.energies_kev).sum().log().backward()
    assert volts.grad is not None
    return float(volts.grad)


@pytest.mark.parametrize("water_mm", [0.0, 200.0])
@pytest.mark.parametrize("kvp", [41.5, 60.0, 69.525, 70.0, 79.5, 80.0, 81.0, 100.0, 139.0, 148.0])
def test_the_gradient_with_respect_to_voltage_has_no_steps(kvp: float, water_mm: float) -> None:
    """At voltages of the table (even), at the borders and middles of bins, and at the K edge of the anode."""
    below, above = (relative_slope(kvp + side, water_mm) for side in (-1e-6, 1e-6))
    assert above == pytest.approx(below, rel=1e-4)  # of 2e-6 kV
    # Nor is a step spread over half a kilovolt: the slope of a signal falls by some 2 to 6 % per kV.
    assert relative_slope(kvp + 0.5, water_mm) == pytest.approx(relative_slope(kvp - 0.5, water_mm), rel=0.08)


@pytest.mark.parametrize("kvp", [39.0, 151.0, float("nan"), -80.0])
def test_voltage_outside_the_table(kvp: float) -> None:
    with pytest.raises(ValueError, match=r"kvp must be 40 to 150 kV, .* got "):
        tungsten_spectrum(kvp)


def test_other_bad_input() -> None:
    with pytest.raises(ValueError, match=r"anode_angle_deg must be .* got 30"):
        tungsten_spectrum(80.0, anode_angle_deg=30.0)
    with pytest.raises(ValueError, match=r"thickness_mm of 'aluminium' must be .* got -1"):
        tungsten_spectrum(80.0, filters=[("aluminium", -1.0)])
    with pytest.raises(ValueError, match="unknown material 'unobtainium'"):
        tungsten_spectrum(80.0, filters=[("unobtainium", 1.0)])
    with pytest.raises(TypeError, match=r"kvp must be a number or a scalar tensor, in kV, got '80'"):
        tungsten_spectrum("80")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"kvp must be one voltage, got shape \(2,\)"):
        tungsten_spectrum(torch.tensor([80.0, 90.0]))
    with pytest.raises(ValueError, match=r"filters must be pairs of a material and mm, .* got 'aluminium'"):
        tungsten_spectrum(80.0, filters="aluminium")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"thickness_mm of 'aluminium' must be a number .* got None"):
        tungsten_spectrum(80.0, filters=[("aluminium", None)])  # type: ignore[list-item]
