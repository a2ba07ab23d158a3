"""Our side of the rows of `make bench-gpu`, with every tensor on a device: none is left on the host."""

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"


class Peer:
    """What nanodrr's side has to be for a case to be built: nothing is asked of it here."""

    @classmethod
    def load(cls, scene: object, camera: object, labels: bool = False) -> "Peer":
        return cls()

    def project(self) -> None:
        """Never called."""


@pytest.fixture
def cases(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    found = importlib.import_module("_cases")
    small = importlib.import_module("_scene").carm
    monkeypatch.setattr(found, "NanoDRR", Peer)
    monkeypatch.setattr(found, "carm", lambda pose="AP": small(pose, pixels=12, pixel_mm=33.0))
    return found


@pytest.mark.parametrize("row", ["forward", "pose_gradient", "volume_gradient", "labels", "labels_pose_gradient"])
def test_our_side_of_a_row_stays_on_the_device(cases: ModuleType, device: str, single: bool, row: str) -> None:
    if single:
        pytest.skip("a GPU has double precision")
    made = importlib.import_module("_scene").load_scene("phantom")
    extra = ("soft",) if "labels" in row else ()

    def shown(scene: Any) -> torch.Tensor:
        peers = cases.PeerCases(scene)
        peers._backend = "auto"  # by its name there is none of this device
        found: torch.Tensor = getattr(peers, row)("tilt 30/20/10", 10.0, *extra).ours()
        return found

    found, expected = shown(made.to(torch.device(device))), shown(made)
    assert found.device.type == device
    # Float32 sums in another order; int16 voxels or not.
    torch.testing.assert_close(found.cpu(), expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))
