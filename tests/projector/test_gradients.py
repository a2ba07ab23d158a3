"""d(image mean)/d(kVp, filter, contrast, pose) of the whole chain against central differences."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from deepdrr import MobileCArm, Volume
from deepdrr.camera import Camera
from deepdrr.detector import FlatPanel
from deepdrr.materials import MaterialModel
from deepdrr.projector import Projector
from deepdrr.resources import resource_path
from deepdrr.spectrum import FocalSpot, HeelEffect, Shutters, XRaySource, tungsten_spectrum


@pytest.fixture(scope="module")
def ct() -> Volume:
    """The pelvis on 12 mm voxels, on the table."""
    volume = Volume.from_nifti(resource_path("data/ct/pelvis.nii.gz")).resample(12.0)
    volume.orient_patient(head_first=True, supine=True)
    return volume


def source(kvp: float | Tensor = 80.0, copper_mm: float | Tensor = 0.1) -> XRaySource:
    """With everything that the beam passes: heel, focal spot, shutters."""
    filters = [("aluminium", 3.0), ("copper", copper_mm)]
    return XRaySource(
        spectrum=tungsten_spectrum(kvp, filters=filters),  # type: ignore[arg-type]
        heel=HeelEffect(),
        focal_spot=FocalSpot(),
        shutters=Shutters(left_mm=100.0),
    )


def camera(shift_mm: float | Tensor = 0.0) -> Camera:
    view = MobileCArm(alpha=20.0).camera.resized(16, 16)
    offset = torch.zeros(4, 4, dtype=torch.float64)
    offset[0, 3] = 1.0
    return Camera(view.intrinsics, view.camera_from_world + offset * shift_mm, view.sdd_mm, 16, 16)


def mean(
    ct: Volume,
    backend: str,
    *,
    amount: float | Tensor = 5.0,
    view: Camera | None = None,
    beam: XRaySource | None = None,
) -> Tensor:
    """Log of the mean of the expected image."""
    vessels = ((ct.hu > 0) & (ct.hu < 80)).double() * amount
    model = MaterialModel(contrast={"iodine": vessels})
    shot = Projector(
        ct, carm=view or camera(), spectrum=beam or source(), detector=FlatPanel(), materials=model, backend=backend
    )
    return shot().double().mean().log()


# Steps: the densities are float32 (7 digits), so a step must change the mean by 1e-3 or more for three digits.
CASES: dict[str, tuple[float, float, Callable[[Volume, str, Tensor | float], Tensor]]] = {
    "kvp": (83.3, 0.2, lambda ct, by, v: mean(ct, by, beam=source(kvp=v))),
    "copper": (0.1, 0.005, lambda ct, by, v: mean(ct, by, beam=source(copper_mm=v))),
    "contrast": (5.0, 0.2, lambda ct, by, v: mean(ct, by, amount=v)),
    "pose": (0.0, 0.2, lambda ct, by, v: mean(ct, by, view=camera(v))),
}


@pytest.mark.parametrize("backend", ["cpu", "reference"])
@pytest.mark.parametrize("name", list(CASES))
def test_against_central_differences(name: str, backend: str, ct: Volume) -> None:
    at, step, value = CASES[name]
    start = torch.tensor(at, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(value(ct, backend, start), start)
    with torch.no_grad():
        expected = (value(ct, backend, at + step) - value(ct, backend, at - step)) / (2 * step)
    # 1 %: float32 of densities, and for the pose the bends of the linear interpolation within the step
    assert float(slope) == pytest.approx(float(expected), rel=0.01)
