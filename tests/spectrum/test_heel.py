"""The heel effect against SpekPy, and its geometry."""

import math

import pytest
import torch

from deepdrr.camera import Camera
from deepdrr.spectrum import (
    HeelEffect,
    Spectrum,
    air_kerma_ugy,
    attenuate,
    filtered,
    heel_area_density,
    tungsten_spectrum,
)
from deepdrr.spectrum.tube._heel import Side

# Air kerma of SpekPy 2.5.4 (casim) at −15, −10, −5, 5, 10, 15 cm toward the cathode at 1 m, over that on the axis,
# inverse square and oblique filtration taken out. kV, anode angle, filters, kerma. At −15 cm a ray leaves a 10° anode
# at 1.5°, and none leaves one of 8°.
AL, AL_CU = (("aluminium", 2.5),), (("aluminium", 3.0), ("copper", 0.1))
SPEKPY = [
    (60, 12, AL, [0.717, 0.873, 0.953, 1.029, 1.049, 1.061]),
    (80, 12, AL, [0.678, 0.848, 0.942, 1.039, 1.065, 1.084]),
    (120, 12, AL, [0.625, 0.813, 0.925, 1.053, 1.091, 1.120]),
    (80, 15, AL, [0.822, 0.909, 0.963, 1.025, 1.043, 1.056]),
    (80, 12, AL_CU, [0.790, 0.913, 0.970, 1.017, 1.027, 1.033]),
    (120, 12, AL_CU, [0.716, 0.872, 0.952, 1.030, 1.050, 1.063]),
    (140, 12, AL_CU, [0.691, 0.858, 0.946, 1.035, 1.058, 1.075]),
    (60, 10, AL, [0.486, 0.800, 0.930, 1.042, 1.068, 1.085]),
    (80, 10, AL, [0.450, 0.769, 0.916, 1.053, 1.089, 1.114]),
    (140, 10, AL, [0.378, 0.715, 0.890, 1.076, 1.131, 1.171]),
    (80, 10, AL_CU, [0.578, 0.855, 0.952, 1.026, 1.041, 1.049]),
    (80, 8, AL_CU, [0.000, 0.721, 0.920, 1.041, 1.063, 1.076]),
]


def row(pixels: int = 7, pixel_mm: float = 50.0) -> Camera:
    return Camera.carm(sdd_mm=1000, sid_mm=500, height=1, width=pixels, pixel_mm=pixel_mm)


def kerma_behind(beam: Spectrum, tungsten_g_cm2: float) -> float:
    """Air kerma behind (or without) a sheet of tungsten, by the spectrum alone."""
    if tungsten_g_cm2 >= 0:
        return float(air_kerma_ugy(filtered(beam, "tungsten", tungsten_g_cm2 / 19.30 * 10)))
    sheet = filtered(Spectrum(beam.energies_kev, torch.ones_like(beam.photons)), "tungsten", -tungsten_g_cm2 / 1.930)
    return float(air_kerma_ugy(Spectrum(beam.energies_kev, beam.photons / sheet.photons)))


@pytest.mark.parametrize(("kvp", "angle", "filters", "kerma"), SPEKPY)
def test_kerma_across_the_field(
    kvp: float, angle: float, filters: tuple[tuple[str, float]], kerma: list[float]
) -> None:
    beam = tungsten_spectrum(kvp, anode_angle_deg=angle, filters=filters)
    sheet = heel_area_density(row(), kvp, HeelEffect(anode_angle_deg=angle, cathode="right"))[0].tolist()
    assert sheet.pop(3) == pytest.approx(0.0, abs=1e-15)
    for place_cm, amount, expected in zip((-15, -10, -5, 5, 10, 15), sheet, kerma, strict=True):
        # What is left of one depth of emission for all energies; 8° are beyond the tubes of C-arms.
        limit = {8: 0.06, 10: 0.022 if abs(place_cm) < 15 else 0.04}.get(int(angle), 0.024)
        assert kerma_behind(beam, amount) / float(air_kerma_ugy(beam)) == pytest.approx(expected, rel=limit, abs=1e-3)


def test_the_formula_in_the_plane_of_anode_and_cathode() -> None:
    """ρ d (G(cos α / sin(α + φ)) − G(cot α)), here written out with φ from the pixel's place."""
    found = heel_area_density(row(), 100.0, HeelEffect(anode_angle_deg=12.0, cathode="right"))[0]
    alpha, depth_cm = math.radians(12.0), 1.01e-4 * (100 / 80) ** 1.55

    def seen(path: float) -> float:
        return path / (1 + 0.0058 * path)

    for pixel, value in enumerate(found.tolist()):
        phi = math.atan((pixel - 3) * 50 / 1000)
        depths = seen(math.cos(alpha) / math.sin(alpha + phi)) - seen(1 / math.tan(alpha))
        assert value == pytest.approx(19.30 * depth_cm * depths, abs=1e-12)


@pytest.mark.parametrize(
    ("side", "brightest"), [("top", (0, 2)), ("bottom", (4, 2)), ("left", (2, 0)), ("right", (2, 4))]
)
@pytest.mark.parametrize("viewed_from", ["detector", "source"])
def test_the_cathode_is_the_bright_side_of_the_picture(
    side: Side, brightest: tuple[int, int], viewed_from: str
) -> None:
    camera = Camera.carm(sdd_mm=1000, sid_mm=500, height=5, width=5, pixel_mm=40.0, viewed_from=viewed_from)
    sheet = heel_area_density(camera, 80.0, HeelEffect(cathode=side))[None]
    beam = attenuate(sheet, tungsten_spectrum(80.0), ["tungsten"], negative="allow")
    through_center = torch.full((5, 5), -1.0, dtype=torch.float64)
    through_center[2], through_center[:, 2] = beam.photons[2], beam.photons[:, 2]
    assert divmod(int(through_center.argmax()), 5) == brightest


def test_the_anode_side_is_harder() -> None:
    sheet = heel_area_density(row(), 80.0, HeelEffect(cathode="right"))[None]
    beam = attenuate(sheet, tungsten_spectrum(80.0), ["tungsten"], negative="allow")
    energy = (beam.energy_kev / beam.photons)[0]
    assert bool((energy.diff() < 0).all())


def test_behind_the_anode_is_darkness() -> None:
    wide = heel_area_density(row(9, 100.0), 80.0, HeelEffect(anode_angle_deg=10.0, cathode="right"))[None]
    beam = attenuate(wide, tungsten_spectrum(80.0), ["tungsten"], negative="allow")
    assert float(beam.energy_kev[0, 0] / beam.energy_kev[0, 4]) < 1e-3  # 22° toward the anode, past its 10° surface


def test_bad_input() -> None:
    with pytest.raises(ValueError, match="anode_angle_deg must be from 1 to 45"):
        HeelEffect(anode_angle_deg=0.0)
    with pytest.raises(ValueError, match="cathode must be one of left, right, top, bottom, got 'up'"):
        HeelEffect(cathode="up")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="kvp must be positive"):
        heel_area_density(row(), 0.0, HeelEffect())
