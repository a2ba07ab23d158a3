"""Every backend of `project`, and the compiled sum over a spectrum, against the reference."""

import torch

from deepdrr.raycast import Exact, Field, Step, backends, project
from deepdrr.spectrum import attenuate, tungsten_spectrum
from deepdrr.validation._check import Check, Group
from deepdrr.validation._phantoms import OBLIQUE, POSES_DEG, camera_at, centered

__all__ = ["backend_group"]

_REFERENCE = "reference"
_LIMIT, _SUM_LIMIT = 1e-4, 1e-5
_SHAPE = (24, 20, 28)


def backend_group(short: bool) -> Group:
    """Compare every backend that this machine has with the reference, in two or four views."""
    poses = POSES_DEG[1:2] if short else POSES_DEG
    # The fields are in the host's memory, which the CUDA backend does not serve; tests/cuda hold it to the reference.
    skipped = (_REFERENCE, "cuda")
    ready = [name for name, state in backends().items() if state == "ready" and name not in skipped]
    absent = [f"{name}: {state}" for name, state in backends().items() if state != "ready"]
    checks = [check for name in ready for pose in poses for check in _checks(name, pose)]
    return Group(
        title="Backends against the reference",
        text=(
            "Line integrals of three channels of noise on an oblique grid, by every backend of this machine against "
            "the float64 reference in torch. Each row is the ray with the largest difference, the limit 1e-4 of the "
            "largest integral. Then the sum over a spectrum of 80 kV behind three materials and its gradient, in "
            "float32 against float64, at the pixel with the largest relative difference."
            + (f" Not here: {'; '.join(absent)}." if absent else "")
        ),
        checks=(*checks, *_spectral_checks()),
    )


def _checks(name: str, pose_deg: tuple[float, float, float]) -> list[Check]:
    values = torch.rand(3, *_SHAPE, generator=torch.Generator().manual_seed(5))
    field = Field(values, torch.linalg.inv(centered(OBLIQUE, _SHAPE)))
    camera = camera_at(pose_deg, 32)
    checks = []
    for label, rule in (("exact", Exact()), ("step 0.7 mm", Step(mm=0.7))):
        reference = project(field, camera, integration=rule, backend=_REFERENCE).double().reshape(-1)
        found = project(field, camera, integration=rule, backend=name).double().reshape(-1)
        at = int((found - reference).abs().argmax())
        checks.append(
            Check(
                name=f"{name}, {label}, pose {'/'.join(f'{angle:g}' for angle in pose_deg)}°",
                value=float(found[at]),
                reference=float(reference[at]),
                unit="mm",
                source="reference backend",
                limit=_LIMIT * float(reference.max()),
                kind="absolute",
            )
        )
    return checks


def _spectral_checks() -> list[Check]:
    """Energy that arrives behind fat, soft tissue and bone, and its derivative with respect to the soft tissue."""
    thickest = torch.tensor([10.0, 30.0, 8.0])[:, None, None]  # g/cm²
    areas = torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(6)) * thickest
    names, beam = ["adipose 3", "soft tissue", "cortical bone"], tungsten_spectrum(80.0)
    results = []
    for dtype in (torch.float32, torch.float64):
        given = areas.to(dtype).requires_grad_()
        energy = attenuate(given, beam, names).energy_kev
        slope = torch.autograd.grad(energy.sum(), given)[0][1]
        results.append((energy.detach().double().reshape(-1), slope.double().reshape(-1)))
    checks = []
    for what, found, reference in zip(("energy", "its derivative"), *results, strict=True):
        at = int((found / reference - 1).abs().argmax())
        checks.append(
            Check(
                name=f"sum over the spectrum, {what}",
                value=float(found[at]),
                reference=float(reference[at]),
                unit="keV/mm²/mAs" if what == "energy" else "keV/mm²/mAs per g/cm²",
                source="float64 in torch",
                limit=_SUM_LIMIT,
            )
        )
    return checks
