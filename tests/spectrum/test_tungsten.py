"""Tungsten spectra against SpekPy 2.5.4 (casim), run beside this table with its own attenuation data."""

import pytest
import torch

from deepdrr.spectrum import air_kerma_ugy, half_value_layer, mean_energy, tungsten_spectrum

# 12° anode, no air. kVp, mm Al, HVL1, HVL2 (mm Al), mean keV, µGy per mAs at 1 m, photons per mm² per µGy
SPEKPY = [
    (60, 2.5, 2.082, 2.893, 35.95, 48.9, 15196),
    (80, 2.5, 2.734, 4.084, 42.90, 82.0, 18590),
    (100, 2.5, 3.458, 5.398, 49.14, 118.9, 21124),
    (120, 2.5, 4.219, 6.672, 54.44, 158.7, 22779),
    (60, 3.0, 2.306, 3.118, 36.76, None, None),
    (80, 3.0, 3.029, 4.386, 43.83, None, None),
    (100, 3.0, 3.815, 5.744, 50.11, None, None),
    (120, 3.0, 4.619, 7.019, 55.41, None, None),
]


@pytest.mark.parametrize(("kvp", "al_mm", "hvl1", "hvl2", "mean_kev", "ugy", "photons_per_ugy"), SPEKPY)
def test_beam_quality(
    kvp: float,
    al_mm: float,
    hvl1: float,
    hvl2: float,
    mean_kev: float,
    ugy: float | None,
    photons_per_ugy: float | None,
) -> None:
    beam = tungsten_spectrum(kvp, anode_angle_deg=12.0, filters=[("aluminium", al_mm)])
    assert half_value_layer(beam) == pytest.approx(hvl1, rel=0.01)  # acceptance; measured 0.5 %, from the µ of Al
    assert half_value_layer(beam, order=2) == pytest.approx(hvl2, rel=0.01)
    assert float(mean_energy(beam)) == pytest.approx(mean_kev, rel=0.005)
    if ugy is not None and photons_per_ugy is not None:
        kerma = float(air_kerma_ugy(beam))
        assert kerma == pytest.approx(ugy, rel=0.02)  # acceptance; measured 1 %, from µ of Al and µ_en of air
        assert float(beam.photons.sum()) / kerma == pytest.approx(photons_per_ugy, rel=0.02)


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
