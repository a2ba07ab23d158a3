"""SpekPy itself, where it is installed: as a source, and as the oracle of the shipped table."""

import warnings

import pytest

from deepdrr.spectrum import air_kerma_ugy, half_value_layer, mean_energy, spekpy_spectrum, tungsten_spectrum

try:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SpekPy's own imports warn
        import spekpy
except ImportError:
    spekpy = None


@pytest.mark.skipif(spekpy is None, reason="SpekPy is not installed")
@pytest.mark.parametrize(("kvp", "angle"), [(55.0, 9.0), (93.0, 11.0), (137.0, 17.0)])
def test_the_table_follows_spekpy_between_its_settings(kvp: float, angle: float) -> None:
    filters = [("aluminium", 2.5)]
    ours = tungsten_spectrum(kvp, anode_angle_deg=angle, filters=filters)
    theirs = spekpy_spectrum(kvp, anode_angle_deg=angle, filters=filters)
    assert half_value_layer(ours) == pytest.approx(
        half_value_layer(theirs), rel=0.003
    )  # interpolation, see test_tungsten
    assert float(mean_energy(ours)) == pytest.approx(float(mean_energy(theirs)), rel=0.002)
    assert float(air_kerma_ugy(ours)) == pytest.approx(float(air_kerma_ugy(theirs)), rel=0.005)


@pytest.mark.skipif(spekpy is not None, reason="SpekPy is installed")
def test_without_spekpy_one_is_told_what_to_install() -> None:
    with pytest.raises(ImportError, match=r"spekpy_spectrum needs spekpy: pip install 'deepdrr\[spekpy\]'"):
        spekpy_spectrum(80.0)
