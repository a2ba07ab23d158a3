"""The examples, shortened, do what they say."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from example_modules import load

pytest.importorskip("matplotlib", reason="the examples draw, with the extra deepdrr[plot]")

# Python 3.12 warns of every fork in a process with threads; the kernels keep none between calls.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")

optimize, train_pose = load("optimize"), load("train_pose")


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Images so small are not worth sharing."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize(
    ("name", "steps", "left"),
    # What is left of the start's error, at least twice what it was when this was written; but of the voxels, which 24
    # small images do not determine, half stays.
    [
        ("pose", 40, 0.1),
        ("camera", 40, 0.2),
        ("attenuation", 80, 0.05),
        ("voxels", 30, 0.65),
        ("filtration", 80, 0.2),
        ("tube_voltage", 80, 0.15),
    ],
)
def test_each_input_is_found_by_its_gradient(name: str, steps: int, left: float) -> None:
    errors = optimize.solve(getattr(optimize, name)(optimize.load_patient()), steps)
    assert len(errors) == 1 + steps
    assert errors[-1] < left * errors[0]


def test_there_is_a_problem_for_each_input() -> None:
    assert [problem.__name__ for problem in optimize.PROBLEMS] == [
        "pose",
        "camera",
        "attenuation",
        "voxels",
        "filtration",
        "tube_voltage",
    ]


@pytest.fixture(scope="module")
def subject() -> object:
    return train_pose.load_subject(8.0)


def test_a_batch_is_the_same_in_any_order_and_any_worker(subject: object) -> None:
    views = train_pose.Views(subject, 16, 3, 4, seed=5)
    here = [views[index] for index in (3, 0, 2, 1)]
    there = list(torch.utils.data.DataLoader(views, batch_size=None, num_workers=2))
    for batch, index in zip(here, (3, 0, 2, 1), strict=True):
        assert torch.equal(batch.images, there[index].images)
        assert torch.equal(batch.poses, there[index].poses)
    assert not torch.equal(here[0].images, here[1].images)


@pytest.mark.parametrize("workers", [0, 1])
def test_the_network_learns(subject: object, workers: int) -> None:
    _, losses, validation = train_pose.train(subject, steps=40, size=24, batch_size=8, workers=workers)
    assert len(losses) == 40
    assert validation[-1][0] == 40
    # From guessing the middle of all poses to something: two thirds of that error when this was written.
    assert validation[-1][1] < 0.85 * validation[0][1]


def test_what_the_command_writes(tmp_path: Path) -> None:
    arguments = f"--out {tmp_path} --steps 2 --size 16 --batch-size 4 --workers 0 --spacing-mm 12"
    train_pose.main(arguments.split())
    assert {path.name for path in tmp_path.iterdir()} == {"curve.png", "views.png", "weights.pt"}
