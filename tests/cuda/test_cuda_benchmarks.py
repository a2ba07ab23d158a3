"""Our side of the rows of `make bench-gpu`, through the CUDA kernels."""

import importlib
import sys
from functools import partial
from pathlib import Path
from types import ModuleType

import pytest
from cuda_machine import Gpu

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def cases(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("_cases")


class Peer:
    """What nanodrr's side has to be for a case to be built: nothing is asked of it here."""

    @classmethod
    def load(cls, scene: object, camera: object, labels: bool = False) -> "Peer":
        return cls()

    def project(self) -> None:
        """Never called."""


@pytest.mark.parametrize(
    ("row", "kernel"),
    [
        ("forward", "step_linear_i16"),
        ("pose_gradient", "step_linear_grad_rays_i16"),
        ("volume_gradient", "step_linear_grad_values_fast"),
        ("labels", "step_linear"),
        ("labels_pose_gradient", "grad_rays"),
    ],
)
def test_our_side_of_a_row_runs_on_the_gpu(
    cases: ModuleType,
    gpu: Gpu,
    launched: list[str],
    row: str,
    kernel: str,
) -> None:
    small = partial(sys.modules["_scene"].carm, pixels=12, pixel_mm=33.0)
    scene = sys.modules["_scene"].load_scene("phantom").to(gpu.device)
    extra = {"labels": ("soft",), "labels_pose_gradient": ("soft",)}.get(row, ())
    # By its name, as on a GPU: the software driver's tensors are the host's.
    peers = cases.PeerCases(scene, backend="cuda", peer=Peer, view=small)
    found = getattr(peers, row)("tilt 30/20/10", 10.0, *extra).ours()
    assert found.device.type == gpu.device.type
    assert float(found.abs().sum()) > 0
    assert any(kernel in name for name in launched)
