"""The rows of `make bench-gpu`, with every tensor on a GPU that torch pretends to have, through the CUDA kernels."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch
from cuda_machine import Gpu
from pretend_gpu import PretendGpu

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def pretended(gpu: Gpu, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """On the software driver, `cuda` is the host's memory."""
    if gpu.device.type == "cuda":
        pytest.skip("here is a real GPU: make bench-gpu")
    with PretendGpu():
        yield


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
        ("pose_gradient", "step_linear_by_rays_i16"),
        ("volume_gradient", "step_linear_by_values_fast"),
        ("labels", "step_linear"),
        ("labels_pose_gradient", "by_rays"),
    ],
)
def test_our_side_of_a_row_runs_on_the_gpu(
    cases: ModuleType,
    pretended: None,
    launched: list[str],
    row: str,
    kernel: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cases, "NanoDRR", Peer)
    monkeypatch.setattr(cases, "carm", lambda pose="AP": sys.modules["_scene"].carm(pose, pixels=12, pixel_mm=33.0))
    scene = sys.modules["_scene"].load_scene("phantom").to(torch.device("cuda"))
    extra = {"labels": ("soft",), "labels_pose_gradient": ("soft",)}.get(row, ())
    case = getattr(cases.PeerCases(scene), row)("tilt 30/20/10", 10.0, *extra)
    found = case.ours()
    assert found.device.type == "cuda"
    assert float(found.abs().sum()) > 0
    assert any(kernel in name for name in launched)
