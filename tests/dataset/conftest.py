"""Two small patients with labels and landmarks, their plan, and the command."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from dataset_phantom import PLAN

from deepdrr import Volume
from deepdrr.annotations import Annotations, Point
from deepdrr.cli import main


def save_patient(folder: Path, name: str, length: int) -> None:
    """Water with a rod of bone along the patient and a nail, in air."""
    hu = torch.full((36, 28, length), -1000.0)
    labels = torch.zeros(hu.shape, dtype=torch.uint8)
    hu[2:-2, 2:-2], hu[20:24, 12:16] = 0.0, 900.0
    labels[20:24, 12:16], labels[6:8, 6:8] = 1, 2
    marks = Annotations([Point("tip", (43.0, 27.0, 20.0)), Point("nail", (13.0, 13.0, 20.0))])
    volume = Volume.from_array(hu, torch.diag(torch.tensor([2.0, 2.0, 2.0, 1.0])), labels=labels, landmarks=marks)
    volume.save(folder / f"{name}.nii.gz", labels=folder / f"{name}_labels.nii.gz", landmarks=folder / f"{name}.json")


@pytest.fixture(scope="session")
def patients(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the patients."""
    folder = tmp_path_factory.mktemp("patients")
    save_patient(folder, "short", 24)
    save_patient(folder, "tall", 32)
    return folder


@pytest.fixture
def plan_file(patients: Path) -> Path:
    path = patients / "plan.yaml"
    path.write_text(PLAN)
    return path


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run the command: words → (exit code, standard output, standard error)."""

    def call(*words: object) -> tuple[int, str, str]:
        code = main([str(word) for word in words])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call
