"""Torch's threads sleep between calls, however deepdrr was imported, unless the user decided."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPORT = """
import os, threading
names = [thread.name for thread in threading.enumerate()]
print(os.environ.get("OMP_WAIT_POLICY"), "deepdrr-openmp" in names, torch.get_num_threads())
"""


def found(imports: str, policy: str | None = None) -> list[str]:
    environment = {key: value for key, value in os.environ.items() if key != "OMP_WAIT_POLICY"}
    environment |= {"OMP_NUM_THREADS": "2"} | ({} if policy is None else {"OMP_WAIT_POLICY": policy})
    program = imports + REPORT
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_deepdrr_first_sets_the_policy() -> None:
    assert found("import deepdrr, torch") == ["PASSIVE", "False", "2"]


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="GNU's OpenMP is looked for on Linux only")
def test_torch_first_holds_a_second_team() -> None:
    assert found("import torch, deepdrr") == ["None", "True", "2"]


def test_the_users_policy_stays() -> None:
    assert found("import torch, deepdrr", "active") == ["active", "False", "2"]
    assert found("import deepdrr, torch", "active") == ["active", "False", "2"]
