"""Numbers as people have them: NumPy's scalars and arrays without axes are taken wherever Python's are."""

from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from deepdrr import Volume
from deepdrr._numbers import as_count, as_number
from deepdrr._structured import read_fields
from deepdrr.camera import Camera, make_k_inv, make_rt_inv, project_points, resample
from deepdrr.data import Subject
from deepdrr.detector import Blur, Exposure, Glare, Lag, PhotonCounter, Readout, central_field, random_pattern
from deepdrr.device import CArmGeometry, CArmPose, sweep
from deepdrr.display import Processing, display
from deepdrr.drr import DRR, render
from deepdrr.geometry import point, rotation
from deepdrr.materials import decompose, iodine_contrast, linear_attenuation
from deepdrr.metrics import gradient_normalized_cross_correlation, mutual_information
from deepdrr.raycast import Samples, Step
from deepdrr.registration import CmaEs, GaussNewton, Registration
from deepdrr.spectrum import FocalSpot, HeelEffect, Shutters, filtered, monochromatic, tungsten_spectrum

INTEGERS = (np.int64, np.uint16, lambda n: np.array(n, dtype=np.int32))
FLOATS = (np.float64, np.float32, np.array, np.int64, int)  # the tests' floats are whole

K_INV = make_k_inv(1020.0, 1.0, 1.0, 0.0, 0.0, 12, 12)
POSE = make_rt_inv(torch.zeros(1, 3), torch.tensor([[0.0, 700.0, 0.0]]))
SUBJECT = Subject(torch.zeros(1, 1, 8, 8, 8), torch.eye(4))
BOX = Volume.from_array(torch.zeros(8, 8, 8), torch.eye(4), check_hu="off")
IMAGE = torch.rand(1, 1, 12, 12, generator=torch.Generator().manual_seed(1))
BEAM = tungsten_spectrum(80.0)

COUNTS = {
    "make_k_inv": lambda n: make_k_inv(1020.0, 1.0, 1.0, 0.0, 0.0, n, n),
    "Camera": lambda n: Camera.carm(sdd_mm=1020.0, sid_mm=500.0, height=n, width=n, pixel_mm=1.0).cropped(n, n, n, n),
    "CArmGeometry": lambda n: CArmGeometry(height=n, width=n).binned(n),
    "sweep": lambda n: sweep(CArmPose(), CArmPose(alpha_deg=30), n)[1],
    "project_points": lambda n: project_points(torch.zeros(1, 1, 3), K_INV, POSE, sdd=1020.0, height=n, width=n)[0],
    "resample": lambda n: resample(IMAGE, K_INV, K_INV, height=n, width=n),
    "render": lambda n: render(SUBJECT, K_INV, POSE, 1020.0, n, n, n_samples=n),
    "DRR": lambda n: DRR.from_carm_intrinsics(1020.0, 1.0, 1.0, 0.0, 0.0, n, n)(SUBJECT, POSE),
    "Registration": lambda n: Registration(SUBJECT, POSE, K_INV, torch.tensor([1020.0]), n, n)(n_samples=n),
    "Subject": lambda n: Subject(SUBJECT.image_hu, torch.eye(4), max_label=n).n_classes,
    "Readout": lambda n: Readout(adu_per_kev=1.0, bits=n),
    "Samples": Samples,
    "central_field": lambda n: central_field(n, n),
    "mutual_information": lambda n: mutual_information(IMAGE, IMAGE, bins=n),
}

LENGTHS = {
    "Camera": lambda x: Camera.carm(
        sdd_mm=1000 * x, sid_mm=500 * x, height=9, width=9, pixel_mm=x, angles_deg=(x, x, x), isocenter=(x, x, x)
    ),
    "render": lambda x: render(SUBJECT, K_INV, POSE, 1000 * x, 12, 12),
    "sdd alone": lambda x: render(SUBJECT, K_INV, POSE, x, 12, 12),
    "mu": lambda x: render(Subject(torch.zeros(1, 1, 8, 8, 8), torch.eye(4), mu_water=x), K_INV, POSE, 1000.0, 8, 8),
    "Volume.resample": lambda x: BOX.resample(x).shape,
    "Subject": lambda x: Subject(SUBJECT.image_hu, torch.eye(4), isocenter=(x, x, x)).isocenter,
    "point": lambda x: point(x, x, x),
    "rotation": lambda x: rotation((0, 0, 1), x),
    "tungsten_spectrum": lambda x: tungsten_spectrum(80 * x, anode_angle_deg=12 * x).photons,
    "filtered": lambda x: filtered(BEAM, "copper", x).photons,
    "monochromatic": lambda x: monochromatic(60 * x, x).photons,
    "linear_attenuation": lambda x: linear_attenuation("water", [60 * x, 70 * x]),
    "decompose": lambda x: decompose(torch.zeros(1), ct_kvp=120 * x).values,
    "display": lambda x: display(IMAGE, window=(0 * x, 3 * x), gamma=x),
    "gradients": lambda x: gradient_normalized_cross_correlation(IMAGE, IMAGE, sigma=x),
    "pattern": lambda x: random_pattern(9, 9, gain_spread=x, generator=torch.Generator().manual_seed(2)).gain,
    "iodine": lambda x: iodine_contrast(100 * x).density_g_cm3,
    "CArmPose": lambda x: CArmPose(alpha_deg=x, isocenter=(x, x, x)),
    "CArmGeometry": lambda x: CArmGeometry(sdd_mm=1000 * x, sid_mm=500 * x, pixel_mm=x),
    "Exposure": lambda x: Exposure(mas=x),
    "Blur": lambda x: (Blur(light_spread_mm=x), Glare(fraction=0 * x, range_mm=x)),
    "Lag": lambda x: Lag(shares=(0 * x,), decay_frames=(x,)),
    "PhotonCounter": lambda x: PhotonCounter(thresholds_kev=(20 * x,), thickness_mm=x, fill_factor=x),
    "Processing": lambda x: Processing(edge=x, window=(0 * x, x)),
    "Step": Step,
    "FocalSpot": lambda x: FocalSpot(width_mm=x),
    "HeelEffect": lambda x: HeelEffect(anode_angle_deg=12 * x),
    "Shutters": lambda x: Shutters(left_mm=x),
    "solvers": lambda x: (GaussNewton(sigma_px=x).sigma_px, CmaEs(reach_mm=x).reach_mm),
}


def assert_same(found: Any, expected: Any) -> None:
    """Equal to the last digit, and made of Python's numbers where it is a record."""
    if isinstance(expected, torch.Tensor):
        torch.testing.assert_close(found, expected, rtol=0.0, atol=0.0)
    elif isinstance(expected, tuple):
        for one, other in zip(found, expected, strict=True):
            assert_same(one, other)
    elif is_dataclass(expected):
        for field in fields(expected):
            assert_same(getattr(found, field.name), getattr(expected, field.name))
    else:
        assert not isinstance(found, np.generic)
        assert np.array_equal(found, expected)


@pytest.mark.parametrize("name", COUNTS)
@pytest.mark.parametrize("kind", INTEGERS)
def test_counts_of_numpy_are_counts(name: str, kind: Any) -> None:
    assert_same(COUNTS[name](kind(12)), COUNTS[name](12))


@pytest.mark.parametrize("name", LENGTHS)
@pytest.mark.parametrize("kind", FLOATS)
def test_numbers_of_numpy_are_numbers(name: str, kind: Any) -> None:
    assert_same(LENGTHS[name](kind(1.0)), LENGTHS[name](1.0))


@pytest.mark.parametrize("value", [12.0, np.float64(12), True, np.True_, "12", None, np.array([12]), [12], 1 + 0j])
def test_what_is_no_count_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="height must be an integer, got"):
        as_count(value, "height")


@pytest.mark.parametrize("value", ["1", None, True, np.True_, np.array([1.0]), [1.0], 1j, np.complex64(1), 10**400])
def test_what_is_no_number_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="kvp must be a number, got"):
        as_number(value, "kvp")


def test_a_gradient_is_not_lost_in_silence() -> None:
    with pytest.raises(TypeError, match=r"alpha_deg must be a plain number, got tensor.*whose gradient would be lost"):
        CArmPose(alpha_deg=torch.tensor(1.0, requires_grad=True))  # type: ignore[arg-type]


def test_unsigned_corners_of_a_window_do_not_wrap_around() -> None:
    camera = Camera.carm(sdd_mm=1000, sid_mm=500, height=50, width=50, pixel_mm=1)
    cut = camera.cropped(np.uint16(2), np.uint16(3), 12, 12)
    torch.testing.assert_close(cut.intrinsics, camera.cropped(2, 3, 12, 12).intrinsics, rtol=0.0, atol=0.0)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("x: 1e-05", 1e-5),
        ("x: 1.02e3", 1020.0),
        ("x: -2E+2", -200.0),
        ("x: .5e1", 5.0),
        ('{"x": 1e-05}', 1e-5),
        ('{\t"x": 3}', 3),
        ("x: 1e", "1e"),
        ("x: e5", "e5"),
        ("x: '1e5'", "1e5"),
    ],
)
def test_numbers_with_exponents_in_json_and_yaml(text: str, value: object, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(text)
    found = read_fields(tmp_path / "a.yaml")
    assert found == {"x": value}
    assert type(found["x"]) is type(value)
