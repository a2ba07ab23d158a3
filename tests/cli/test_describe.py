"""The sentences of logs say what the physics rooms compute."""

import pytest

from deepdrr.cli import describe_beam, describe_camera, describe_exposure
from deepdrr.detector import Exposure, fluence_scale
from deepdrr.device import CArmGeometry
from deepdrr.spectrum import XRaySource, tungsten_spectrum


def test_beam_and_camera() -> None:
    assert "80 kV" in describe_beam(tungsten_spectrum(80.0))
    camera = CArmGeometry().binned(2).camera()
    assert describe_camera(camera) == "source to detector 1020 mm, 768×768 pixels of 0.388 mm"


@pytest.mark.parametrize(
    "exposure", [Exposure(mas=2.0), Exposure(photons_per_pixel=5e4), Exposure(air_kerma_ngy=900.0)]
)
def test_photons_are_those_of_the_open_field(exposure: Exposure) -> None:
    source, camera = XRaySource(spectrum=tungsten_spectrum(80.0)), CArmGeometry(height=3, width=3).camera()
    expected = float(fluence_scale(exposure, source, camera).max() * source.spectrum.photons.sum())
    said = float(describe_exposure(exposure, source, camera).split(": ")[1].split()[0].replace(",", ""))
    assert said == pytest.approx(expected, abs=0.6)  # rounded to whole photons


def test_an_air_kerma_is_said_as_it_was_given() -> None:
    text = describe_exposure(
        Exposure(air_kerma_ngy=900.0), XRaySource(spectrum=tungsten_spectrum(80.0)), CArmGeometry().camera()
    )
    assert "0.9 µGy" in text


def test_devices_says_which_backends_there_are_and_which_is_taken(run) -> None:
    code, out, _ = run("info", "--devices")
    assert code == 0
    lines = dict(line.split(maxsplit=1) for line in out.splitlines()[:3])
    assert list(lines) == ["cuda", "cpu", "reference"]
    assert (lines["cpu"], lines["reference"]) == ("ready", "ready")
    assert "host uses" in out
    assert "GPU uses" in out


def test_info_of_nothing_says_what_it_needs(run) -> None:
    code, _, error = run("info")
    assert code == 2
    assert "info needs a CT file, or --devices" in error
