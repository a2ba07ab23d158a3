"""Files under attack, seeded: a short round here, a long one among the slow tests."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def attack(seed: int, count: int, seconds: int) -> str:
    """What the child says; its last line has the number of faults."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE.parent / "data"), *sys.path])}
    words = [sys.executable, str(HERE / "damage.py"), str(seed), str(count)]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=seconds, check=False)
    # A try that went well is written over by the next one.
    said = "\n".join(line.rpartition("\r")[2] for line in done.stdout.split("\n"))
    return said[-3000:] if said.endswith("each kind\n") else said[-1000:] + done.stderr[-3000:]


@pytest.mark.parametrize("seed", [1])
def test_a_damaged_file_is_read_right_or_refused_in_a_sentence(seed: int) -> None:
    said = attack(seed, 16, 300)
    assert said.endswith("0 faults in 16 tries of each kind\n"), said


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 6))
def test_many_damaged_files(seed: int) -> None:
    said = attack(seed, 240, 3000)
    assert said.endswith("0 faults in 240 tries of each kind\n"), said
