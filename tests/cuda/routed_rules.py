"""The kernels that route by label, each with what `project` is asked for to run it, and a CT to run them on."""

import torch

from deepdrr.data import Volume, fetch_sample
from deepdrr.raycast import Exact, Field, Samples, Step

ROUTED = {
    "exact_nearest_hard": {"interpolation": "nearest", "integration": Exact()},
    "step_nearest_hard": {"interpolation": "nearest", "integration": Step(mm=0.71)},
    "exact_linear_hard": {"routing": "hard", "integration": Exact()},
    "step_linear_hard": {"routing": "hard", "integration": Step(mm=0.71)},
    "exact_linear_soft": {"routing": "soft", "integration": Exact()},
    "step_linear_soft": {"routing": "soft", "integration": Samples(41)},
}
# Samples that are routed hard are compared where none lies on a voxel's face, which may go to either side.
SMOOTH = [kernel for kernel in ROUTED if kernel not in ("step_nearest_hard", "step_linear_hard")]
DIFFERENTIABLE = ["exact_linear_hard", "exact_linear_soft", "step_linear_soft"]


def small_ct() -> Field:
    """A pelvis of four labels (air, fat, soft tissue, bone) by HU; values are densities of 0 to 2."""
    ct = Volume.from_file(fetch_sample("pelvis").image).resample(8.0)
    ct.orient_patient(head_first=True, supine=True)
    labels = torch.bucketize(ct.hu, torch.tensor([-800.0, -30.0, 200.0])).to(torch.uint8)
    return Field((1 + ct.hu[None] / 1000).clamp(min=0), ct.ijk_from_world, labels, 4)
