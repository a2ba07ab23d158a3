"""Fields made from a subject are remade when the subject has changed, and only then."""

from collections.abc import Callable

import pytest
import torch
from drr_scenes import HEIGHT, SDD, WIDTH, camera, poses, subject
from torch import Tensor
from torch.testing import assert_close

from deepdrr.data import Subject
from deepdrr.drr import _prepared, render


def picture(one: Subject) -> Tensor:
    return render(one, camera(), poses(2, torch.tensor([0.0, 20, 110])), SDD, HEIGHT, WIDTH, 100)


def fresh(one: Subject) -> Subject:
    """A subject of the same content that nothing was made from."""
    return Subject(
        one.image_hu.detach().clone(),
        torch.linalg.inv(one.world_to_voxel),
        one.label.clone(),
        max_label=one.n_classes - 1,
        convert_to_mu=one.convert_to_mu,
        mu_water=one.mu_water,
        mu_bone=one.mu_bone,
        hu_bone=one.hu_bone,
    ).to(one.image_hu.dtype)


def move(one: Subject) -> None:
    one.world_to_voxel[0, 3] += 2.0


def change_some_voxels(one: Subject) -> None:
    one.image_hu[0, 0, 2:5] += 300


CHANGES: list[Callable[[Subject], object]] = [
    lambda one: setattr(one, "mu_water", 0.025),
    lambda one: setattr(one, "mu_bone", 0.09),
    lambda one: setattr(one, "hu_bone", 1500.0),
    lambda one: setattr(one, "convert_to_mu", False),
    lambda one: one.set_mu(mu_water=0.03, mu_bone=0.04),
    change_some_voxels,
    lambda one: one.image_hu.clamp_(max=200.0),
    lambda one: setattr(one, "image_hu", one.image_hu + 100),
    lambda one: one.label_map.fill_(1),
    lambda one: setattr(one, "label", 2 - one.label),
    move,
    lambda one: one.load_state_dict({n: b + 100 if n == "image_hu" else b for n, b in one.state_dict().items()}),
    lambda one: one.half(),
    lambda one: one.double(),
]


@pytest.mark.parametrize("parameters", ["numbers", "tensors"])
@pytest.mark.parametrize("change", CHANGES, ids=range(len(CHANGES)))
def test_a_change_shows_in_the_next_picture(
    change: Callable[[Subject], object], parameters: str, generator: torch.Generator
) -> None:
    one = subject(generator, classes=3)
    if parameters == "tensors":
        one.mu_water = torch.tensor(0.0192)
    before = picture(one)
    with torch.no_grad():
        change(one)
    after = picture(one)
    assert_close(after, picture(fresh(one)), rtol=1e-5, atol=1e-4)  # an inverse of an inverse, in float32
    if before.dtype == after.dtype:
        assert not torch.equal(before, after)


def test_nothing_is_made_twice(generator: torch.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    make = _prepared._made
    monkeypatch.setattr(_prepared, "_made", lambda *given: (made.append(given), make(*given))[1])
    one = subject(generator)
    for _ in range(3):
        picture(one)
    assert len(made) == 1
    one.mu_water = 0.02
    picture(one)
    assert len(made) == 2
    for mu in (0.02, 0.03, 0.04):  # tensors are mixed from one
        one.mu_water = torch.tensor(mu)
        picture(one)
    assert len(made) == 3


def test_what_was_made_goes_with_its_subject(generator: torch.Generator) -> None:
    one = subject(generator)
    picture(one)
    kept = len(_prepared.kept)
    del one
    assert len(_prepared.kept) == kept - 1


def test_in_inference_mode(generator: torch.Generator) -> None:
    """Writes to inference tensors cannot be counted: what is made from them is made each time."""
    with torch.inference_mode():
        one = subject(generator)
        before = picture(one)
        one.image_hu += 100
        assert float((picture(one) - before).abs().max()) > 0.1
