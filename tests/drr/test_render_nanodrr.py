"""Pictures and gradients agree with nanodrr's within its own sampling error.

Against stored numbers (their file names the version and the command), and against nanodrr itself where it is installed.
"""

import importlib
import importlib.util
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from nanodrr_cases import CASES, Peer, results
from torch import Tensor

import deepdrr.camera
import deepdrr.data
import deepdrr.drr

STORED = json.loads((Path(__file__).parents[1] / "data" / "nanodrr_values.json").read_text(encoding="utf-8"))
FEW, MANY = STORED["samples"]["few"], STORED["samples"]["many"]

OURS = Peer(deepdrr.camera, deepdrr.data, deepdrr.drr)
QUANTITIES = [(case, name) for case, found in STORED["cases"].items() for name in found]


@cache
def ours(case: str, n_samples: int) -> dict[str, Tensor]:
    return results(OURS, case, n_samples)


def error_of(quantities: dict[str, tuple[float, float]], name: str) -> float:
    """nanodrr's sampling error of a quantity, from (its error at few samples, its size) of all.

    That of a gradient is the worst of the gradients relative to their sizes: a single one may be small by chance.
    """
    if name == "picture":
        return quantities[name][0]
    worst = max(error / size for other, (error, size) in quantities.items() if other != "picture")
    return worst * quantities[name][1]


def stored(case: str, name: str) -> tuple[Tensor, float]:
    """Values at many samples, and the error at few."""
    found: dict[str, Any] = STORED["cases"][case]
    sizes = {n: (q["error_at_few"], max(map(abs, q["values"]))) for n, q in found.items()}
    return torch.tensor(found[name]["values"]).reshape(found[name]["shape"]), error_of(sizes, name)


def agree(found: Tensor, expected: Tensor, error: float) -> None:
    """Within a sampling error, and float32 sums of 1500 terms on either side."""
    rounding = 2e-4 * float(expected.abs().max())
    assert float((found - expected).abs().max()) <= error + rounding


def test_every_case_is_stored() -> None:
    assert list(STORED["cases"]) == list(CASES)


@pytest.mark.parametrize(("case", "name"), QUANTITIES, ids=[f"{c} {n}" for c, n in QUANTITIES])
class TestStored:
    def test_many_samples(self, case: str, name: str) -> None:
        """The midpoint rule's error falls with the samples: at 25 times as many it is far below that at few."""
        expected, error = stored(case, name)
        agree(ours(case, MANY)[name], expected, error / 5)

    def test_few_samples(self, case: str, name: str) -> None:
        """Samples lie elsewhere, as nanodrr's part of a ray is a voxel longer: the errors differ, not their size."""
        expected, error = stored(case, name)
        agree(ours(case, FEW)[name], expected, 2 * error)


@pytest.mark.skipif(importlib.util.find_spec("nanodrr") is None, reason="nanodrr is not installed")
@pytest.mark.parametrize("case", CASES)
def test_nanodrr_itself(case: str) -> None:
    peer = Peer(*(importlib.import_module(f"nanodrr.{room}") for room in ("camera", "data", "drr")))
    expected, few = results(peer, case, MANY), results(peer, case, FEW)
    sizes = {n: (float((few[n] - e).abs().max()), float(e.abs().max())) for n, e in expected.items()}
    for name, value in ours(case, MANY).items():
        agree(value, expected[name], error_of(sizes, name) / 5)
