"""Every backend of `project` against the reference."""

import torch

from deepdrr.raycast import Exact, Field, Step, backends, project
from deepdrr.validation._check import Check, Group
from deepdrr.validation._phantoms import OBLIQUE, POSES_DEG, camera_at, centred

__all__ = ["backend_group"]

_REFERENCE = "reference"
_LIMIT = 1e-4
_SHAPE = (24, 20, 28)


def backend_group(short: bool) -> Group:
    """All backends that are ready, from two or four sides."""
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
            "largest "
            "integral." + (f" Not here: {'; '.join(absent)}." if absent else "")
        ),
        checks=tuple(checks),
    )


def _checks(name: str, pose_deg: tuple[float, float, float]) -> list[Check]:
    values = torch.rand(3, *_SHAPE, generator=torch.Generator().manual_seed(5))
    field = Field(values, torch.linalg.inv(centred(OBLIQUE, _SHAPE)))
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
