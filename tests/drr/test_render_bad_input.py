"""`render` refuses bad input in one sentence with the value, before any ray is made."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from drr_scenes import HEIGHT, SDD, WIDTH, camera, poses, subject
from torch import Tensor

from deepdrr.data import Subject
from deepdrr.drr import _integrals, render


def with_entry(matrix: Tensor, value: float, *index: int) -> Tensor:
    changed = matrix.clone()
    changed[0][index] = value
    return changed


POSE = poses(1, torch.zeros(3))
GOOD: dict[str, Any] = {"k_inv": camera(), "rt_inv": POSE, "sdd": torch.tensor([SDD]), "height": HEIGHT, "width": WIDTH}
TARGETS = torch.zeros(1, HEIGHT * WIDTH, 3)

BAD: list[tuple[dict[str, Any], type[Exception], str]] = [
    # shapes
    ({"k_inv": torch.eye(4)[None]}, ValueError, r"k_inv must be \[B, 3, 3\], got shape \(1, 4, 4\)"),
    ({"rt_inv": torch.eye(3)[None]}, ValueError, r"rt_inv must be \[B, 4, 4\], got shape \(1, 3, 3\)"),
    (
        {"k_inv": camera().expand(3, 3, 3), "rt_inv": POSE.expand(2, 4, 4)},
        ValueError,
        "the batches of k_inv, rt_inv, sdd must broadcast",
    ),
    (
        {"sdd": torch.ones(2), "rt_inv": POSE.expand(3, 4, 4)},
        ValueError,
        r"must broadcast, got .*'sdd': \(2,\)",
    ),
    ({"src": torch.zeros(1, 7, 3)}, ValueError, r"src must be \[B, 120, 3\] or \[B, 1, 3\].*got shape \(1, 7, 3\)"),
    ({"tgt": torch.zeros(1, 1, 3)}, ValueError, r"tgt must be \[B, 120, 3\] .*got shape \(1, 1, 3\)"),
    ({"tgt": torch.zeros(1, 120, 2)}, ValueError, r"tgt must be .*got shape \(1, 120, 2\)"),
    ({"tgt": TARGETS.expand(4, -1, -1), "rt_inv": POSE.expand(3, 4, 4)}, ValueError, "must broadcast"),
    # types
    ({"k_inv": np.eye(3)[None]}, TypeError, "k_inv must be a floating-point tensor, got float64"),
    ({"rt_inv": torch.eye(4, dtype=torch.int64)[None]}, TypeError, r"rt_inv must be .* got torch\.int64"),
    ({"height": 10.0}, TypeError, r"height must be an integer, got 10\.0"),
    ({"orthographic": "x"}, TypeError, "orthographic must be True or False, got 'x'"),
    ({"n_samples": "many"}, TypeError, "n_samples must be an integer, got 'many'"),
    ({"sdd": "far"}, TypeError, "sdd must be a distance in mm, a number or .* got 'far'"),
    # matrices
    ({"rt_inv": with_entry(POSE, 0.1, 3, 0)}, ValueError, r"rt_inv must end in the row 0 0 0 1, got \[0\.1"),
    ({"rt_inv": POSE * torch.tensor([0.0, 1, 1, 1])}, ValueError, "rt_inv must be invertible, got the singular"),
    ({"k_inv": camera() * torch.tensor([1.0, 0, 1])}, ValueError, "k_inv must be invertible, got the singular"),
    ({"rt_inv": with_entry(POSE, math.nan, 0, 3)}, ValueError, r"rt_inv must be finite, got \[.*nan"),
    (
        {"k_inv": torch.linalg.inv(camera())},
        ValueError,
        "k_inv must be the inverse of the intrinsics K, got the first row",
    ),
    ({"k_inv": with_entry(camera(), math.inf, 0, 0)}, ValueError, r"k_inv must be finite, got \[inf"),
    ({"src": torch.full((1, 1, 3), math.nan)}, ValueError, r"src must be finite, got \[nan"),
    # numbers
    ({"sdd": torch.tensor([-1020.0])}, ValueError, r"sdd must be a positive distance in mm, got \[-1020\.0\]"),
    ({"sdd": 0.0}, ValueError, r"sdd must be a positive distance in mm, got 0\.0"),
    ({"sdd": math.nan}, ValueError, "sdd must be a positive distance in mm, got nan"),
    ({"height": 0}, ValueError, "height must be at least 1, got 0"),
    ({"width": -5}, ValueError, "width must be at least 1, got -5"),
    ({"n_samples": 1}, ValueError, "n_samples must be at least 2, got 1"),
    # devices
    ({"rt_inv": POSE.to("meta")}, ValueError, "rt_inv must be on the subject's device cpu, got .*meta"),
    ({"k_inv": camera().to("meta")}, ValueError, "k_inv must be on the subject's device cpu, got .*meta"),
    ({"src": TARGETS.to("meta")}, ValueError, "src must be on the subject's device cpu, got .*meta"),
]


@pytest.mark.parametrize(
    ("change", "error", "complaint"), BAD, ids=[f"{n}-{next(iter(b[0]))}" for n, b in enumerate(BAD)]
)
def test_arguments(
    change: dict[str, Any],
    error: type[Exception],
    complaint: str,
    generator: torch.Generator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_integrals, "project", lambda *given, **how: pytest.fail("a ray was made"))
    with pytest.raises(error, match=complaint):
        render(subject(generator), **(GOOD | change))


def test_attenuations(generator: torch.Generator) -> None:
    one = subject(generator)
    for name, value in (("mu_water", -0.1), ("mu_bone", math.nan), ("hu_bone", 0.0)):
        setattr(one, name, value)
        with pytest.raises(ValueError, match=f"{name} must be .* got {value}"):
            render(one, **GOOD)
        setattr(one, name, {"mu_water": 0.02, "mu_bone": 0.05, "hu_bone": 1000.0}[name])


def test_voxels_that_became_nan(generator: torch.Generator) -> None:
    one = subject(generator)
    one.image_hu[0, 0, 1, 2, 3] = math.nan
    with pytest.raises(ValueError, match=r"subject\.image_hu must be finite, got values from nan"):
        render(one, **GOOD)
    one.image_hu.requires_grad_()
    with pytest.raises(ValueError, match=r"subject\.image_hu must be finite, got values from nan"):
        render(one, **GOOD)


def test_labels_over_the_limit(generator: torch.Generator) -> None:
    one = subject(generator)
    one.label = (torch.arange(one.image_hu.numel()) % 200 + 1).reshape(one.image_hu.shape)
    with pytest.raises(ValueError, match=r"at most 128 classes, .* got n_classes = 201"):
        render(one, **GOOD)


def test_labels_that_became_too_many(generator: torch.Generator) -> None:
    one = subject(generator, classes=3)
    assert one.label_map is not None
    one.label_map[0, 0, 0, 0, 0] = 9
    with pytest.raises(ValueError, match="labels must lie in 0 to 2"):
        render(one, **GOOD)


def test_a_picture_larger_than_memory() -> None:
    one = Subject(torch.zeros(1, 1, 2, 2, 2), torch.eye(4))
    with pytest.raises(MemoryError, match="ask for fewer pixels, views or channels at a time"):
        render(one, **(GOOD | {"height": 10**7, "width": 10**7}))


def test_a_source_inside_the_patient_is_refused_as_by_a_projector() -> None:
    water = Subject(torch.zeros(1, 1, 20, 20, 20), torch.eye(4))
    inside = torch.eye(4).repeat(2, 1, 1)
    inside[0, :3, 3] = torch.tensor([500.0, 0.0, 0.0])
    inside[1, :3, 3] = torch.tensor([9.0, 9.0, 9.0])
    for physics in ({}, {"kvp": 80.0}):
        with pytest.raises(ValueError, match=r"source must be outside the patient, got .* at \(9, 9, 9\) mm"):
            render(water, **(GOOD | {"rt_inv": inside}), **physics)
    with pytest.raises(ValueError, match="source must be outside the patient"):
        render([water, water], **(GOOD | {"rt_inv": inside}))
    air = Subject(torch.full((1, 1, 20, 20, 20), -1000.0), torch.eye(4))
    render(air, **(GOOD | {"rt_inv": inside}))


def test_what_torch_func_cannot_do_is_refused(generator: torch.Generator) -> None:
    one = subject(generator)

    def mapped(**more: object) -> None:
        torch.vmap(lambda pose: render(one, **(GOOD | {"rt_inv": pose[None]} | more)))(POSE)

    with pytest.raises(
        NotImplementedError, match=r"reference backend cannot be mapped by torch\.vmap: give it the batch"
    ):
        mapped(backend="reference")
    with pytest.raises(NotImplementedError, match=r"render with a spectrum cannot be transformed by torch\.func"):
        mapped(kvp=80.0)
    with pytest.raises(ValueError, match="rt_inv must end in the row 0 0 0 1, got"):
        torch.vmap(lambda pose: render(one, **(GOOD | {"rt_inv": pose[None] * 2})))(POSE)
