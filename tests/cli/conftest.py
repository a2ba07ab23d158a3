"""The command, run in this process, and a small CT."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from deepdrr.cli import main
from deepdrr.data import Volume

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command: words → (exit code, standard output, standard error)."""

    def call(*words: object) -> tuple[int, str, str]:
        code = main([str(word) for word in words])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture(scope="session")
def ct(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CT of 64 × 48 × 40 mm: water with a rod of bone along the patient, in air."""
    hu = torch.full((36, 28, 24), -1000.0)
    hu[2:-2, 2:-2] = 0.0
    hu[20:24, 12:16] = 900.0
    volume = Volume.from_array(hu, torch.diag(torch.tensor([2.0, 2.0, 2.0, 1.0])))
    path = tmp_path_factory.mktemp("ct") / "phantom.nii.gz"
    volume.save(path)
    return path


@pytest.fixture(scope="session")
def labels(ct: Path) -> Path:
    """The rod as label 1 and a nail, label 2, at the CT's other side."""
    values = torch.zeros((36, 28, 24), dtype=torch.uint8)
    values[20:24, 12:16] = 1
    values[6:8, 6:8] = 2
    volume = Volume.from_nifti(ct, labels=values, label_names={1: "rod", 2: "steel nail"})
    path = ct.with_name("labels.nii.gz")
    volume.save(ct.with_name("copy.nii.gz"), labels=path)
    return path
