"""Our side of the rows of `make bench-gpu`, with every tensor on a device: none is left on the host."""

import importlib
from functools import partial
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
    return importlib.import_module("_cases")


@pytest.mark.parametrize("row", ["forward", "pose_gradient", "volume_gradient", "labels", "labels_pose_gradient"])
def test_our_side_of_a_row_stays_on_the_device(cases: ModuleType, device: str, single: bool, row: str) -> None:
    if single:
        pytest.skip("a GPU has double precision")
    scenes = importlib.import_module("_scene")
    made, small = scenes.load_scene("phantom"), partial(scenes.carm, pixels=12, pixel_mm=33.0)
    extra = ("soft",) if "labels" in row else ()

    def shown(scene: Any) -> torch.Tensor:
        peers = cases.PeerCases(scene, backend="auto", peer=Peer, view=small)  # none is named like this device
        found: torch.Tensor = getattr(peers, row)("tilt 30/20/10", 10.0, *extra).ours()
        return found

    found, expected = shown(made.to(torch.device(device))), shown(made)
    assert found.device.type == device
    # Float32 sums in another order; int16 voxels or not.
    torch.testing.assert_close(found.cpu(), expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))
