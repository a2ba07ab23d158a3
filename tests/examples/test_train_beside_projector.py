"""The ResNet beside a `Projector` learns, whichever is made first, and the same either way."""

import pytest
import torch
from example_modules import load

# The panel sees more than the bundled CT holds, and air beyond it teaches as well.
pytestmark = pytest.mark.filterwarnings("ignore:the CT ends inside the beam:UserWarning")

example = load("train_beside_projector")
CPU = torch.device("cpu")
# The root mean square of angles drawn evenly from ±ANGLES_DEG: the error of who always says 0.
GUESS_DEG = example.ANGLES_DEG / 3**0.5


def test_it_learns() -> None:
    errors = example.train(device=CPU, first="network", steps=40, size=16)
    # 40 batches of 16: under half of the guess when this was written.
    assert sum(errors[-8:]) / 8 < 0.65 * GUESS_DEG


def test_whichever_is_first_it_learns_the_same() -> None:
    network, projector = (example.train(device=CPU, first=f, steps=3, size=16) for f in ("network", "projector"))
    assert network == projector


def test_the_command_takes_a_step_between(capsys: pytest.CaptureFixture[str]) -> None:
    errors = example.main(["--first", "between", "--steps", "2"])
    assert len(errors) == 2
    assert capsys.readouterr().out.count("loss") == 2
